"""F0 of a voice: right where the truth is known, none where there is no voice."""

import numpy as np
import pytest

from emollm.media.pitch import HOP_S, track_f0

RATE_HZ = 16000


@pytest.mark.parametrize("hz", [90, 220, 410])
def test_a_steady_voice(hz: int) -> None:
    times_s = np.arange(RATE_HZ) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * hz * k * times_s) / k for k in (1, 2, 3))
    f0_hz = track_f0(np.asarray(voice, np.float32), RATE_HZ)
    assert len(f0_hz) == pytest.approx(1 / HOP_S, abs=2) and (f0_hz > 0).mean() > 0.95
    assert np.median(f0_hz) == pytest.approx(hz, rel=0.005)


def test_a_known_glide() -> None:
    true_hz = np.linspace(100, 300, 3 * RATE_HZ)
    phase = 2 * np.pi * np.cumsum(true_hz) / RATE_HZ
    wave = 0.1 * sum(np.sin(k * phase) / k for k in range(1, 11))
    f0_hz = track_f0(wave, RATE_HZ)
    inside = np.arange(len(f0_hz))[20:-20]
    cents = 1200 * np.log2(f0_hz[inside] / np.interp(inside * HOP_S, np.arange(len(wave)) / RATE_HZ, true_hz))
    assert np.all(f0_hz[inside] > 0) and np.median(np.abs(cents)) < 5


def test_no_voice() -> None:
    noise = np.random.default_rng(0).normal(size=10 * RATE_HZ).astype(np.float32)
    assert (track_f0(noise, RATE_HZ) > 0).mean() < 0.1
    assert not track_f0(np.zeros(RATE_HZ, np.float32), RATE_HZ).any()
    assert not track_f0(noise[:100], RATE_HZ).any(), "too short for one period of the lowest voice"
