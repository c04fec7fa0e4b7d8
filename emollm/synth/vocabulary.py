"""The open vocabulary of the simulated raters: emotion words, each with its family and intensity level.

The words are everyday English; families and levels are ours and serve only the synthetic clips (real data uses the emotion wheels of
`emollm.emotions`). Valence, arousal and dominance follow the directions of Russell & Mehrabian (1977,
https://doi.org/10.1016/0092-6566(77)90037-X).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import yaml

FAMILIES: tuple[str, ...] = (
    "joy",
    "calm",
    "pride",
    "interest",
    "surprise",
    "sadness",
    "fear",
    "anger",
    "disgust",
    "contempt",
    "shame",
    "neutral",
)
LEVELS: tuple[int, ...] = (1, 2, 3)
VALENCE_SIGN: dict[str, int] = dict(zip(FAMILIES, (1, 1, 1, 1, 0, -1, -1, -1, -1, -1, -1, 0), strict=True))
VAD_SCALE = (1.0, 5.0)


@cache
def _table() -> dict[str, dict]:
    return yaml.safe_load(Path(__file__).with_name("vocabulary.yaml").read_text(encoding="utf-8"))


@cache
def words(family: str, level: int) -> tuple[str, ...]:
    """Return the words of a family at an intensity level, the commonest first."""
    return tuple(_table()[family][level])


@cache
def families_by_word() -> dict[str, str]:
    """Return the map from each word to its family; a family's own name maps to itself."""
    by_word = {word: family for family in FAMILIES for level in LEVELS for word in words(family, level)}
    return {**{family: family for family in FAMILIES}, **by_word}


@cache
def vad_centre(family: str, level: int) -> np.ndarray:
    """Return valence, arousal and dominance (1..5) of a family at an intensity level."""
    return np.array(_table()[family]["vad"][level - 1])  # (3,)


@cache
def word_weights(family: str, level: int) -> np.ndarray:
    """Return how often raters choose each word of a cell: Zipf-like, so that common words are common."""
    weights = 1.0 / np.arange(1, len(words(family, level)) + 1)
    return weights / weights.sum()


def vocabulary() -> tuple[str, ...]:
    """Return all words that raters write, sorted."""
    return tuple(sorted({word for family in FAMILIES for level in LEVELS for word in words(family, level)}))
