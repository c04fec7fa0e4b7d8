"""Scores of predicted distributions against those of raters: how people disagree is part of the truth.

- `bc`: Bhattacharyya coefficient, 0..1 (Bhattacharyya 1943); 1 is the same distribution. With R2 a measure of AmbER2 (Wu et al. 2026,
  https://arxiv.org/abs/2601.18010).
- `kl`: Kullback-Leibler divergence of the prediction from the raters, in nats; infinite where a rater's class got probability 0.
- `js`: Jensen-Shannon divergence in bits, 0..1 (Lin 1991, https://doi.org/10.1109/18.61115).
- `r2`: 1 - squared error / spread of the gold shares around each class's mean, pooled over classes; 0 is the answer "the mean
  distribution".
- `emd`: earth mover's distance (Rubner et al. 2000, https://doi.org/10.1023/A:1026543900054). Classes without order are all 1 apart, so
  that it is half the absolute difference (0..1); classes in order lie one step from the next (0..classes - 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emollm.errors import EmoError, collect
from emollm.metrics.aligned import numbers, share

TOLERANCE = 0.02
"""How far from 1 the shares of a row may sum: votes are often written with two decimals."""


@dataclass(frozen=True)
class DistributionScores:
    """Means over clips (`r2` is one number for all); `kl`, `js` and `emd` are errors (0 is best)."""

    bc: float
    kl: float
    js: float
    r2: float
    emd: float


def distribution_scores(gold: Any, predicted: Any, *, ordered: bool = False) -> DistributionScores:
    """Score distributions.

    Args:
        gold: Shares of the raters, (clips, classes); each row sums to 1 up to `TOLERANCE` and is scaled to exactly 1.
        predicted: Predicted probabilities, (clips, classes).
        ordered: Whether the classes are steps of a scale, in the order of the columns.

    Raises:
        EmoError: Shapes differ, there are no rows, a row holds NaN or a negative number, or does not sum to 1.
    """
    gold, predicted = numbers(gold, predicted, "distribution")
    gold, predicted = _normalised(gold, predicted)
    middle = (gold + predicted) / 2
    off = predicted - gold
    apart = np.abs(np.cumsum(off, axis=1)) if ordered else np.abs(off) / 2  # (clips, classes)
    spread = ((gold - gold.mean(axis=0)) ** 2).sum()
    return DistributionScores(
        bc=float(np.sqrt(gold * predicted).sum(axis=1).mean()),
        kl=float(_divergence(gold, predicted).mean()),
        js=float((_divergence(gold, middle) + _divergence(predicted, middle)).mean() / (2 * np.log(2))),
        r2=float(1 - share((off**2).sum(), spread)),
        emd=float(apart.sum(axis=1).mean()),
    )


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return sum p ln(p / q) of each row, (clips,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0).sum(axis=1)


def _normalised(gold: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both with rows that sum to exactly 1, or refuse all rows that are no distribution."""
    problems = []
    for name, side in (("gold", gold), ("predicted", predicted)):
        wrong = (side < 0).any(axis=1) | (np.abs(side.sum(axis=1) - 1) > TOLERANCE)
        if wrong.any():
            rows = ", ".join(map(str, np.flatnonzero(wrong)[:10]))
            fix = "shares are at least 0 and sum to 1"
            problems.append(EmoError(f"{wrong.sum()} {name} row(s) are no distribution: {rows}", "distribution", fix))
    if error := collect(problems, "{n} problem(s) with the distributions to score"):
        raise error
    return gold / gold.sum(axis=1, keepdims=True), predicted / predicted.sum(axis=1, keepdims=True)
