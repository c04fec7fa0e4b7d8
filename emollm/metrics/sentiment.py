"""Sentiment of CMU-MOSI, CMU-MOSEI and CH-SIMS in each convention under its own name; their numbers must not be mixed.

- `mosi_scores`: the regression convention of MOSI and MOSEI, -3..3 (Zadeh et al. 2016, https://arxiv.org/abs/1606.06259). `has0_*` asks
  "not negative or negative" of all clips, `non0_*` "positive or not" of the clips whose gold is not 0.
- `sims_scores`: that of CH-SIMS, -1..1 (Yu et al. 2020, https://aclanthology.org/2020.acl-main.343): classes are half-open intervals,
  closed above.
- `word_scores`: that of MER-UniBench (Lian et al. 2025, https://arxiv.org/abs/2501.16566) for models that answer `positive`, `negative`
  or `neutral`: clips with gold 0 are left out, and every other answer, an unreadable one included, counts as negative. Read it beside the
  number of unreadable answers.

The first two are as MMSA computes them (Mao et al. 2022, https://arxiv.org/abs/2203.12441); F1 is weighted by gold clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emollm.errors import EmoError
from emollm.metrics.aligned import check_aligned, numbers
from emollm.metrics.classes import class_scores
from emollm.metrics.regression import pearson

SIMS_CUTS = {2: (0.0,), 3: (-0.1, 0.1), 5: (-0.7, -0.1, 0.1, 0.7)}
_WORDS = {"positive": 1, "negative": -1, "neutral": 0}


@dataclass(frozen=True)
class MosiScores:
    """Scores in the MOSI/MOSEI convention; `acc5` and `acc7` compare numbers rounded after clipping to -2..2 and -3..3."""

    non0_f1: float
    non0_acc2: float
    has0_f1: float
    has0_acc2: float
    acc5: float
    acc7: float
    mae: float
    corr: float


@dataclass(frozen=True)
class SimsScores:
    """Scores in the CH-SIMS convention; both sides are clipped to -1..1 before anything is compared."""

    f1: float
    acc2: float
    acc3: float
    acc5: float
    mae: float
    corr: float


@dataclass(frozen=True)
class WordScores:
    """Scores of sentiment words in the MER-UniBench convention; `waf` is its primary one."""

    waf: float
    acc: float


def mosi_scores(gold: Any, predicted: Any) -> MosiScores:
    """Score sentiment numbers as MOSI and MOSEI papers do.

    Args:
        gold: True sentiment, -3..3, (clips,).
        predicted: Predicted sentiment on the same scale, (clips,).

    Raises:
        EmoError: The two differ in length, are empty, hold NaN, or a gold number lies outside the scale.
    """
    gold, predicted = _on_scale(gold, predicted, 3.0, "sentiment (MOSI)")
    non0 = gold != 0
    non0_f1, non0_acc2 = _binary(gold[non0] > 0, predicted[non0] > 0)
    has0_f1, has0_acc2 = _binary(gold >= 0, predicted >= 0)
    return MosiScores(
        non0_f1=non0_f1,
        non0_acc2=non0_acc2,
        has0_f1=has0_f1,
        has0_acc2=has0_acc2,
        acc5=_rounded_accuracy(gold, predicted, 2.0),
        acc7=_rounded_accuracy(gold, predicted, 3.0),
        mae=float(np.abs(predicted - gold).mean()),
        corr=pearson(gold, predicted),
    )


def sims_scores(gold: Any, predicted: Any) -> SimsScores:
    """Score sentiment numbers as CH-SIMS papers do.

    Args:
        gold: True sentiment, -1..1, (clips,).
        predicted: Predicted sentiment on the same scale, (clips,).

    Raises:
        EmoError: The two differ in length, are empty, hold NaN, or a gold number lies outside the scale.
    """
    gold, predicted = _on_scale(gold, predicted, 1.0, "sentiment (SIMS)")
    predicted = predicted.clip(-1, 1)
    classes = {k: (np.searchsorted(cuts, gold), np.searchsorted(cuts, predicted)) for k, cuts in SIMS_CUTS.items()}
    accuracy = {k: float((g == p).mean()) for k, (g, p) in classes.items()}
    return SimsScores(
        f1=class_scores(*classes[2]).waf,
        acc2=accuracy[2],
        acc3=accuracy[3],
        acc5=accuracy[5],
        mae=float(np.abs(predicted - gold).mean()),
        corr=pearson(gold, predicted),
    )


def word_values(words: list[str | None]) -> np.ndarray:
    """Return +1, -1, 0 for `positive`, `negative`, `neutral`, written just so, and 0 for anything else (`Positive`, `positive.`)."""
    return np.array([_WORDS.get(word or "", 0) for word in words], np.float64)


def word_scores(gold: Any, predicted: Any) -> WordScores:
    """Score sentiment words as MER-UniBench does.

    Args:
        gold: True sentiment, any scale with 0 in its middle, (clips,).
        predicted: Values of the answered words (`word_values`), (clips,).

    Raises:
        EmoError: The two differ in length, are empty, or hold NaN.
    """
    gold, predicted = numbers(gold, predicted, "sentiment (MER-UniBench)")
    waf, acc = _binary(gold[gold != 0] > 0, predicted[gold != 0] > 0)
    return WordScores(waf, acc)


def _on_scale(gold: Any, predicted: Any, end: float, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides as numbers; refuse gold of another scale."""
    gold, predicted = numbers(gold, predicted, where)
    if np.abs(gold).max() > end:
        worst = float(gold[np.abs(gold).argmax()])
        raise EmoError(
            f"a gold number ({worst:g}) lies outside {-end:g}..{end:g}", where, "use the convention of its data set"
        )
    return gold, predicted


def _binary(gold: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """Return weighted F1 and accuracy of two classes, NaN when no clip is left."""
    if not len(gold):
        return float("nan"), float("nan")
    check_aligned(gold, predicted, "sentiment")
    scores = class_scores(gold.astype(np.int64), predicted.astype(np.int64))
    return scores.waf, scores.acc


def _rounded_accuracy(gold: np.ndarray, predicted: np.ndarray, end: float) -> float:
    """Return the share of clips whose numbers, clipped and rounded (halves to even), are the same."""
    return float((gold.clip(-end, end).round() == predicted.clip(-end, end).round()).mean())
