"""Whether a stated confidence can be trusted, and what may be gained by answering only when it is high.

- `ece`: expected calibration error over bins of equal width, closed above (Guo et al. 2017, https://arxiv.org/abs/1706.04599).
- `brier`: mean squared difference of confidence and outcome (Brier 1950), 0 is best. `log_score`: mean log-probability of the outcome, 0
  is best and minus infinity the price of being sure and wrong. Both are proper: honesty is the best policy (Gneiting & Raftery 2007,
  https://doi.org/10.1198/016214506000001437).
- `auroc`: chance that a right answer has the higher confidence than a wrong one, ties counting half; 0.5 tells nothing.
- `aurc`: area under the risk-coverage curve (Geifman & El-Yaniv 2017, https://arxiv.org/abs/1705.08500): the mean error rate when only
  the k most confident are answered, over all k; of equal confidence, any may be answered first, and the expectation is taken.

A clip on which the model abstained has confidence NaN. It lowers `coverage` and nothing else: read the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emollm.errors import EmoError
from emollm.metrics.aligned import check_aligned, share

BINS = 15


@dataclass(frozen=True)
class CalibrationScores:
    """Scores over answered clips; `coverage` is the share of answered ones, `acc` their accuracy, `confidence` their mean confidence."""

    ece: float
    brier: float
    log_score: float
    auroc: float
    aurc: float
    acc: float
    confidence: float
    coverage: float


def calibration_scores(correct: np.ndarray, confidence: np.ndarray, bins: int = BINS) -> CalibrationScores:
    """Score confidences.

    Args:
        correct: Whether each answer is right, bool (clips,); whatever stands at an abstention is not read.
        confidence: Stated probability of being right, 0..1, (clips,); NaN: abstained.
        bins: Number of bins of `ece`.

    Raises:
        EmoError: The two differ in length, are empty, or a confidence lies outside 0..1. With all abstained the scores are NaN.
    """
    check_aligned(correct, confidence, "calibration")
    answered = ~np.isnan(confidence)
    right, sure = np.asarray(correct, bool)[answered], confidence[answered]
    if ((sure < 0) | (sure > 1)).any():
        raise EmoError("a confidence lies outside 0..1", "calibration", "give probabilities; NaN for an abstention")
    if not len(right):
        nan = float("nan")
        return CalibrationScores(nan, nan, nan, nan, nan, nan, nan, coverage=0.0)
    with np.errstate(divide="ignore"):
        log_score = np.log(np.where(right, sure, 1 - sure)).mean()
    return CalibrationScores(
        ece=_ece(right, sure, bins),
        brier=float(((sure - right) ** 2).mean()),
        log_score=float(log_score),
        auroc=auroc(right, sure),
        aurc=float(risk_coverage(right, sure)[1].mean()),
        acc=float(right.mean()),
        confidence=float(sure.mean()),
        coverage=float(answered.mean()),
    )


def auroc(positive: np.ndarray, score: np.ndarray) -> float:
    """Return the area under the ROC curve, bool (rows,) against scores (rows,); NaN when only one kind of row is there."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # mean rank of ties, from 1
    n, m = int(positive.sum()), int((~positive).sum())
    return float(share(rank[positive].sum() - n * (n + 1) / 2, n * m))


def risk_coverage(correct: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the risk-coverage curve of answered clips.

    Args:
        correct: Whether each answer is right, bool (clips,).
        confidence: Confidence of each, (clips,), without NaN.

    Returns:
        Coverage 1/n, 2/n, ..., 1 and the expected error rate of the most confident answers up to there, both (clips,).
    """
    _, place, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    risk_of_tie = np.bincount(place, weights=~correct) / count
    errors = np.cumsum(np.repeat(risk_of_tie, count))
    k = np.arange(1, len(correct) + 1)
    return k / len(correct), errors / k


def _ece(right: np.ndarray, sure: np.ndarray, bins: int) -> float:
    """Return the mean gap of accuracy and confidence over bins, weighted by their clips."""
    place = np.ceil(sure * bins).clip(1, bins).astype(np.int64) - 1
    gap = np.bincount(place, weights=right - sure, minlength=bins)
    return float(np.abs(gap).sum() / len(right))
