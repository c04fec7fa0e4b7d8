"""How a state shows in the face and sounds in the voice: the parameters of the causal model.

Facial prototypes follow EMFACS (Ekman & Friesen 1983; Ekman, Friesen & Hager 2002), pride Tracy & Robins (2004,
https://doi.org/10.1111/j.0956-7976.2004.01503008.x), shame Keltner (1995), interest and contempt Scherer & Ellgring (2007,
https://doi.org/10.1037/1528-3542.7.1.113). Vocal profiles follow the directions in Banse & Scherer (1996), Scherer (1986, 2003) and
Juslin & Laukka (2003, https://doi.org/10.1037/0033-2909.129.5.770). All numbers are ours: people show part of a prototype, and differ.

The tables here are what clips are drawn from and what the likelihoods (likelihood.py) are computed with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from emollm.synth.events import LEVEL, N_STATES, PRIMARY, SECONDARY
from emollm.synth.script import FACE_ACTIONS, PROSODY
from emollm.synth.vocabulary import FAMILIES, VALENCE_SIGN

FACE_PROTOTYPES: dict[str, dict[str, float]] = {
    "joy": {"au12": 0.80, "au6": 0.75, "au26": 0.25},
    "calm": {"au43": 0.65, "head_tilt": 0.50, "au12": 0.35},
    "pride": {"head_back": 0.75, "au12": 0.50, "au17": 0.30},
    "interest": {"au1": 0.50, "au2": 0.60, "head_tilt": 0.60, "au7": 0.25},
    "surprise": {"au1": 0.55, "au2": 0.65, "au5": 0.65, "au26": 0.70},
    "sadness": {"au1": 0.60, "au4": 0.35, "au15": 0.75, "au17": 0.35, "head_down": 0.25},
    "fear": {"au1": 0.45, "au4": 0.45, "au5": 0.65, "au20": 0.75, "au26": 0.25},
    "anger": {"au4": 0.75, "au5": 0.30, "au7": 0.60, "au23": 0.70},
    "disgust": {"au9": 0.75, "au10": 0.70, "au17": 0.30, "head_shake": 0.30},
    "contempt": {"au14": 0.80, "head_back": 0.30, "gaze_away": 0.40, "au7": 0.25},
    "shame": {"gaze_down": 0.75, "head_down": 0.70, "au23": 0.25, "gaze_away": 0.15},
    "neutral": {},
}
#  order of PROSODY: f0_level, f0_range, f0_slope, energy, rate, pauses, tremor, breathiness, tension
VOICE_PROFILES: dict[str, tuple[float, ...]] = {
    "joy": (1.2, 1.4, 0.4, 1.0, 0.8, -0.7, 0.0, -0.3, 0.1),
    "calm": (-0.7, -0.6, -0.2, -0.6, -1.0, 0.2, -0.4, 0.4, -1.3),
    "pride": (-0.2, 0.6, -0.9, 1.0, -0.6, 0.0, -0.4, -0.8, 0.6),
    "interest": (0.5, 0.9, 1.2, 0.2, 0.9, -0.4, -0.2, 0.0, -0.4),
    "surprise": (1.6, 1.5, 1.4, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0),
    "sadness": (-0.8, -1.1, -0.7, -1.0, -1.2, 1.2, 0.7, 0.5, -0.7),
    "fear": (1.5, -0.4, 0.6, 0.0, 1.2, 0.1, 1.8, 0.6, 0.7),
    "anger": (0.7, 0.8, -0.7, 1.6, 0.8, -0.9, 0.0, -0.8, 1.7),
    "disgust": (-0.8, 0.0, -1.1, 0.2, -0.8, 0.3, 0.0, 0.5, 1.3),
    "contempt": (-0.9, -0.9, 0.3, -0.2, -0.4, 0.9, -0.5, -0.3, 0.7),
    "shame": (-0.2, -0.9, 0.2, -1.4, 0.0, 1.1, 0.9, 1.4, -0.2),
    "neutral": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
}
LEVEL_PRESENCE = (0.75, 1.0, 1.15)  # by level: factor on the chance that a prototype action shows
LEVEL_INTENSITY = (0.40, 0.58, 0.76)  # mean intensity of a prototype action
LEVEL_VOICE = (0.65, 1.0, 1.25)
PRESENCE_SCALE = 0.75
SECONDARY_FACE = 0.5
SECONDARY_VOICE = 0.4
IDIOSYNCRATIC = 0.07  # chance of any action without emotional cause, and its mean intensity
IDIOSYNCRATIC_INTENSITY = 0.42
INTENSITY_CONCENTRATION = 8.0
VOICE_SCALE = 1.0
VOICE_SD = 1.00  # within a speaker, from clip to clip
VOICE_OFFSET_SD = 0.30  # between speakers
MASK_CHANCE = 0.5  # a masking speaker in a negative state puts on a smile
MASK_INTENSITY = 0.45

FACE_GAINS = (0.65, 1.0, 1.25)
VOICE_GAINS = (0.65, 1.0, 1.25)


@dataclass(frozen=True)
class Population:
    """How common display rules are among a split's speakers (Ekman & Friesen 1969), and where their voices lie."""

    face_gain_shares: tuple[float, float, float]
    voice_gain_shares: tuple[float, float, float]
    masking_share: float
    f0_centre_hz: float
    f0_spread: float  # standard deviation of the natural logarithm


