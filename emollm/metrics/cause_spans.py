"""Words that brought an emotion about: spans of tokens in the turns of a dialogue (SemEval-2024 task 3, subtask 1).

A span is (emotion utterance, cause utterance, emotion, first token, token after the last). Two scores, as the task defines them
(Wang et al. 2024, https://aclanthology.org/2024.semeval-1.277; details by its scorer, https://github.com/NUSTM/SemEval-2024_ECAC):

- strict: a named span is right when all five are.
- proportional: tokens count that a named span shares with a true one of the same utterances and emotion, the one of which it covers the
  largest share. Precision is over the tokens of named spans; recall over those of true ones, once for each named span matched with it.

`weighted_*` is the mean of each emotion's F1 weighted by its true spans; the task ranks by the strict one.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from emollm.metrics.aligned import check_aligned, share

Span = tuple[str, str, str, int, int]


@dataclass(frozen=True)
class SpanScores:
    """Scores of cause spans, 0..1; NaN when there is no span at all."""

    weighted_strict_f1: float
    strict_f1: float
    strict_precision: float
    strict_recall: float
    weighted_proportional_f1: float
    proportional_f1: float
    proportional_precision: float
    proportional_recall: float


def span_counts(gold: Sequence[Set[Span]], predicted: Sequence[Set[Span]]) -> np.ndarray:
    """Return hits, true and named spans, shared, true and named tokens of each emotion in each clip, int (clips, emotions, 6).

    Raises:
        EmoError: The two differ in length or are empty.
    """
    check_aligned(gold, predicted, "cause spans")
    emotions = sorted({span[2] for side in (gold, predicted) for spans in side for span in spans})
    counts = np.zeros((len(gold), len(emotions), 6), np.int64)
    for row, (true, named) in enumerate(zip(gold, predicted, strict=True)):
        for column, emotion in enumerate(emotions):
            counts[row, column] = _count(*({span for span in side if span[2] == emotion} for side in (true, named)))
    return counts


def span_scores(counts: np.ndarray) -> SpanScores:
    """Return the scores of `span_counts`."""
    by_emotion = counts.sum(axis=0)  # (emotions, 6)
    spans, tokens = by_emotion[:, :3], by_emotion[:, 3:]
    (weighted, f1, precision, recall), (by_token, *shared) = (_scores(one, spans[:, 1]) for one in (spans, tokens))
    return SpanScores(weighted, f1, precision, recall, by_token, *shared)


def _scores(table: np.ndarray, weights: np.ndarray) -> tuple[float, float, float, float]:
    """Return weighted F1, F1, precision and recall of right, true and named ones, (emotions, 3)."""
    right, true, named = table.T
    each = share(2 * right, true + named, 0.0)  # (emotions,)
    whole = share(2 * right.sum(), true.sum() + named.sum())
    precision, recall = share(right.sum(), named.sum()), share(right.sum(), true.sum())
    return float(share((each * weights).sum(), weights.sum())), float(whole), float(precision), float(recall)


def _count(true: Set[Span], named: Set[Span]) -> tuple[int, int, int, int, int, int]:
    """Return what `span_counts` holds of one emotion in one clip."""
    matches = [best for span in named if (best := _best(span, true)) is not None]
    missed = true - {span for _, span in matches}
    true_tokens = sum(map(_length, [*(span for _, span in matches), *missed]))
    shared = sum(tokens for tokens, _ in matches)
    return len(true & named), len(true), len(named), shared, true_tokens, sum(map(_length, named))


def _best(span: Span, true: Set[Span]) -> tuple[int, Span] | None:
    """Return how many tokens a named span shares with the true span of which it covers the largest share, and that span."""
    shared = [(min(one[4], span[4]) - max(one[3], span[3]), one) for one in true if one[:3] == span[:3]]
    return max(
        (pair for pair in shared if pair[0] > 0), key=lambda pair: (pair[0] / _length(pair[1]), pair[0]), default=None
    )


def _length(span: Span) -> int:
    return span[4] - span[3]
