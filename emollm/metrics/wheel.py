"""Open-vocabulary scores over emotion wheels: Fs, S1 and S2, the mean of 12 groupings.

    maps = load_maps("mer2025")
    found = score("fs", maps, gold, predicted)   # label lists as written, in the same order

Labels become groups (emollm/emotions/maps.py); a sample's gold and predicted groups are compared as sets; F is the harmonic mean of mean
precision and mean recall, per grouping, and a score averages groupings. As published (OV-MER, Lian et al. 2024,
https://arxiv.org/abs/2410.01495; AffectGPT, Lian et al. 2025, https://arxiv.org/abs/2501.16566), labels without a group fall away on
both sides, and a sample whose gold is then empty is not counted in that grouping. F alone can be gamed by long answers, and words that
no wheel has cost nothing. So precision, recall and the number of samples of each grouping, the number of labels, the share without a
group and the score of the best constant list stand beside it.

Departure: where precision and recall are both 0, F is 0 (MER2026), not NaN (MER2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from emollm.emotions.labels import Answer, refuse_wrong
from emollm.emotions.maps import Maps
from emollm.errors import EmoError
from emollm.metrics.bootstrap import Statistic

MOST_CONSTANT = 16
_CHUNK = 2048  # pairs; the sets of more would leave the processor's cache


@dataclass(frozen=True)
class Metric:
    """What a metric is: its values in the order they are shown, which of them ranks, and the wheels it asks for."""

    about: str
    values: tuple[str, ...]
    ranks: str
    wheels: str | None = None


METRICS = {
    "fs": Metric("level-1 F, P, R, averaged over the wheels (AffectGPT, MER-UniBench)", ("f", "p", "r"), "f"),
    "s1s2": Metric("level-1 F (S1), level-2 F (S2) and their mean", ("s1", "s2", "mean"), "mean"),
    "m-avg": Metric("mean F of all groupings: M1, M2, both levels of each wheel (OV-MER)", ("m_avg",), "m_avg"),
    "mer2025-fg": Metric("s1s2 as MER2025 track 2 ranks", ("s1", "s2", "mean"), "mean", "mer2025"),
    "mer2026-fg": Metric("fs as MER2026 track 2 ranks", ("f", "p", "r"), "f", "mer2026"),
}


@dataclass(frozen=True)
class PairCounts:
    """Sizes of the sets of each pair: numbers of groups of gold, of the prediction, and of both, each (pairs, groupings)."""

    gold: np.ndarray
    predicted: np.ndarray
    both: np.ndarray

    def take(self, rows: np.ndarray) -> PairCounts:
        """Return the counts of some pairs: row numbers, with repetitions."""
        return PairCounts(self.gold[rows], self.predicted[rows], self.both[rows])

    def means(self) -> np.ndarray:
        """Return F, P, R and n of each grouping, (4, groupings)."""
        n = (self.gold > 0).sum(axis=0)
        p = (self.both / np.maximum(self.predicted, 1)).sum(axis=0) / np.maximum(n, 1)
        r = (self.both / np.maximum(self.gold, 1)).sum(axis=0) / np.maximum(n, 1)
        return np.stack([2 * p * r / np.where(p + r > 0, p + r, 1), p, r, n])


@dataclass(frozen=True)
class GroupingScore:
    """Score in one grouping: `n` pairs have gold there; `unmapped` is the share of predicted labels without a group there."""

    name: str
    f: float
    precision: float
    recall: float
    n: int
    unmapped: float


@dataclass(frozen=True)
class OpenScore:
    """A score with what belongs beside it.

    Attributes:
        metric: Name in `METRICS`.
        value: The number that ranks.
        values: All numbers of the metric.
        groupings: Score of each grouping, also of those that the metric does not average.
        pairs: Number of pairs; a grouping's own `n` is smaller by those whose gold has no group there.
        label_count: Mean number of predicted labels as written.
        unmapped: Share of predicted labels that the maps do not know at all.
        gold_unmapped: The same of gold labels.
        constant: The constant answer that `constant_value` was scored with.
        constant_value: What `value` would be if every prediction were `constant`.
        maps_version: Version of the maps.
        maps_sha256: Hash of the maps.
    """

    metric: str
    value: float
    values: dict[str, float]
    groupings: tuple[GroupingScore, ...]
    pairs: int
    label_count: float
    unmapped: float
    gold_unmapped: float
    constant: tuple[str, ...]
    constant_value: float
    maps_version: str
    maps_sha256: str


def score(
    metric: str, maps: Maps, gold: Sequence[Answer], predicted: Sequence[Answer], constant: Sequence[str] | None = None
) -> OpenScore:
    """Score predicted label lists against gold ones.

    Args:
        metric: A name in `METRICS`.
        maps: Wheels, see `load_maps`.
        gold: Gold answers, as written or as lists.
        predicted: Predicted answers, in the same order.
        constant: The constant answer to compare with; by default, of the 1, 2, ... 16 commonest gold labels the list that scores best.

    Raises:
        EmoError: The metric is unknown or asks for other wheels, the lengths differ, an answer is no label list, or no gold label has a
            group.
    """
    known = _metric(metric, maps)
    sides = look_up_pairs(maps, gold, predicted)
    truth, guess = (side.union(maps) for side in sides)
    means = compare(maps, truth, guess).means()
    if not means[3].any():
        raise EmoError(f"no gold label is known to wheels {maps.version}", "gold", "check the column of the labels")
    values = _values(known, maps, means[:3])
    ranked = _commonest(maps, sides[0])
    lists = [ranked[:size] for size in range(1, len(ranked) + 1)] if constant is None else [tuple(constant)]
    always = []
    for words in lists:
        counts = compare(maps, truth, look_up(maps, [words]).union(maps))
        always.append((_values(known, maps, counts.means()[:3])[known.ranks], words))
    constant_value, best = max(always, key=lambda pair: pair[0])
    return OpenScore(
        metric=metric,
        value=values[known.ranks],
        values=values,
        groupings=tuple(
            GroupingScore(name, float(f), float(p), float(r), int(n), float(share))
            for name, (f, p, r, n), share in zip(maps.groupings, means.T, sides[1].without(maps), strict=True)
        ),
        pairs=len(gold),
        label_count=sides[1].label_count,
        unmapped=sides[1].unmapped,
        gold_unmapped=sides[0].unmapped,
        constant=best,
        constant_value=constant_value,
        maps_version=maps.version,
        maps_sha256=maps.sha256,
    )


def pair_counts(maps: Maps, gold: Sequence[Answer], predicted: Sequence[Answer]) -> PairCounts:
    """Compare gold and predicted sets of each pair in every grouping.

    Raises:
        EmoError: The lengths differ, or an answer is no label list.
    """
    truth, guess = (side.union(maps) for side in look_up_pairs(maps, gold, predicted))
    return compare(maps, truth, guess)


def statistic(metric: str, maps: Maps, counts: PairCounts) -> Statistic:
    """Return the function from row numbers to the metric's ranking value, for the bootstrap.

    Raises:
        EmoError: The metric is unknown or asks for other wheels.
    """
    known = _metric(metric, maps)
    return lambda rows: _values(known, maps, counts.take(rows).means()[:3])[known.ranks]


def sample_f(maps: Maps, gold: Answer, predicted: Answer) -> float | None:
    """Return the mean over the wheels of one sample's level-1 F, quickly: the reward of AffectGPT-R1 (https://arxiv.org/abs/2508.01318).

    A wheel that has no gold label is left out; None when no wheel has one. An empty prediction scores 0.
    """
    values, masks = maps.level1
    truth = guess = 0
    for label in maps.labels(gold):
        if (row := maps.words.get(label)) is not None:
            truth |= values[row]
    for label in maps.labels(predicted):
        if (row := maps.words.get(label)) is not None:
            guess |= values[row]
    both, f, n = truth & guess, 0.0, 0
    for mask in masks:
        if size := (truth & mask).bit_count():
            n += 1
            f += 2 * (both & mask).bit_count() / (size + (guess & mask).bit_count())
    return f / n if n else None


@dataclass(frozen=True)
class Side:
    """Gold or predicted labels, looked up: `rows`, (labels,), -1 for unknown words; `counts`, (pairs,), the number of labels of each."""

    rows: np.ndarray
    counts: np.ndarray

    @property
    def label_count(self) -> float:
        """Mean number of labels a pair."""
        return len(self.rows) / max(len(self.counts), 1)

    @property
    def unmapped(self) -> float:
        """Share of labels that the maps do not know."""
        return float((self.rows < 0).sum()) / max(len(self.rows), 1)

    def without(self, maps: Maps) -> np.ndarray:
        """Return the share of labels without a group, (groupings,)."""
        lacks = np.add.reduceat(maps.bits != 0, maps.starts[:-1], axis=1) == 0  # (words + 1, groupings)
        times = np.bincount(self.rows % len(maps.bits), minlength=len(maps.bits))  # -1 becomes the last row
        return times @ lacks / max(len(self.rows), 1)

    def union(self, maps: Maps) -> np.ndarray:
        """Return the set of groups of each pair as bits, (pairs, cells): first labels, then second labels, and so on."""
        sets = np.zeros((len(self.counts), maps.bits.shape[1]), np.uint64)
        starts = np.cumsum(self.counts) - self.counts
        for first in range(0, len(sets), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            for place in range(self.counts[chunk].max()):
                longer = np.flatnonzero(self.counts[chunk] > place)
                sets[chunk][longer] |= maps.bits[self.rows[starts[chunk][longer] + place]]
        return sets


def look_up_pairs(maps: Maps, gold: Sequence[Answer], predicted: Sequence[Answer]) -> tuple[Side, Side]:
    """Look both sides up.

    Raises:
        EmoError: The lengths differ, or answers are no label lists (all rows of a side at once).
    """
    if len(gold) != len(predicted):
        what = f"{len(gold)} gold rows but {len(predicted)} predicted rows"
        raise EmoError(what, "score", "give one prediction for each sample, in the same order")
    return look_up(maps, gold, "gold"), look_up(maps, predicted, "predicted")


class _Rows(dict[str, int]):
    """Row of each spelling of a word: normalised once, -1 when unknown, -2 for a blank between two commas, which is no label."""

    def __init__(self, maps: Maps) -> None:
        super().__init__()
        self.maps = maps

    def __missing__(self, piece: str) -> int:
        word = self.maps.key(piece)
        self[piece] = row = self.maps.words.get(word, -1) if word else -2
        return row


def look_up(maps: Maps, answers: Sequence[Answer], side: str = "constant") -> Side:
    """Look the labels of answers up."""
    try:
        pieces = [maps.pieces(answer) for answer in answers]
        counts = np.fromiter(map(len, pieces), np.int64, len(pieces))
        rows = np.fromiter(map(_Rows(maps).__getitem__, chain.from_iterable(pieces)), np.int64, counts.sum())
    except (TypeError, AttributeError, IndexError):
        refuse_wrong(answers, side)
        raise
    label = rows != -2
    before = np.concatenate([[0], np.cumsum(label)])  # labels before each piece
    return Side(rows[label], np.diff(before[np.cumsum(counts)], prepend=0))


def compare(maps: Maps, truth: np.ndarray, guess: np.ndarray) -> PairCounts:
    """Count groups of sets of bits, (pairs, cells) each; a single row of `guess` stands for every pair."""

    def sizes(bits: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.bitwise_count(bits), maps.starts[:-1], axis=1, dtype=np.int64)

    return PairCounts(sizes(truth), sizes(guess), sizes(truth & guess))


def _metric(name: str, maps: Maps) -> Metric:
    """Return the metric of a name.

    Raises:
        EmoError: There is none, or it asks for other wheels.
    """
    if name not in METRICS:
        raise EmoError(f"no metric {name!r}", "metric", f"take one of {', '.join(METRICS)}")
    if METRICS[name].wheels not in (None, maps.version):
        needed = METRICS[name].wheels
        raise EmoError(f"{name} asks for wheels {needed}, not {maps.version}", "metric", f"--wheels {needed}")
    return METRICS[name]


def _values(metric: Metric, maps: Maps, means: np.ndarray) -> dict[str, float]:
    """Return the values of a metric from F, P and R of each grouping, (3, groupings)."""
    level1, level2 = ([maps.groupings.index(name) for name in maps.level(number)] for number in (1, 2))
    f, p, r = means[:, level1].mean(axis=1)
    s2 = means[0, level2].mean()
    every = {"f": f, "p": p, "r": r, "s1": f, "s2": s2, "mean": (f + s2) / 2, "m_avg": means[0].mean()}
    return {name: float(every[name]) for name in metric.values}


def _commonest(maps: Maps, gold: Side) -> tuple[str, ...]:
    """Return the commonest gold labels that the maps know, equally common ones by the alphabet."""
    times = np.bincount(gold.rows[gold.rows >= 0], minlength=len(maps.words)).tolist()
    ranked = sorted(zip(times, maps.words, strict=True), key=lambda pair: (-pair[0], pair[1]))
    return tuple(word for count, word in ranked[:MOST_CONSTANT] if count)
