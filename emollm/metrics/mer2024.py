"""The set metric of the open-vocabulary track of MER2024 (Lian et al. 2024, https://arxiv.org/abs/2404.17113), with a given grouping.

The challenge let GPT-3.5 gather the labels of each sample into lists of the same meaning. Those lists are an input here: whoever makes
them, the arithmetic is the challenge's. Labels outside every list stand for themselves, so that an unknown word costs precision, unlike
on the wheels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emollm.emotions.labels import Answer, mer2024_labels
from emollm.errors import EmoError


@dataclass(frozen=True)
class Mer2024Score:
    """`value` is the mean of precision ("accuracy" in the challenge) and recall; there is no F. `n` samples have gold labels."""

    value: float
    precision: float
    recall: float
    n: int
    label_count: float


def mer2024_score(
    gold: Sequence[Answer], predicted: Sequence[Answer], groups: Sequence[Sequence[Sequence[str]]]
) -> Mer2024Score:
    """Score predicted label lists against gold ones.

    Args:
        gold: Gold answers; samples without a label are skipped.
        predicted: Predicted answers, in the same order.
        groups: For each sample, lists of labels that mean the same; the first of a list stands for all of it.

    Raises:
        EmoError: The lengths differ, an answer is no label list, or no sample has gold labels.
    """
    if not len(gold) == len(predicted) == len(groups):
        what = f"{len(gold)} gold rows, {len(predicted)} predicted rows, {len(groups)} groupings"
        raise EmoError(what, "mer2024", "give one of each for every sample, in the same order")
    precision = recall = labels = n = 0.0
    for answer, guess, lists in zip(gold, predicted, groups, strict=True):
        first = {word.strip().lower(): same[0].strip().lower() for same in reversed(lists) for word in same}
        truth = {first.get(word, word) for word in mer2024_labels(answer)}
        written = mer2024_labels(guess)
        found = {first.get(word, word) for word in written}
        if truth:
            n += 1
            labels += len(written)
            precision += len(truth & found) / max(len(found), 1)
            recall += len(truth & found) / len(truth)
    if not n:
        raise EmoError("no sample has gold labels", "mer2024", "check the column of the labels")
    p, r = precision / n, recall / n
    return Mer2024Score((p + r) / 2, p, r, int(n), labels / n)
