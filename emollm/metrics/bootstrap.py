"""Clustered bootstrap intervals: whole clusters (speakers, dialogues) are drawn again, not single clips.

Clips of one speaker resemble each other, so that drawing clips alone makes intervals too narrow (Davison & Hinkley 1997, section 3.8,
https://doi.org/10.1017/CBO9780511802843). Two systems on the same clips are compared on the same draws (`paired`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emollm.errors import EmoError

Statistic = Callable[[np.ndarray], float]
Statistics = Callable[[np.ndarray], Mapping[str, float]]


@dataclass(frozen=True)
class Interval:
    """A statistic with its percentile interval; `undefined`: draws on which it was NaN, which the interval leaves out."""

    value: float
    low: float
    high: float
    undefined: int = 0


@dataclass(frozen=True)
class Comparison:
    """What the second of two systems gains over the first on the same clips.

    `p`: two-sided bootstrap p-value of no difference, at least 1 / (draws + 1) (Davison & Hinkley 1997, section 4.4).
    """

    first: float
    second: float
    difference: Interval
    p: float

    @property
    def gain(self) -> float:
        """The difference as a share of the first, as papers' "relative improvement"."""
        return relative_gain(self.first, self.second)


def relative_gain(first: float, second: float) -> float:
    """Return `second / first - 1`, NaN when `first` is 0."""
    return second / first - 1 if first else float("nan")


def clustered(
    statistic: Statistic, clusters: Sequence[Hashable], draws: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Return the percentile interval of one statistic, a number; see `intervals`."""
    return intervals(lambda rows: {"": statistic(rows)}, clusters, draws, level, seed)[""]


def intervals(
    statistics: Statistics, clusters: Sequence[Hashable], draws: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, Interval]:
    """Return the percentile intervals of statistics over draws of whole clusters.

    Args:
        statistics: Takes row numbers, (rows,), with repetitions, and returns numbers by name; NaN where one is undefined on these rows.
        clusters: Cluster of each row.
        draws: Number of bootstrap draws.
        level: Coverage, e.g. 0.95.
        seed: Seed of the draws.

    Raises:
        EmoError: There are fewer than two clusters.
    """
    values = statistics(np.arange(len(clusters)))
    drawn = [statistics(rows) for rows in _draws(clusters, draws, seed)]
    return {name: _interval(values[name], np.array([one[name] for one in drawn]), level) for name in values}


def paired(
    first: Statistics,
    second: Statistics,
    clusters: Sequence[Hashable],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compare two systems on the same draws of whole clusters; see `intervals` for the arguments and errors."""
    rows = np.arange(len(clusters))
    one, two = first(rows), second(rows)
    drawn = [(first(rows), second(rows)) for rows in _draws(clusters, draws, seed)]
    out = {}
    for name in one:
        differences = np.array([b[name] - a[name] for a, b in drawn])
        defined = differences[~np.isnan(differences)]
        tail = min((defined <= 0).sum(), (defined >= 0).sum())
        p = min(1.0, 2 * (float(tail) + 1) / (len(defined) + 1)) if len(defined) else float("nan")
        difference = _interval(two[name] - one[name], differences, level)
        out[name] = Comparison(one[name], two[name], difference, p)
    return out


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for the number of comparisons (Holm 1979, https://www.jstor.org/stable/4615733); NaN stays NaN."""
    known = sorted((p, name) for name, p in p_values.items() if not np.isnan(p))
    corrected, highest = dict(p_values), 0.0
    for rank, (p, name) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[name] = highest
    return corrected


def _draws(clusters: Sequence[Hashable], draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the row numbers of each draw."""
    names = sorted(set(clusters), key=str)
    if len(names) < 2:
        fix = "give rows of at least two clusters"
        raise EmoError(f"{len(names)} cluster(s): no interval", "clustered bootstrap", fix)
    number = {name: i for i, name in enumerate(names)}
    members: list[list[int]] = [[] for _ in names]
    for row, name in enumerate(clusters):
        members[number[name]].append(row)
    rows_of = [np.array(rows) for rows in members]
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.concatenate([rows_of[c] for c in rng.integers(len(names), size=len(names))])


def _interval(value: float, drawn: np.ndarray, level: float) -> Interval:
    """Return a statistic with the quantiles of its drawn values."""
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return Interval(value, float("nan"), float("nan"), len(drawn))
    tail = (1 - level) / 2
    # of values that may be infinite, so that no two are mixed
    low, high = np.quantile(defined, [tail, 1 - tail], method="linear" if np.isfinite(defined).all() else "nearest")
    return Interval(value, float(low), float(high), len(drawn) - len(defined))