EVERYDAY = Population((0.25, 0.5, 0.25), (0.25, 0.5, 0.25), 0.15, 160.0, 0.22)
RESERVED = Population((0.45, 0.4, 0.15), (0.45, 0.4, 0.15), 0.30, 185.0, 0.30)
POPULATIONS: dict[str, Population] = {"train": EVERYDAY, "dev": EVERYDAY, "test": EVERYDAY, "sealed": RESERVED}
RULES: tuple[tuple[int, bool], ...] = tuple((gain, masks) for gain in range(3) for masks in (False, True))


def rule_shares(population: Population) -> np.ndarray:
    """Return the prior of the display rules for the face, in the order of RULES (gain level, masking)."""
    mask = (1 - population.masking_share, population.masking_share)
    return np.array([population.face_gain_shares[gain] * mask[masks] for gain, masks in RULES])  # (rules,)


def _prototype_matrix() -> np.ndarray:
    table = np.zeros((len(FAMILIES) + 1, len(FACE_ACTIONS)))  # the last row is "no secondary"
    for row, family in enumerate(FAMILIES):
        for action, chance in FACE_PROTOTYPES[family].items():
            table[row, FACE_ACTIONS.index(action)] = chance
    return table


@cache
def face_tables() -> tuple[np.ndarray, np.ndarray]:
    """Return presence chance and mean intensity of each action, each (rules, states, actions)."""
    prototypes = PRESENCE_SCALE * _prototype_matrix()
    negative = np.array([VALENCE_SIGN[FAMILIES[p]] < 0 for p in PRIMARY])
    smile = FACE_ACTIONS.index("au12")
    chances, means = [], []
    for gain_index, masks in RULES:
        gain = FACE_GAINS[gain_index]
        strength = np.array(LEVEL_PRESENCE)[LEVEL - 1, None] * gain**0.7
        first = np.minimum(prototypes[PRIMARY] * strength, 0.95)  # (states, actions)
        second = np.minimum(SECONDARY_FACE * prototypes[SECONDARY] * strength, 0.95)
        masked = np.zeros((N_STATES, len(FACE_ACTIONS)))
        masked[:, smile] = MASK_CHANCE * negative * masks
        idle = np.full_like(first, IDIOSYNCRATIC)
        parts = np.stack([first, second, masked, idle])
        level_mean = np.clip(np.array(LEVEL_INTENSITY)[LEVEL - 1] * gain, 0.2, 0.85)[:, None]
        by_part = np.stack(
            np.broadcast_arrays(level_mean, 0.8 * level_mean, MASK_INTENSITY, IDIOSYNCRATIC_INTENSITY + 0 * first)[:4]
        )
        chances.append(1 - (1 - parts).prod(axis=0))
        means.append((parts * by_part).sum(axis=0) / parts.sum(axis=0))
    return np.stack(chances), np.stack(means)


@cache
def voice_means() -> np.ndarray:
    """Return the mean of each prosody value, (gains, states, values)."""
    profiles = VOICE_SCALE * np.array([*(VOICE_PROFILES[family] for family in FAMILIES), (0.0,) * len(PROSODY)])
    blend = (profiles[PRIMARY] + SECONDARY_VOICE * profiles[SECONDARY]) * np.array(LEVEL_VOICE)[
        LEVEL - 1, None
    ]  # (states, values)
    return np.array(VOICE_GAINS)[:, None, None] * blend


def voice_sd() -> float:
    """Return the standard deviation of a prosody value around its mean, speakers included."""
    return float(np.hypot(VOICE_SD, VOICE_OFFSET_SD))
