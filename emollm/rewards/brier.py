"""Stated confidence, by the Brier score: the reward of RLCR (Damani et al. 2025, https://arxiv.org/abs/2507.16806).

With confidence c and i, how far the answer is right: i - (c - i)^2, and -1, the least there is, if the confidence is missing. Bounded and
proper: to be right and to know it earns 1.

Departure: i is the wheel F of the answer, 0..1, where the paper has right or wrong; the score stays proper for its mean.
"""

from __future__ import annotations

from typing import ClassVar

from emollm.emotions.maps import OWN
from emollm.rewards.log_score import NOT_ASKED
from emollm.rewards.rollout import Grade, Reward, Rollout
from emollm.rewards.sectors import NO_GOLD, sectors


class Brier(Reward):
    """Correctness minus squared error of the confidence, -1..1."""

    citation: ClassVar[str] = """@article{damani2025rlcr,
  title={Beyond Binary Rewards: Training LMs to Reason About Their Uncertainty},
  author={Damani, Mehul and others},
  journal={arXiv preprint arXiv:2507.16806}, year={2025}
}"""

    wheels: str = OWN
    """Version of the wheels."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        if "confidence" not in rollout.task.answer_keys:
            return NOT_ASKED
        wheels, sure = sectors(self.wheels), rollout.answer.confidence
        right = wheels.f(wheels.gold(rollout.record), wheels.named(rollout))
        if right is None:
            return NO_GOLD
        if sure is None:
            return Grade(-1.0, "no confidence")
        return Grade(right - (sure - right) ** 2, f"wheel F {right:.2f}, confidence {sure:.2f}")
