"""Stated confidence, by the Brier score: the reward of RLCR (Damani et al. 2025, https://arxiv.org/abs/2507.16806).

With confidence c and i, how far the answer is right: i - (c - i)^2, and -1, the least there is, if the confidence is missing. Bounded and
proper: to be right and to know it earns 1.

Departure: i is the wheel F of the answer, 0..1, where the paper has right or wrong; the score stays proper for its mean.
"""

from __future__ import annotations

from typing import ClassVar

from emollm.rewards.confidence import StatedConfidence


class Brier(StatedConfidence):
    """Correctness minus squared error of the confidence, -1..1."""

    citation: ClassVar[str] = """@article{damani2025rlcr,
  title={Beyond Binary Rewards: Training LMs to Reason About Their Uncertainty},
  author={Damani, Mehul and others},
  journal={arXiv preprint arXiv:2507.16806}, year={2025}
}"""

    def score(self, right: float, sure: float | None) -> float:
        """Return the reward; the least there is without a confidence."""
        return -1.0 if sure is None else right - (sure - right) ** 2
