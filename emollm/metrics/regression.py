"""Scores of numbers (valence, arousal, dominance, intensity): errors and correlations.

`ccc` is the concordance correlation (Lin 1989, https://doi.org/10.2307/2532051), the measure of the AVEC and ABAW challenges: unlike
Pearson's it falls when the predictions are shifted or stretched. Variances are those of the population (divided by n).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emollm.metrics.aligned import numbers, share


@dataclass(frozen=True)
class RegressionScores:
    """Errors in the unit of the numbers, correlations -1..1.

    `pearson` is NaN when one side is constant, `ccc` when both are the same constant.
    """

    ccc: float
    pearson: float
    mae: float
    mse: float


def regression_scores(gold: Any, predicted: Any) -> RegressionScores:
    """Score numbers.

    Args:
        gold: True numbers, (clips,).
        predicted: Predicted numbers on the same scale, (clips,).

    Raises:
        EmoError: The two differ in length, are empty, or hold NaN.
    """
    gold, predicted = numbers(gold, predicted, "regression")
    off = predicted - gold
    covariance = ((gold - gold.mean()) * (predicted - predicted.mean())).mean()
    spread = gold.var() + predicted.var() + off.mean() ** 2
    return RegressionScores(
        ccc=float(share(2 * covariance, spread)),
        pearson=pearson(gold, predicted),
        mae=float(np.abs(off).mean()),
        mse=float((off**2).mean()),
    )


def pearson(gold: np.ndarray, predicted: np.ndarray) -> float:
    """Return Pearson's correlation, NaN when one side is constant."""
    if np.ptp(gold) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    return float(np.corrcoef(gold, predicted)[0, 1])
