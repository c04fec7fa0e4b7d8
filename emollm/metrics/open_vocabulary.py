"""Scores of open-vocabulary labels: sets of words, compared after a mapping to groups of synonyms.

`set_scores` is the sample-averaged precision and recall of OV-MER (Lian et al. 2024, https://arxiv.org/abs/2410.01495), over one mapping:
words become groups, each sample's gold and predicted groups are compared as sets, and F is the harmonic mean of the two means.
It does not know any emotion wheel; the caller brings the mapping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emollm.errors import EmoError


@dataclass(frozen=True)
class SetScores:
    """Corpus scores; `label_count` is the mean number of predicted groups, `unmapped` the share of predicted words without a group."""

    f: float
    precision: float
    recall: float
    n: int
    label_count: float
    unmapped: float


def groups(words: Sequence[str], mapping: Mapping[str, str]) -> frozenset[str]:
    """Return the groups of words; an unmapped word is a group of its own, so that it counts as a false positive."""
    cleaned = (word.strip().lower() for word in words)
    return frozenset(mapping.get(word, f"?{word}") for word in cleaned if word)


def set_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], mapping: Mapping[str, str]
) -> SetScores:
    """Score predicted words against gold words.

    Samples without gold are skipped; an empty prediction scores 0 for its sample.

    Args:
        gold: Gold words of each sample.
        predicted: Predicted words of each sample, in the same order.
        mapping: Word (lower case) -> group.

    Raises:
        EmoError: The two lists differ in length, or a gold word has no group.
    """
    if len(gold) != len(predicted):
        raise EmoError(
            f"{len(gold)} gold rows but {len(predicted)} predicted rows",
            "set_scores",
            "give one prediction for each sample",
        )
    unknown = sorted({word for words in gold for word in words if word.strip().lower() not in mapping})
    if unknown:
        raise EmoError(
            f"gold words without a group: {unknown[:5]}",
            "set_scores",
            "use the mapping that belongs to the gold labels",
        )
    pairs = [(groups(g, mapping), groups(p, mapping)) for g, p in zip(gold, predicted, strict=True) if g]
    n = len(pairs)
    precision = sum(len(g & p) / len(p) for g, p in pairs if p) / max(n, 1)
    recall = sum(len(g & p) / len(g) for g, p in pairs) / max(n, 1)
    written = [word.strip().lower() for g, words in zip(gold, predicted, strict=True) if g for word in words]
    return SetScores(
        f=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        precision=precision,
        recall=recall,
        n=n,
        label_count=sum(len(p) for _, p in pairs) / max(n, 1),
        unmapped=sum(word not in mapping for word in written) / max(len(written), 1),
    )
