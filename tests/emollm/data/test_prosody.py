"""Measures of a voice: right where the truth is known, and each follows the prosody value of the generator that it is named after."""

import numpy as np
import pytest

from emollm.data.prosody import UTTERANCE, VOWEL, Interval, measure
from emollm.synth.script import PROSODY, ClipScript, Face, Speaker, Voice
from emollm.synth.voice import speak, syllables

RATE_HZ = 16000
FACE = Face(*[0.5] * 11, hair_style=0, background=0.5, glasses=False)


def script(seed: int = 0, f0_hz: float = 140.0, **prosody: float) -> ClipScript:
    """A speaking clip of 3.5 s; syllables as many as rate and pauses ask for."""
    values = dict.fromkeys(PROSODY, 0.0) | prosody
    pause_share = 0.6 / (1 + np.exp(1.6 - 0.9 * values["pauses"]))
    count = max(3, round(4.4 * 2 ** (0.28 * values["rate"]) * 3.0 * (1 - pause_share)))
    speaker = Speaker("x", FACE, Voice(f0_hz, 1.0, 0.25, 4.4), 1.0, 1.0, False, {})
    return ClipScript(seed, 3.5, speaker, (), values, (0.25, 3.25), count, "present", "present")


def measured(clip: ClipScript) -> dict[str, float]:
    found = measure(speak(clip), RATE_HZ)
    assert found is not None and tuple(found.values) == UTTERANCE
    return found.values


@pytest.mark.parametrize("name", PROSODY)
def test_each_measure_follows_its_value(name: str) -> None:
    low, middle, high = (
        np.mean([measured(script(seed, **{name: value}))[name] for seed in range(4)]) for value in (-2.0, 0.0, 2.0)
    )
    assert low < middle < high


def test_pitch_is_measured_in_semitones() -> None:
    levels = [measured(script(f0_hz=f0_hz))["f0_level"] for f0_hz in (110.0, 220.0)]
    assert levels[1] - levels[0] == pytest.approx(12, abs=0.3)
    assert levels[0] == pytest.approx(12 * np.log2(1.1), abs=1.0)
    louder = measured(script(energy=1.0))["energy"] - measured(script())["energy"]
    assert louder == pytest.approx(5, abs=0.7)  # one step of the generator's energy is 5 dB


def test_nuclei_are_the_syllables() -> None:
    found, true = 0, 0
    for seed in range(6):
        clip = script(seed)
        plan, vowels = syllables(clip), measure(speak(clip), RATE_HZ).vowels
        true += len(plan.start_s)
        found += sum(
            any(a <= (v.start_s + v.end_s) / 2 <= b for v in vowels)
            for a, b in zip(plan.start_s, plan.end_s, strict=True)
        )
        assert abs(len(vowels) - len(plan.start_s)) <= 0.25 * len(plan.start_s)
    assert found / true > 0.85


def test_aligned_vowels_are_taken_as_they_are() -> None:
    vowels = [Interval("AA1", 0.5, 0.62), Interval("IY0", 1.0, 1.2), Interval("AH0", 90.0, 91.0)]
    found = measure(speak(script()), RATE_HZ, vowels)
    assert [(v.label, v.start_s, v.end_s) for v in found.vowels] == [("AA1", 0.5, 0.62), ("IY0", 1.0, 1.2)]
    assert all(set(v.values) <= set(VOWEL) for v in found.vowels)
    assert found.vowels[0].values["duration"] == pytest.approx(0.12)


def test_nobody_speaks() -> None:
    noise = np.random.default_rng(0).normal(size=RATE_HZ).astype(np.float32) * 0.1
    assert measure(np.zeros(RATE_HZ, np.float32), RATE_HZ) is None
    assert measure(noise[:40], RATE_HZ) is None
