"""A source-filter voice whose every prosody value can be measured: `speak(script)` -> mono waveform.

Source: a band-limited pulse train that follows the F0 contour, plus breath and consonant noise. Filter: formants of a vowel per syllable,
applied frame by frame in the short-time Fourier domain (Fant 1960, "Acoustic Theory of Speech Production"; formant gains after Klatt 1980,
https://doi.org/10.1121/1.383940). The prosody families are those of Banse & Scherer (1996, https://doi.org/10.1037/0022-3514.70.3.614).
It says no words: syllables are vowels with a burst, and nothing that is measured on them is evidence about real voices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emollm.synth.script import ClipScript

Floats = NDArray[np.floating[Any]]

HOP_S = 0.005  # step of all contours
WINDOW = 512  # samples of a filter frame, half overlapping
REST_DBFS = -26.0  # level of speech at neutral energy
FLOOR_DBFS = -72.0  # room noise, so that "quiet" differs from "silent"
SYLLABLE_RAMP_S = 0.04
TREMOR_HZ, FLUTTER_HZ = 5.5, 11.0  # of pitch; of loudness, faster than syllables follow one another
VOWELS_HZ = np.array(  # first four formants: a e i o u and a neutral one
    [
        [730, 1250, 2550, 3500],
        [530, 1850, 2500, 3500],
        [300, 2250, 3000, 3600],
        [520, 900, 2450, 3400],
        [330, 870, 2300, 3300],
        [500, 1500, 2500, 3500],
    ],
    dtype=float,
)
BANDWIDTHS_HZ = np.array([80.0, 100.0, 140.0, 220.0])
FORMANT_GAINS = np.array([1.0, 0.6, 0.32, 0.16])


@dataclass(frozen=True)
class Syllables:
    """When each syllable is spoken, how strongly, and with which vowel; all (syllables,)."""

    start_s: Floats
    end_s: Floats
    strength: Floats
    vowel: NDArray[np.int64]


def syllables(script: ClipScript) -> Syllables:
    """Divide the speech into syllables and pauses; voice and mouth both follow this plan."""
    rng = np.random.default_rng([script.seed, 2])
    start_s, end_s = script.speech
    count, speech_s = script.n_syllables, end_s - start_s
    pause_share = 0.6 / (1 + np.exp(1.6 - 0.9 * script.prosody["pauses"]))
    n_pauses = int(np.clip(round(speech_s * pause_share / 0.3), 1, min(4, count - 1)))
    before = np.sort(rng.permutation(np.arange(1, count))[:n_pauses])  # a pause comes before these syllables
    lengths = rng.uniform(0.75, 1.25, size=count)
    gaps = np.zeros(count)
    gaps[before] = rng.uniform(0.7, 1.3, size=n_pauses)
    lengths *= (1 - pause_share) * speech_s / lengths.sum()
    gaps *= pause_share * speech_s / max(gaps.sum(), 1e-9)
    ends = start_s + np.cumsum(lengths + gaps)
    return Syllables(ends - lengths, ends, rng.uniform(0.75, 1.0, size=count), rng.integers(len(VOWELS_HZ), size=count))


def mouth_opening(script: ClipScript, times_s: Floats) -> Floats:
    """Return how far speech opens the mouth at each moment, 0..1, (times,): one opening a syllable."""
    plan = syllables(script)
    index = np.clip(np.searchsorted(plan.start_s, times_s, side="right") - 1, 0, None)
    share = (times_s - plan.start_s[index]) / (plan.end_s[index] - plan.start_s[index])
    wide = np.array([1.0, 0.8, 0.5, 0.8, 0.45, 0.7])[plan.vowel[index]]
    return np.where((share > 0) & (share < 1), wide * plan.strength[index] * np.sin(np.pi * np.clip(share, 0, 1)), 0.0)


def speak(script: ClipScript, sample_rate_hz: int = 16000) -> NDArray[np.float32]:
    """Synthesise the voice of a clip.

    Args:
        script: Speaker, prosody and times of the speech; `audio_state` other than "present" gives exact silence.
        sample_rate_hz: Samples per second.

    Returns:
        Mono waveform in -1..1, (samples,).
    """
    n_samples = round(script.duration_s * sample_rate_hz)
    if script.audio_state != "present":
        return np.zeros(n_samples, dtype=np.float32)
    rng = np.random.default_rng([script.seed, 3])
    plan, times_s = syllables(script), np.arange(round(script.duration_s / HOP_S) + 1) * HOP_S
    f0_hz = _f0_contour(script, plan, times_s, rng)
    loudness = _loudness(script, plan, times_s, rng)
    sample_s = np.arange(n_samples) / sample_rate_hz
    gain = np.interp(sample_s, times_s, loudness)
    voiced = _pulses(np.interp(sample_s, times_s, f0_hz), sample_rate_hz) * gain
    breath = rng.standard_normal(n_samples) * gain
    bursts = rng.standard_normal(n_samples) * np.interp(sample_s, times_s, _bursts(plan, times_s))
    sound = _filter(script, plan, voiced, breath, sample_rate_hz)
    active = gain > 0.3
    level = 10 ** ((REST_DBFS + 5 * script.prosody["energy"]) / 20)
    sound *= level / np.sqrt(np.mean(sound[active] ** 2))
    sound += 0.35 * level * np.diff(bursts, prepend=0.0)
    sound += 10 ** (FLOOR_DBFS / 20) * rng.standard_normal(n_samples)
    return (0.95 * np.tanh(sound / 0.95)).astype(np.float32)


def _f0_contour(script: ClipScript, plan: Syllables, times_s: Floats, rng: np.random.Generator) -> Floats:
    """Return F0 in Hz, (times,): level, slope over the utterance, an accent per syllable, tremor and jitter."""
    prosody = script.prosody
    middle_s = (plan.start_s + plan.end_s) / 2
    accents = rng.standard_normal(len(middle_s))
    centred_s = middle_s - middle_s.mean()
    accents -= accents.mean() + centred_s * (accents @ centred_s) / max(
        centred_s @ centred_s, 1e-9
    )  # no slope by chance
    accents *= 1.2 * 2 ** (0.55 * prosody["f0_range"]) / max(accents.std(), 1e-9)
    bend = np.interp(times_s, middle_s, accents)
    slope = 8 * np.tanh(2.5 * prosody["f0_slope"] * (times_s - middle_s.mean()) / 8)
    tremor = 0.25 * 2 ** (0.9 * prosody["tremor"]) * np.sin(2 * np.pi * (TREMOR_HZ * times_s + rng.random()))
    jitter = 0.08 * 2 ** (0.5 * prosody["tremor"]) * rng.standard_normal(len(times_s))
    semitones = bend + slope + tremor + jitter
    return np.clip(script.speaker.voice.f0_hz * 2 ** (0.22 * prosody["f0_level"] + semitones / 12), 55, 650)


def _loudness(script: ClipScript, plan: Syllables, times_s: Floats, rng: np.random.Generator) -> Floats:
    """Return the amplitude of the voice, about 0..1, (times,): one swell a syllable, shaken by tremor."""
    loudness = np.zeros(len(times_s))
    for start_s, end_s, strength in zip(plan.start_s, plan.end_s, plan.strength, strict=True):
        ramp_s = min(SYLLABLE_RAMP_S, (end_s - start_s) / 3)
        swell = np.interp(times_s, [start_s, start_s + ramp_s, end_s - 1.5 * ramp_s, end_s], [0.0, 1.0, 0.8, 0.0])
        loudness = np.maximum(loudness, strength * swell)
    depth = 0.85 / (1 + np.exp(1.4 - 1.3 * script.prosody["tremor"]))
    return loudness * (1 - depth * (0.5 + 0.5 * np.sin(2 * np.pi * (FLUTTER_HZ * times_s + rng.random()))))


def _bursts(plan: Syllables, times_s: Floats) -> Floats:
    """Return the amplitude of consonant noise, (times,): a short burst as each syllable starts."""
    after_s = times_s - plan.start_s[np.clip(np.searchsorted(plan.start_s, times_s, side="right") - 1, 0, None)]
    return np.where(after_s >= 0, np.exp(-np.clip(after_s, 0, None) / 0.012), 0.0)


def _pulses(f0_hz: Floats, sample_rate_hz: int) -> Floats:
    """Return a flat-spectrum pulse train at F0, (samples,): one period of band-limited pulse, read at the running phase."""
    n_harmonics = max(1, int(0.47 * sample_rate_hz / f0_hz.max()))
    phase = np.arange(1025) / 1024
    harmonics = np.arange(1, n_harmonics + 1)
    # Quadratic phases spread the energy of the period: the same spectrum with a lower peak (Schroeder 1970).
    table = np.cos(2 * np.pi * np.outer(phase, harmonics) + np.pi * harmonics**2 / n_harmonics).sum(axis=1)  # (1025,)
    return np.interp(np.cumsum(f0_hz / sample_rate_hz) % 1.0, phase, table / np.sqrt(n_harmonics / 2))


def _filter(script: ClipScript, plan: Syllables, voiced: Floats, breath: Floats, sample_rate_hz: int) -> Floats:
    """Shape source and breath by the formants of the moment and by voice quality; returns (samples,)."""
    hop, n_samples = WINDOW // 2, len(voiced)
    n_frames = n_samples // hop + 2
    window = np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)  # squared, half-overlapping copies add up to one
    starts = hop * np.arange(n_frames)[:, None] + np.arange(WINDOW)[None]  # (frames, window)
    hertz = np.fft.rfftfreq(WINDOW, 1 / sample_rate_hz)
    formants = _formant_gains(script, plan, (np.arange(n_frames) * hop) / sample_rate_hz, hertz)  # (frames, bins)
    tension, breathy = script.prosody["tension"], script.prosody["breathiness"]
    octaves = np.log2(np.maximum(hertz, 100.0) / 300.0).clip(0)
    tilt_db = (-9.0 + 2.6 * tension - 0.8 * breathy) * octaves
    noise_db = -21.0 + 5.5 * breathy + 10.0 * (script.speaker.voice.breathiness - 0.25)
    padded = [
        np.concatenate([np.zeros(hop), source, np.zeros(2 * WINDOW)])[starts] * window for source in (voiced, breath)
    ]
    voice_spectrum, breath_spectrum = (np.fft.rfft(frames, axis=1) for frames in padded)
    shaped = voice_spectrum * 10 ** (tilt_db / 20) + breath_spectrum * 10 ** ((noise_db - 3.0 * octaves) / 20)
    frames = np.fft.irfft(shaped * formants, WINDOW, axis=1) * window  # (frames, window)
    sound = np.zeros((n_frames + 1, hop))
    sound[:-1] += frames[:, :hop]
    sound[1:] += frames[:, hop:]
    return sound.reshape(-1)[hop : hop + n_samples]


def _formant_gains(script: ClipScript, plan: Syllables, times_s: Floats, hertz: Floats) -> Floats:
    """Return the gain of the vocal tract for each frame and frequency, (frames, bins); tension raises the first formant."""
    centre_s = (plan.start_s + plan.end_s) / 2
    tracks = VOWELS_HZ[plan.vowel] * script.speaker.voice.formant_scale  # (syllables, formants)
    tracks[:, 0] *= 1 + 0.07 * script.prosody["tension"]
    gains = np.full((len(times_s), len(hertz)), 0.02)
    for formant in range(tracks.shape[1]):
        peak_hz = np.interp(times_s, centre_s, tracks[:, formant])[:, None]  # (frames, 1)
        width_hz = 0.7 * BANDWIDTHS_HZ[formant] + 25
        gains += FORMANT_GAINS[formant] / (1 + ((hertz[None] - peak_hz) / width_hz) ** 2)
    return gains
