"""Penalties for naming more labels than the clip has: P1, P2 and P3 of AffectGPT-R1 (https://arxiv.org/abs/2508.01318).

With o labels named and y in gold, o > y:  P1 = 1 / (o - y + 1),  P2 = y / o,  P3 = log y / log o;  otherwise 1. The paper multiplies the
wheel F with it (option `length` of the rewards `wheel` and `dual`). Alone, as here, it is the factor minus one, so that it can be added to
rewards below zero, which a factor would shrink.

Departure: with one gold label P3 would be 0 whatever is named; there, log 2 / log(o + 1) stands in. With none, y counts as 1.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from emollm.gold import gold_labels
from emollm.rewards.rollout import Grade, Reward, Rollout

Penalty = Literal["p1", "p2", "p3"]


def factor(penalty: Penalty, named: int, gold: int) -> float:
    """Return the factor, above 0 and at most 1."""
    gold = max(gold, 1)
    if named <= gold:
        return 1.0
    if penalty == "p1":
        return 1 / (named - gold + 1)
    if penalty == "p2":
        return gold / named
    return math.log(gold) / math.log(named) if gold > 1 else math.log(2) / math.log(named + 1)


class Length(Reward):
    """Length penalty, -1..0."""

    citation: ClassVar[str] = """@article{lian2025affectgptr1,
  title={AffectGPT-R1: Leveraging Reinforcement Learning for Open-Vocabulary Multimodal Emotion Recognition},
  author={Lian, Zheng and others},
  journal={arXiv preprint arXiv:2508.01318}, year={2025}
}"""

    penalty: Penalty = "p2"
    """Which of the three."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        gold = gold_labels(rollout.record)
        if gold is None:
            return Grade(None, "no gold labels")
        named = len(rollout.answer.labels)
        return Grade(factor(self.penalty, named, len(gold)) - 1, f"{named} labels, {len(gold)} in gold")
