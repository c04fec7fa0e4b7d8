"""Scores of one class a clip: weighted F1, accuracy, unweighted average recall, macro F1.

- `waf`: F1 of each class, weighted by its gold clips (MER challenges, https://arxiv.org/abs/2304.08981; "weighted F1" of MELD and
  IEMOCAP).
- `acc`: share of right clips; the same number is called WAR (weighted average recall) by DFEW, MAFW and RAVDESS papers.
- `uar`: mean recall over the classes that have gold clips (Schuller et al. 2009, https://doi.org/10.21437/Interspeech.2009-103).
- `macro_f1`: mean F1 over the classes that occur in gold or predictions.

No answer (an error, an unreadable text, a word that is no class) is wrong for its clip and belongs to no class: it is never turned into
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emollm.errors import EmoError
from emollm.metrics.aligned import check_aligned, mean, share

NO_CLASS = -1


@dataclass(frozen=True)
class ClassScores:
    """Scores of classes, each 0..1."""

    waf: float
    acc: float
    uar: float
    macro_f1: float


@dataclass(frozen=True)
class ClassTable:
    """One row a class, in the order of the names: precision, recall, F1 (NaN where undefined), gold clips; `no_class`: clips without."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    n: np.ndarray
    no_class: int


def codes(words: Sequence[str | None], names: Sequence[str]) -> np.ndarray:
    """Return the place of each word among the names, int (words,); `NO_CLASS` for None and for words that are none of them."""
    place = {name: i for i, name in enumerate(names)}
    return np.array([NO_CLASS if word is None else place.get(word, NO_CLASS) for word in words], np.int64)


def class_scores(gold: np.ndarray, predicted: np.ndarray) -> ClassScores:
    """Score classes.

    Args:
        gold: Class of each clip, int (clips,), from 0.
        predicted: Predicted class of each clip, int (clips,), or `NO_CLASS`.

    Raises:
        EmoError: The two differ in length, are empty, or a gold class is missing.
    """
    table = class_table(gold, predicted)
    total = table.n.sum()
    return ClassScores(
        waf=float(np.nansum(table.f1 * table.n) / total),
        acc=float(np.nansum(table.recall * table.n) / total),
        uar=mean(table.recall),
        macro_f1=mean(table.f1),
    )


def class_table(gold: np.ndarray, predicted: np.ndarray) -> ClassTable:
    """Return precision, recall and F1 of each class (see `class_scores` for arguments and errors)."""
    check_aligned(gold, predicted, "classes")
    if (gold < 0).any():
        rows = ", ".join(map(str, np.flatnonzero(gold < 0)[:10]))
        raise EmoError(f"gold rows without a class: {rows}", "classes", "give each clip a class of the label space")
    k = int(max(gold.max(), predicted.max())) + 1
    n = np.bincount(gold, minlength=k)
    named = np.bincount(predicted[predicted != NO_CLASS], minlength=k)
    hits = np.bincount(gold[gold == predicted], minlength=k)
    return ClassTable(
        precision=share(hits, named),
        recall=share(hits, n),
        f1=share(2 * hits, n + named),
        n=n,
        no_class=int((predicted == NO_CLASS).sum()),
    )
