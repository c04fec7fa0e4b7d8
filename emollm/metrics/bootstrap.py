"""Clustered bootstrap intervals: whole clusters (speakers, dialogues) are drawn again, not single clips.

Clips of one speaker resemble each other, so that drawing clips alone makes intervals too narrow (Davison & Hinkley 1997, section 3.8,
https://doi.org/10.1017/CBO9780511802843). Two systems on the same clips are compared on the same draws (`paired`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from emollm.errors import EmoError

Statistic = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Interval:
    """A statistic with its percentile interval."""

    value: float
    low: float
    high: float


def clustered(
    statistic: Statistic, clusters: Sequence[Hashable], draws: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Return the percentile interval of `statistic` over draws of whole clusters.

    Args:
        statistic: Takes row numbers, (rows,), with repetitions, and returns a number. For a paired comparison it returns the difference
            of the two systems on those rows.
        clusters: Cluster of each row.
        draws: Number of bootstrap draws.
        level: Coverage, e.g. 0.95.
        seed: Seed of the draws.

    Raises:
        EmoError: There are fewer than two clusters.
    """
    names = sorted(set(clusters), key=str)
    if len(names) < 2:
        raise EmoError(
            f"{len(names)} cluster(s): no interval", "clustered bootstrap", "give rows of at least two clusters"
        )
    number = {name: i for i, name in enumerate(names)}
    members: list[list[int]] = [[] for _ in names]
    for row, name in enumerate(clusters):
        members[number[name]].append(row)
    rows_of = [np.array(rows) for rows in members]
    rng = np.random.default_rng(seed)
    values = [
        statistic(np.concatenate([rows_of[c] for c in rng.integers(len(names), size=len(names))])) for _ in range(draws)
    ]
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(statistic(np.arange(len(clusters))), float(low), float(high))
