"""Concordance of valence and arousal over the batch, each completion by its share of it.

The concordance correlation (Lin 1989, https://doi.org/10.2307/2532051) is 1 - mean((x - y)^2) / (var x + var y + (mean x - mean y)^2); a
completion earns 1 - (x - y)^2 / (the same), so that the mean over the batch is the CCC. Valence and arousal count alike. An answer that
is the same for every clip has a CCC of 0.

The labels' point x comes from signs alone (emollm/rewards/circumplex.py); labels without a place stand at 0. It needs many clips a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from emollm.gold import gold_point
from emollm.metrics.aligned import share
from emollm.rewards.circumplex import point
from emollm.rewards.rollout import Grade, Reward, Rollout


class VadCcc(Reward):
    """Share of the batch's CCC, at most 1."""

    citation: ClassVar[str] = """@article{lin1989concordance,
  title={A Concordance Correlation Coefficient to Evaluate Reproducibility},
  author={Lin, Lawrence I-Kuei},
  journal={Biometrics}, volume={45}, number={1}, pages={255--268}, year={1989}
}"""

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Grade]:
        """Grade a batch; completions on records without valence and arousal take no part."""
        grades = [Grade(None, "no gold valence and arousal")] * len(rollouts)
        golds = {row: gold for row, rollout in enumerate(rollouts) if (gold := gold_point(rollout.record))}
        if golds:
            true = np.array([*golds.values()])  # (clips, 2)
            named = np.array([point(rollouts[row].answer.labels) or (0.0, 0.0) for row in golds])
            spread = true.var(axis=0) + named.var(axis=0) + (true.mean(axis=0) - named.mean(axis=0)) ** 2  # (2,)
            values = 1 - share((true - named) ** 2, spread, empty=0.0).mean(axis=1)  # (clips,)
            for row, value in zip(golds, values, strict=True):
                grades[row] = Grade(float(value), "share of the batch's CCC")
        return grades

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion as a batch of its own."""
        return self([rollout])[0]
