"""Errors of `emollm data describe` against the truth of synthetic voices, and its CPU time.

    python benchmarks/prosody.py [--clips 400] [--split dev]

`rank` is Spearman's correlation of a measure, set against the speaker's other clips, with the generator's value. A word is right when the
value lies at least 0.9 standard deviations to its side, which is when the generator itself calls it audible: `precision` of the words told,
`recall` of the audible ones. `error` is the median absolute error where the generator's value has a unit. Nothing here is evidence about
real voices: the generator's know no phones, no room and no second speaker.
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import spearmanr

from emollm.data.describe_norms import Norms, Value
from emollm.data.prosody import UTTERANCE, Prosody, measure
from emollm.synth.explain import AUDIBLE_Z
from emollm.synth.record import Clip, build_clip
from emollm.synth.voice import speak, syllables

RATE_HZ, SPEAKERS = 16000, 40


def main() -> None:
    """Measure clips, compare with their truth, print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--split", default="dev")
    asked = parser.parse_args()
    clips = [build_clip(asked.split, number, SPEAKERS, seed=0) for number in range(asked.clips)]
    clips = [clip for clip in clips if clip.script.audio_state == "present"]
    waves = [speak(clip.script, RATE_HZ) for clip in clips]
    measure(waves[0], RATE_HZ)  # the first call loads what librosa needs
    start = time.process_time()
    found = [measure(wave, RATE_HZ) for wave in waves]
    spent_s = time.process_time() - start
    heard = [(clip, prosody) for clip, prosody in zip(clips, found, strict=True) if prosody is not None]
    norms = Norms.fit(lambda: [(clip.truth.speaker, prosody) for clip, prosody in heard])
    seconds = sum(len(wave) for wave in waves) / RATE_HZ
    result = {
        "clips": len(clips),
        "not_measured": len(clips) - len(heard),
        "cpu_s_per_s": round(spent_s / seconds, 4),
        "nuclei": nuclei(heard),
        "values": {name: agreement(name, heard, norms) for name in UTTERANCE},
    }
    print(json.dumps(result, indent=1))


def agreement(name: str, heard: list[tuple[Clip, Prosody]], norms: Norms) -> dict[str, float]:
    """Return how one measure agrees with the truth."""
    truth = np.array([clip.script.prosody[name] for clip, _ in heard])
    raw = np.array([prosody.values[name] for _, prosody in heard])
    values = [Value(clip.truth.speaker, f"voice.{name}", "", prosody.values[name]) for clip, prosody in heard]
    scores = np.array([norms.score(one) for one in values])
    degrees = np.array([norms.degree(one) for one in values])
    right = (np.sign(degrees) == np.sign(truth)) & (np.abs(truth) >= AUDIBLE_Z) & (degrees != 0)
    found = {
        "rank": round(float(spearmanr(scores, truth).statistic), 3),
        "precision": round(float(right.sum() / (degrees != 0).sum()), 3),
        "recall": round(float(right.sum() / (np.abs(truth) >= AUDIBLE_Z).sum()), 3),
        "opposite": round(float((degrees * np.sign(truth) < 0).sum() / (degrees != 0).sum()), 3),
    }
    true = in_units(name, heard, truth)
    return found if true is None else {**found, "error": round(float(np.median(np.abs(raw - true))), 3)}


def in_units(name: str, heard: list[tuple[Clip, Prosody]], truth: np.ndarray) -> np.ndarray | None:
    """Return what the generator asks for in the units of the measure (emollm/synth/voice.py), where it asks for that."""
    if name == "f0_level":
        return np.array([12 * np.log2(clip.script.speaker.voice.f0_hz / 100) for clip, _ in heard]) + 12 * 0.22 * truth
    if name == "f0_slope":
        return 2.5 * truth
    if name == "rate":
        return np.array([clip.script.n_syllables for clip, _ in heard]) / np.array(
            [np.sum(plan.end_s - plan.start_s) for plan in (syllables(clip.script) for clip, _ in heard)]
        )
    return None


def nuclei(heard: list[tuple[Clip, Prosody]]) -> dict[str, float]:
    """Return how many syllables have a nucleus at their middle, and how many nuclei lie in a syllable of their own."""
    hits = true = found = 0
    off = []
    for clip, prosody in heard:
        plan = syllables(clip.script)
        middles = np.array([(one.start_s + one.end_s) / 2 for one in prosody.vowels])
        inside = (middles[:, None] >= plan.start_s) & (middles[:, None] <= plan.end_s)  # (nuclei, syllables)
        hits += int(inside.any(axis=0).sum())
        true, found = true + len(plan.start_s), found + len(middles)
        off.append(abs(len(middles) - len(plan.start_s)) / len(plan.start_s))
    return {
        "recall": round(hits / true, 3),
        "precision": round(hits / found, 3),
        "mean_count_error": round(float(np.mean(off)), 3),
    }


if __name__ == "__main__":
    main()
