"""How a voice sounds, as numbers: nine values of an utterance, six of each vowel.

    found = measure(clip.audio, clip.sample_rate_hz)
    found.values["f0_level"], [vowel.start_s for vowel in found.vowels]

F0 as in emollm/media/pitch.py, spectra by librosa. Vowels are voiced syllable nuclei: peaks of the level with a dip before and after
(de Jong & Wempe 2009, https://doi.org/10.3758/BRM.41.2.385), or the caller's own intervals. The values of a vowel are those of VowelPrompt
(https://arxiv.org/abs/2602.06270): level, slope and variation of F0, level and variation of energy, duration.

Departs from de Jong & Wempe: the peak's threshold follows the loud parts of the clip, not its absolute maximum.
Does not: separate voices, music or echo; know phones; find whispered speech, which has no F0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from emollm.media.pitch import HOP_S, LOWEST_HZ, track_f0

Floats = NDArray[np.floating[Any]]

REFERENCE_HZ = 100.0  # 0 semitones
OCTAVE = 12.0  # semitones; frames further from the median are errors of the tracker
WINDOW_S, SMOOTH_S = 0.02, 0.06  # of the level: for its movement, for syllables
BELOW_LOUD_DB = 25.0  # what is quieter than this under the loud parts is no voice
DIP_DB = 2.0
VOWEL_DB = 8.0  # a vowel ends where the level has fallen so far
APART_S = 0.1  # of two nuclei
PAUSE_S = 0.15  # shorter unvoiced gaps are consonants
SHORTEST_S = 0.1  # of voice, in all
TREMOR_HZ, MOVEMENT_HZ = (9.0, 13.0), (3.0, 30.0)
LOW_BAND_HZ, HIGH_BAND_HZ = (50.0, 1000.0), (1000.0, 5000.0)

UTTERANCE = ("f0_level", "f0_range", "f0_slope", "energy", "rate", "pauses", "tremor", "breathiness", "tension")
VOWEL = ("f0_level", "f0_slope", "f0_range", "energy", "energy_range", "duration")


class Interval(NamedTuple):
    """A vowel as somebody aligned it; times from the start of the sound."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Vowel:
    """A vowel, or a voiced nucleus (`label` empty), with its values by the names in `VOWEL`; without F0 those of pitch are missing.

    Units: semitones above 100 Hz, semitones a second, semitones (standard deviation), dB of full scale, dB (standard deviation), seconds.
    """

    label: str
    start_s: float
    end_s: float
    values: dict[str, float]


@dataclass(frozen=True)
class Prosody:
    """An utterance: where its voice starts and ends, its values by the names in `UTTERANCE`, its vowels.

    Units: semitones above 100 Hz (median), semitones (standard deviation around the slope), semitones a second, dB of full scale, nuclei a
    second of speech without its pauses, share of the time in unvoiced gaps of 0.15 s or more, share of the loudness movement at 9-13 Hz,
    dB of noise against harmonics, dB of 1-5 kHz against 50-1000 Hz.
    """

    start_s: float
    end_s: float
    values: dict[str, float]
    vowels: tuple[Vowel, ...]


@dataclass(frozen=True)
class _Contours:
    """Pitch in semitones (NaN where there is none) and levels in dB, all (frames,), a frame every `HOP_S`."""

    semitones: Floats
    level_db: Floats
    smooth_db: Floats

    @property
    def voiced(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.semitones)


