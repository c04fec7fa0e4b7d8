"""Blended emotions: which are present, and how much each weighs (BLEMORE, Lachmann et al. 2026, https://arxiv.org/abs/2601.13225).

`acc_presence` asks for exactly the right emotions, of all clips. `acc_salience` asks, of the clips whose gold is a blend of two or more,
for the right emotions with the right weights, equal after rounding to whole percents (which is what the authors' code does; their README
speaks of the ranking).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emollm.metrics.aligned import check_aligned, mean

Blend = Mapping[str, float]
"""Emotion -> weight, 0..1; NaN where the weight is not known: the emotion is present, its salience is wrong."""


@dataclass(frozen=True)
class PresenceScores:
    """Shares of right clips, 0..1; `acc_salience` is NaN when no gold clip is a blend."""

    acc_presence: float
    acc_salience: float


def blend_hits(gold: Sequence[Blend], predicted: Sequence[Blend]) -> np.ndarray:
    """Return whether emotions and weights are right, float (clips, 2): 0 or 1; NaN in the second column where gold is no blend.

    Raises:
        EmoError: The two differ in length or are empty.
    """
    check_aligned(gold, predicted, "presence")
    rows = []
    for true, named in zip(gold, predicted, strict=True):
        present = true.keys() == named.keys()
        salient = present and all(np.rint(100 * true[name]) == np.rint(100 * named[name]) for name in true)
        rows.append((present, salient if len(true) > 1 else np.nan))
    return np.array(rows, np.float64)


def presence_scores(hits: np.ndarray) -> PresenceScores:
    """Return the accuracies from `blend_hits`."""
    return PresenceScores(mean(hits[:, 0]), mean(hits[:, 1]))
