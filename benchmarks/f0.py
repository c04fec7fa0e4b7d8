"""CPU time and errors of the F0 tracker of `emollm data describe` beside librosa's, on voices whose F0 is known.

    python benchmarks/f0.py [--clips 24] [--rounds 3]

Voices: a glide of ten harmonics from 100 to 300 Hz, clean and with noise 20 and 5 dB below it; and clips of the generator, whose median F0
follows from its parameters. `gross` is the share of voiced frames that are off by more than 20 %, `cents` the median error of the others,
`voiced` the share of frames of the glide that are called voiced. Trackers run on one thread, in random order; the first round isn't
counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import librosa
import numpy as np

from emollm.media.pitch import HIGHEST_HZ, HOP_S, LOWEST_HZ, track_f0
from emollm.synth.record import build_clip
from emollm.synth.voice import speak

RATE_HZ = 16000
HOP = round(HOP_S * RATE_HZ)
GLIDE_S = 3.0
EDGE = 20  # frames at either end that windows reach beyond
Tracker = Callable[[np.ndarray], np.ndarray]


def yin(wave: np.ndarray) -> np.ndarray:
    """librosa.yin, which calls every frame voiced."""
    return librosa.yin(wave, fmin=LOWEST_HZ, fmax=HIGHEST_HZ, sr=RATE_HZ, hop_length=HOP)


def pyin(wave: np.ndarray) -> np.ndarray:
    """librosa.pyin, 0 where there is no voice."""
    f0_hz, _, _ = librosa.pyin(wave, fmin=LOWEST_HZ, fmax=HIGHEST_HZ, sr=RATE_HZ, hop_length=HOP)
    return np.nan_to_num(f0_hz)


TRACKERS: dict[str, Tracker] = {"ours": lambda wave: track_f0(wave, RATE_HZ), "yin": yin, "pyin": pyin}


def main() -> None:
    """Measure all trackers and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    sizes = parser.parse_args()
    clips = voices(sizes.clips)
    spent = cpu_s([wave for wave, _ in clips], sizes.rounds)
    found = {
        name: {
            "cpu_s_per_s": round(spent[name], 5),
            "ratio": round(spent[name] / spent["ours"], 2),
            **{f"glide_{label}": glide_errors(track, noise_db) for label, noise_db in NOISE_DB.items()},
            "clips_median_semitones_off": round(clip_error(track, clips), 3),
        }
        for name, track in TRACKERS.items()
    }
    print(json.dumps(found, indent=1))


NOISE_DB = {"clean": None, "20_db": 20.0, "5_db": 5.0}


def voices(n: int) -> list[tuple[np.ndarray, float]]:
    """Return clips of the generator with the median F0 that their parameters ask for, in Hz."""
    found: list[tuple[np.ndarray, float]] = []
    number = 0
    while len(found) < n:
        clip = build_clip("train", number, 40, seed=1)
        number += 1
        if clip.script.audio_state == "present":
            f0_hz = clip.script.speaker.voice.f0_hz * 2 ** (0.22 * clip.script.prosody["f0_level"])
            found.append((speak(clip.script, RATE_HZ).astype(np.float64), f0_hz))
    return found


def cpu_s(waves: list[np.ndarray], rounds: int) -> dict[str, float]:
    """Return the median CPU seconds a second of sound."""
    spent: dict[str, list[float]] = {name: [] for name in TRACKERS}
    dice = random.Random(0)
    for turn in range(rounds + 1):
        for wave in waves:
            for name in dice.sample(list(TRACKERS), len(TRACKERS)):
                start = time.process_time()
                TRACKERS[name](wave)
                if turn:
                    spent[name].append((time.process_time() - start) * RATE_HZ / len(wave))
    return {name: statistics.median(times) for name, times in spent.items()}


def glide_errors(track: Tracker, noise_db: float | None) -> dict[str, float]:
    """Return the errors of a tracker on the glide, with noise so many dB below it."""
    true_hz = np.linspace(100, 300, round(GLIDE_S * RATE_HZ))
    phase = 2 * np.pi * np.cumsum(true_hz) / RATE_HZ
    wave = 0.1 * np.sum([np.sin(k * phase) / k for k in range(1, 11)], axis=0)
    if noise_db is not None:
        scale = np.sqrt(np.mean(wave**2)) * 10 ** (-noise_db / 20)
        wave = wave + scale * np.random.default_rng(0).standard_normal(len(wave))
    f0_hz = track(wave)
    frames = np.arange(len(f0_hz))[EDGE:-EDGE]
    truth = true_hz[np.minimum(frames * HOP, len(true_hz) - 1)]
    voiced = f0_hz[frames] > 0
    ratio = f0_hz[frames][voiced] / truth[voiced]
    fine = np.abs(ratio - 1) <= 0.2
    cents = np.abs(1200 * np.log2(ratio[fine]))
    return {
        "voiced": round(float(voiced.mean()), 3),
        "gross": round(float((~fine).mean()), 4) if len(fine) else 1.0,
        "cents": round(float(np.median(cents)), 2) if len(cents) else 0.0,
    }


def clip_error(track: Tracker, clips: list[tuple[np.ndarray, float]]) -> float:
    """Return the median error of the clips' median F0, in semitones; frames 25 dB under the loud parts are left out."""
    errors = []
    for wave, true_hz in clips:
        f0_hz = track(wave)
        rms = librosa.feature.rms(y=wave, frame_length=4 * HOP, hop_length=HOP)[0][: len(f0_hz)]
        heard = (f0_hz[: len(rms)] > 0) & (rms > np.quantile(rms, 0.95) * 10 ** (-25 / 20))
        errors.append(abs(12 * np.log2(np.median(f0_hz[: len(rms)][heard]) / true_hz)))
    return statistics.median(errors)


if __name__ == "__main__":
    main()