def measure(
    samples: NDArray[np.float32], sample_rate_hz: int, vowels: Sequence[Interval] | None = None
) -> Prosody | None:
    """Measure an utterance; None where nobody speaks.

    Args:
        samples: Waveform (samples,), full scale at 1.
        sample_rate_hz: Of the waveform; at least 10 000, as the spectrum is looked at up to 5 kHz.
        vowels: The vowels, where they are known; None: voiced nuclei are looked for.
    """
    wave = samples.astype(np.float64)
    contours = _contours(wave, sample_rate_hz)
    voiced = np.flatnonzero(contours.voiced)
    if len(voiced) * HOP_S < SHORTEST_S:
        return None
    first, last = int(voiced[0]), int(voiced[-1]) + 1
    nuclei = _nuclei(contours)
    gaps_s = np.diff(voiced) * HOP_S
    pauses_s = float(gaps_s[gaps_s >= PAUSE_S].sum())
    spoken_s = (last - first) * HOP_S - pauses_s
    pitch = contours.semitones[voiced]
    slope, offset = np.polyfit(voiced * HOP_S, pitch, 1)
    values = {
        "f0_level": float(np.median(pitch)),
        "f0_range": float(np.std(pitch - slope * voiced * HOP_S - offset)),
        "f0_slope": float(slope),
        "energy": float(10 * np.log10(np.mean(10 ** (contours.level_db[voiced] / 10)))),
        "rate": len(nuclei) / spoken_s,
        "pauses": pauses_s / ((last - first) * HOP_S),
        "tremor": _tremor(contours),
        "breathiness": -_harmonicity_db(wave, sample_rate_hz, contours),
        "tension": _tilt_db(wave, sample_rate_hz, voiced),
    }
    spans = [("", start, end) for start, end in nuclei] if vowels is None else _frames(vowels, len(contours.level_db))
    made = tuple(_vowel(contours, *span) for span in spans)
    return Prosody(first * HOP_S, last * HOP_S, values, made)


def _contours(wave: Floats, sample_rate_hz: int) -> _Contours:
    f0_hz = track_f0(wave, sample_rate_hz)
    level_db = _level_db(wave, sample_rate_hz, len(f0_hz), WINDOW_S)
    smooth_db = _level_db(wave, sample_rate_hz, len(f0_hz), SMOOTH_S)
    heard = (f0_hz > 0) & (smooth_db > np.quantile(smooth_db, 0.95) - BELOW_LOUD_DB)
    semitones = np.full(len(f0_hz), np.nan)
    semitones[heard] = 12 * np.log2(f0_hz[heard] / REFERENCE_HZ)
    if heard.any():
        semitones[np.abs(semitones - np.nanmedian(semitones)) > OCTAVE] = np.nan
    return _Contours(semitones, level_db, smooth_db)


def _level_db(wave: Floats, sample_rate_hz: int, frames: int, window_s: float) -> Floats:
    """Return the level in dB of full scale around each frame, (frames,)."""
    energy = np.concatenate([[0.0], np.cumsum(wave**2)])
    centres = np.round(np.arange(frames) * HOP_S * sample_rate_hz).astype(int)
    half = round(window_s / 2 * sample_rate_hz)
    start, end = (np.clip(centres + side, 0, len(wave)) for side in (-half, half))
    power = (energy[end] - energy[start]) / np.maximum(end - start, 1)
    return 10 * np.log10(np.maximum(power, 1e-10))


def _nuclei(contours: _Contours) -> list[tuple[int, int]]:
    """Return the voiced syllable nuclei as half-open ranges of frames."""
    level_db, voiced = contours.smooth_db, contours.voiced
    lowest_db = np.quantile(level_db[voiced], 0.95) - BELOW_LOUD_DB
    peaks, _ = find_peaks(level_db, height=lowest_db, prominence=DIP_DB, distance=round(APART_S / HOP_S))
    peaks = peaks[voiced[peaks]]
    edges = [0, *(int(a + np.argmin(level_db[a:b])) for a, b in pairwise(peaks)), len(level_db)]
    found = []
    for peak, (low, high) in zip(peaks, pairwise(edges), strict=False):
        loud = voiced[low:high] & (level_db[low:high] > level_db[peak] - VOWEL_DB)
        ends = np.flatnonzero(~loud)
        start = low + max(ends[ends < peak - low], default=-1) + 1
        end = low + min(ends[ends > peak - low], default=high - low)
        found.append((int(start), int(end)))
    return found


