"""Scores of several labels a clip out of a closed set: micro, macro and sample F1, Jaccard, exact match, Hamming loss, MASI distance.

`micro_f1`, `macro_f1` and `jaccard` are those of SemEval-2018 task 1 (Mohammad et al., https://aclanthology.org/S18-1001). A clip without
labels that is answered with none is right (1); labels that occur in neither gold nor predictions are left out of the macro mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emollm.metrics.agreement import masi
from emollm.metrics.aligned import check_aligned, mean, share


@dataclass(frozen=True)
class MultilabelScores:
    """Scores of label sets, 0..1; `hamming` and `masi` are errors (0 is best)."""

    micro_f1: float
    macro_f1: float
    sample_f1: float
    jaccard: float
    exact: float
    hamming: float
    masi: float


def multilabel_scores(gold: np.ndarray, predicted: np.ndarray) -> MultilabelScores:
    """Score label sets.

    Args:
        gold: Which labels each clip has, bool (clips, labels); `emollm.metrics.aligned.indicators` makes it from sets.
        predicted: Which labels were predicted, bool (clips, labels).

    Raises:
        EmoError: The two differ in length or are empty.
    """
    check_aligned(gold, predicted, "multilabel")
    both = gold & predicted
    hits, g, p = both.sum(axis=1), gold.sum(axis=1), predicted.sum(axis=1)  # (clips,)
    return MultilabelScores(
        micro_f1=float(share(2 * hits.sum(), (g + p).sum(), 1.0)),
        macro_f1=mean(label_f1(gold, predicted)),
        sample_f1=float(sample_f1(gold, predicted).mean()),
        jaccard=float(share(hits, g + p - hits, 1.0).mean()),
        exact=float((gold == predicted).all(axis=1).mean()),
        hamming=float((gold != predicted).mean()),
        masi=float(masi(hits, g, p).mean()),
    )


def label_f1(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the F1 of each label over clips, (labels,); NaN where a label occurs in neither."""
    return share(2 * (gold & predicted).sum(axis=0), gold.sum(axis=0) + predicted.sum(axis=0))


def sample_f1(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the F1 of each clip's set, (clips,); 1 where both are empty."""
    return share(2 * (gold & predicted).sum(axis=1), gold.sum(axis=1) + predicted.sum(axis=1), 1.0)
