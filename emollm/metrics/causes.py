"""Emotion-cause pairs in dialogues: which utterance brought about the emotion of which.

A pair is (emotion utterance, cause utterance, emotion). `f1`, `precision` and `recall` count pairs over all dialogues (Xia & Ding 2019,
https://aclanthology.org/P19-1096, who leave the emotion out: give all pairs the same one); `weighted_f1` is the mean of each emotion's F1
weighted by its gold pairs, as SemEval-2024 task 3 ranks (Wang et al. 2024, https://arxiv.org/abs/2405.13049), whose six emotions exclude
neutral.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from emollm.metrics.aligned import check_aligned, share

Pair = tuple[str, str, str]


@dataclass(frozen=True)
class CauseScores:
    """Scores of emotion-cause pairs, 0..1; NaN when there is no pair at all."""

    f1: float
    precision: float
    recall: float
    weighted_f1: float


def pair_counts(gold: Sequence[Set[Pair]], predicted: Sequence[Set[Pair]]) -> np.ndarray:
    """Return hits, gold pairs and predicted pairs of each emotion in each dialogue, int (dialogues, emotions, 3).

    Raises:
        EmoError: The two differ in length or are empty.
    """
    check_aligned(gold, predicted, "causes")
    emotions = sorted({emotion for side in (gold, predicted) for pairs in side for _, _, emotion in pairs})
    place = {emotion: i for i, emotion in enumerate(emotions)}
    counts = np.zeros((len(gold), len(emotions), 3), np.int64)
    for row, (true, named) in enumerate(zip(gold, predicted, strict=True)):
        for column, pairs in enumerate((true & named, true, named)):
            for _, _, emotion in pairs:
                counts[row, place[emotion], column] += 1
    return counts


def pair_scores(counts: np.ndarray) -> CauseScores:
    """Return the scores of `pair_counts`."""
    hits, gold, predicted = counts.sum(axis=0).T  # (emotions,)
    f1 = share(2 * hits, gold + predicted, 0.0)
    return CauseScores(
        f1=float(share(2 * hits.sum(), gold.sum() + predicted.sum())),
        precision=float(share(hits.sum(), predicted.sum())),
        recall=float(share(hits.sum(), gold.sum())),
        weighted_f1=float(share((f1 * gold).sum(), gold.sum())),
    )
