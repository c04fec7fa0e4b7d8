"""Scores of explanations: named cues against true ones, matched one to one, with their times.

A named cue can match a true one of the same modality that says the same (`alike`) and overlaps it in time. Of all ways to pair them, one
with the most matches counts, so that a cue told twice matches once. `cue_scores` pools counts over clips: a true cue that was not named
costs recall, a named cue that is not true (hallucinated) costs precision.

`statement_scores` is the soft variant of EmoCue-360 (https://arxiv.org/abs/2602.05496) on similarities that the caller has: it has no
threshold, so that unrelated statements score what unrelated sentences have in common.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emollm.errors import EmoError
from emollm.metrics.action_units import action_unit, told_units
from emollm.metrics.aligned import check_aligned, share
from emollm.records import Cue

Same = Callable[[Cue, Cue], bool]
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class CueScores:
    """Scores of cues, 0..1; NaN when there is no cue at all."""

    f1: float
    precision: float
    recall: float


def alike(true: Cue, named: Cue) -> bool:
    """Tell whether two cues say the same: the same action unit, or at least two thirds of their words (Dice coefficient) in common."""
    if true.au is not None and named.au is not None:
        return action_unit(true.au) in told_units(named.au)
    first, second = (set(_WORD.findall(cue.text.casefold())) for cue in (true, named))
    return 3 * len(first & second) >= len(first) + len(second) > 0


def overlap(true: Cue, named: Cue) -> float:
    """Return intersection over union of two cues' times, 0..1; 0 when a time is missing, 1 for the same instant."""
    if true.start_s is None or true.end_s is None or named.start_s is None or named.end_s is None:
        return 0.0
    whole = max(true.end_s, named.end_s) - min(true.start_s, named.start_s)
    shared = min(true.end_s, named.end_s) - max(true.start_s, named.start_s)
    return max(shared, 0.0) / whole if whole else 1.0


def cue_counts(
    gold: Sequence[Sequence[Cue]], named: Sequence[Sequence[Cue]], *, same: Same = alike, min_overlap: float = 0.0
) -> np.ndarray:
    """Return matches, true cues and named cues of each clip, int (clips, 3).

    Args:
        gold: True cues of each clip.
        named: Named cues of each clip.
        same: Whether a true and a named cue of one modality say the same.
        min_overlap: Least intersection over union of their times; 0: times are not looked at.

    Raises:
        EmoError: The two differ in length or are empty, or a true cue's action unit is none.
    """
    check_aligned(gold, named, "cues")

    def fits(true: Cue, other: Cue) -> bool:
        in_time = min_overlap == 0 or overlap(true, other) >= min_overlap
        return true.modality == other.modality and in_time and same(true, other)

    counts = [
        (_matches([[fits(true, other) for other in others] for true in trues]), len(trues), len(others))
        for trues, others in zip(gold, named, strict=True)
    ]
    return np.array(counts, np.int64)


def cue_scores(counts: np.ndarray) -> CueScores:
    """Return the scores of `cue_counts`, pooled over clips."""
    matches, true, named = counts.sum(axis=0)
    return CueScores(float(share(2 * matches, true + named)), float(share(matches, named)), float(share(matches, true)))


def statement_scores(similarity: np.ndarray) -> CueScores:
    """Return the soft scores of one clip.

    Args:
        similarity: Similarity of each true and each named statement, 0..1, (true, named). Nothing named scores 0.

    Raises:
        EmoError: There is no true statement: such a clip has no score.
    """
    if not similarity.shape[0]:
        raise EmoError("no true statement", "statements", "leave the clip out, and say how many were left out")
    if not similarity.shape[1]:
        return CueScores(0.0, 0.0, 0.0)
    recall, precision = similarity.max(axis=1).mean(), similarity.max(axis=0).mean()
    return CueScores(float(share(2 * precision * recall, precision + recall, 0.0)), float(precision), float(recall))


def _matches(fits: list[list[bool]]) -> int:
    """Return the size of the largest one-to-one matching (Kuhn 1955: augmenting paths)."""
    partner: dict[int, int] = {}  # named cue -> true cue

    def place(row: int, tried: set[int]) -> bool:
        for column, fit in enumerate(fits[row]):
            if fit and column not in tried:
                tried.add(column)
                if column not in partner or place(partner[column], tried):
                    partner[column] = row
                    return True
        return False

    return sum(place(row, set()) for row in range(len(fits)))
