"""Hit rate of open-vocabulary answers on data sets with one class a clip (MER-UniBench; AffectGPT, https://arxiv.org/abs/2501.16566).

Per wheel, gold and predicted labels become level-1 sectors; a sample whose class is in no sector is skipped there, so that every neutral
clip falls away, and on some wheels disgust and surprise too. A hit is the class's sector among the predicted ones; the rate is averaged
over the wheels. Naming everything hits everything: read it beside `mscore` (hits divided by the classes that were named), the number of
labels, and the constant answer of six words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emollm.emotions.labels import Answer
from emollm.emotions.maps import Maps
from emollm.errors import EmoError
from emollm.metrics.bootstrap import Statistic
from emollm.metrics.wheel import PairCounts, compare, look_up, look_up_pairs, pair_counts

SIX = ("happy", "sad", "angry", "fearful", "surprised", "disgusted")


@dataclass(frozen=True)
class HitWheel:
    """Hit rate on one wheel, over the `n` samples whose class is on it."""

    name: str
    hit: float
    mscore: float
    n: int


@dataclass(frozen=True)
class HitScore:
    """Hit rate with what belongs beside it; fields as in `OpenScore`, the constant answer is `SIX`."""

    value: float
    mscore: float
    wheels: tuple[HitWheel, ...]
    pairs: int
    label_count: float
    unmapped: float
    constant: tuple[str, ...]
    constant_value: float
    maps_version: str
    maps_sha256: str


def hit_rate(maps: Maps, gold: Sequence[str], predicted: Sequence[Answer]) -> HitScore:
    """Return how often the class of a sample is among the predicted labels.

    Args:
        maps: Wheels, see `load_maps`.
        gold: Name of the class of each sample.
        predicted: Predicted answers, in the same order.

    Raises:
        EmoError: The lengths differ, an answer is no label list, or no class is on any wheel.
    """
    sides = look_up_pairs(maps, [[name] for name in gold], predicted)
    truth, guess = (side.union(maps) for side in sides)
    counts = compare(maps, truth, guess)
    # The published code looks the class names up as they are written, not in lower case.
    classes = look_up(maps, [[name for name in dict.fromkeys(gold) if name in maps.words]]).union(maps)
    named = compare(maps, guess, classes).both
    level1 = [maps.groupings.index(name) for name in maps.level(1)]
    n = (counts.gold > 0).sum(axis=0)[level1]
    if not n.any():
        raise EmoError(
            f"no class is known to wheels {maps.version}", "gold", "give the names of the classes, not numbers"
        )
    hits = _hits(counts, level1)
    mscores = (counts.both / np.maximum(named, 1)).sum(axis=0)[level1] / np.maximum(n, 1)
    always = compare(maps, truth, look_up(maps, [list(SIX)]).union(maps))
    wheels = zip(maps.level(1), hits.tolist(), mscores.tolist(), n.tolist(), strict=True)
    return HitScore(
        value=float(hits.mean()),
        mscore=float(mscores.mean()),
        wheels=tuple(HitWheel(*wheel) for wheel in wheels),
        pairs=len(gold),
        label_count=sides[1].label_count,
        unmapped=sides[1].unmapped,
        constant=SIX,
        constant_value=float(_hits(always, level1).mean()),
        maps_version=maps.version,
        maps_sha256=maps.sha256,
    )


def hit_statistic(maps: Maps, gold: Sequence[str], predicted: Sequence[Answer]) -> Statistic:
    """Return the function from row numbers to the hit rate, for the bootstrap.

    Raises:
        EmoError: The lengths differ, or an answer is no label list.
    """
    counts = pair_counts(maps, [[name] for name in gold], predicted)
    level1 = [maps.groupings.index(name) for name in maps.level(1)]
    return lambda rows: float(_hits(counts.take(rows), level1).mean())


def _hits(counts: PairCounts, level1: list[int]) -> np.ndarray:
    """Return the hits a counted sample on each wheel, (wheels,); with several gold labels it can exceed 1, as published."""
    n = (counts.gold > 0).sum(axis=0)
    return (counts.both.sum(axis=0) / np.maximum(n, 1))[level1]
