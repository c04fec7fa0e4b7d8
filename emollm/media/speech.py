"""Where somebody speaks: voiced frames, widened to speech. No weights, no further package.

    >>> find_speech(clip.audio, clip.sample_rate_hz)     # doctest: +SKIP
    [(0.42, 3.1), (4.9, 7.75)]

A frame is voiced when it repeats itself at 70 to 400 times a second (autocorrelation corrected for the window, Boersma
1993, https://www.fon.hum.uva.nl/paul/papers/Proceedings_1993.pdf) and is louder than the recording's quiet parts. Noise
isn't periodic and a steady hum isn't louder than itself, so both are left out. Does not: tell speech from singing or from
an instrument that plays in this range, find whispering, or one voice among several.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

WINDOW_S, HOP_S = 0.04, 0.02
LOWEST_HZ, HIGHEST_HZ = 70.0, 400.0
PERIODIC = 0.6  # of the frame's energy, after correction
ABOVE_QUIET_DB, QUIETEST_DB = 6.0, -50.0  # above the quiet parts; of full scale
QUIET_SHARE = 0.1  # of the recording is taken as its quiet part
MARGIN_S = 0.15  # consonants around voiced sounds
PAUSE_S = 0.3  # shorter ones belong to the speech around them
SHORTEST_S = 0.1  # of voiced sound
_AT_ONCE = 2048  # frames


def find_speech(samples: NDArray[np.float32], sample_rate_hz: int) -> list[tuple[float, float]]:
    """Return the stretches of speech as (start, end) in seconds, in order.

    Args:
        samples: Waveform (samples,), full scale at 1.
        sample_rate_hz: Of the waveform; at least 1000.
    """
    window = round(WINDOW_S * sample_rate_hz)
    if len(samples) < window:
        return []
    hop = round(HOP_S * sample_rate_hz)
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]  # (n, window)
    parts = [_measure(frames[at : at + _AT_ONCE], sample_rate_hz) for at in range(0, len(frames), _AT_ONCE)]
    level_db, periodic = (np.concatenate(part) for part in zip(*parts, strict=True))
    quiet_db = np.quantile(level_db, QUIET_SHARE)
    voiced = (periodic >= PERIODIC) & (level_db > max(QUIETEST_DB, quiet_db + ABOVE_QUIET_DB))  # (n,)
    return _stretches(voiced, hop / sample_rate_hz, len(samples) / sample_rate_hz)


def _measure(frames: NDArray[np.float32], sample_rate_hz: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return level (dB of full scale) and periodicity (0..1) of frames (n, window), each (n,)."""
    window = frames.shape[1]
    taper = np.hanning(window)
    centred = frames - frames.mean(axis=1, keepdims=True)
    level_db = 20 * np.log10(np.sqrt(np.mean(centred.astype(np.float64) ** 2, axis=1)) + 1e-10)
    ours, bare = _autocorrelation(centred * taper), _autocorrelation(taper[None])  # (n, lags), (1, lags)
    lags = slice(int(sample_rate_hz / HIGHEST_HZ), min(int(sample_rate_hz / LOWEST_HZ) + 1, window))
    return level_db, (ours[:, lags] / bare[:, lags]).max(axis=1)


def _autocorrelation(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the autocorrelation (n, lags) of frames (n, window), 1 at lag 0 (0 where there is no sound)."""
    window = frames.shape[1]
    power = np.abs(np.fft.rfft(frames, 2 * window, axis=1)) ** 2  # (n, bins)
    lags = np.fft.irfft(power, axis=1)[:, :window]
    return lags / np.maximum(lags[:, :1], 1e-12)


def _stretches(voiced: NDArray[np.bool_], hop_s: float, length_s: float) -> list[tuple[float, float]]:
    """Join voiced frames (n,) over short pauses, drop what is too short, and widen the rest."""
    runs: list[list[float]] = []
    at = 0
    for is_voiced, group in groupby(voiced.tolist()):
        n = len(list(group))
        start_s, end_s = at * hop_s, (at + n - 1) * hop_s + WINDOW_S
        at += n
        if not is_voiced or end_s - start_s < SHORTEST_S:
            continue
        start_s, end_s = max(0.0, start_s - MARGIN_S), min(length_s, end_s + MARGIN_S)
        if runs and start_s - runs[-1][1] < PAUSE_S:
            runs[-1][1] = end_s
        else:
            runs.append([start_s, end_s])
    return [(start_s, end_s) for start_s, end_s in runs]