def _frames(vowels: Sequence[Interval], frames: int) -> list[tuple[str, int, int]]:
    """Return the caller's vowels as half-open ranges of frames, without those that lie outside of the sound."""
    spans = [(label, round(start_s / HOP_S), min(round(end_s / HOP_S), frames)) for label, start_s, end_s in vowels]
    return [span for span in spans if 0 <= span[1] < span[2]]


def _vowel(contours: _Contours, label: str, start: int, end: int) -> Vowel:
    """Measure one vowel; pitch needs three frames of it."""
    level_db, semitones = contours.level_db[start:end], contours.semitones[start:end]
    values = {
        "energy": float(level_db.mean()),
        "energy_range": float(level_db.std()),
        "duration": (end - start) * HOP_S,
    }
    at = np.flatnonzero(~np.isnan(semitones))
    if len(at) >= 3:
        slope, _ = np.polyfit(at * HOP_S, semitones[at], 1)
        values |= {
            "f0_level": float(semitones[at].mean()),
            "f0_slope": float(slope),
            "f0_range": float(semitones[at].std()),
        }
    return Vowel(label, start * HOP_S, end * HOP_S, values)


def _tremor(contours: _Contours) -> float:
    """Return the share of the loudness movement of the voice that is faster than syllables follow one another."""
    width = round(0.1 / HOP_S)
    local_db = np.convolve(contours.level_db, np.ones(width) / width, "same")
    movement = np.where(contours.voiced, contours.level_db - local_db, 0.0)
    hertz, power = np.fft.rfftfreq(len(movement), HOP_S), np.abs(np.fft.rfft(movement)) ** 2
    fast, all_ = (power[(hertz > low) & (hertz < high)].sum() for low, high in (TREMOR_HZ, MOVEMENT_HZ))
    return float(fast / max(all_, 1e-12))


def _harmonicity_db(wave: Floats, sample_rate_hz: int, contours: _Contours) -> float:
    """Return the median ratio of harmonics to noise: how alike each period is to the next (Boersma 1993)."""
    half = round(0.02 * sample_rate_hz)
    longest = int(sample_rate_hz / LOWEST_HZ) + 2
    frames = np.flatnonzero(contours.voiced)[::2]
    centres = np.round(frames * HOP_S * sample_rate_hz).astype(int)
    inside = (centres >= half) & (centres + half + longest < len(wave))
    centres, semitones = centres[inside], contours.semitones[frames[inside]]
    if not len(centres):
        return 0.0
    lags = np.round(sample_rate_hz / (REFERENCE_HZ * 2 ** (semitones / 12))).astype(int)
    window = np.arange(-half, half)
    here = wave[centres[:, None] + window]  # (frames, window)
    best = np.full(len(centres), -1.0)
    for nudge in (-1, 0, 1):
        there = wave[(centres + lags + nudge)[:, None] + window]  # (frames, window)
        norm = np.sqrt((here**2).sum(axis=1) * (there**2).sum(axis=1))
        best = np.maximum(best, (here * there).sum(axis=1) / np.maximum(norm, 1e-12))
    alike = np.clip(np.median(best), 1e-3, 1 - 1e-3)
    return float(10 * np.log10(alike / (1 - alike)))


def _tilt_db(wave: Floats, sample_rate_hz: int, voiced: NDArray[np.int_]) -> float:
    """Return the energy of the voice above 1 kHz against that below (the alpha ratio of Frokjaer-Jensen & Prytz 1976)."""
    hop = round(2 * HOP_S * sample_rate_hz)
    power = np.abs(librosa.stft(wave, n_fft=512, hop_length=hop)) ** 2  # (bins, frames)
    mean = power[:, np.unique(voiced // 2)].mean(axis=1)
    hertz = librosa.fft_frequencies(sr=sample_rate_hz, n_fft=512)
    high, low = (mean[(hertz >= a) & (hertz < b)].sum() for a, b in (HIGH_BAND_HZ, LOW_BAND_HZ))
    return float(10 * np.log10(max(high, 1e-12) / max(low, 1e-12)))
