"""Soft penalty for overlong completions, as in DAPO (Yu et al. 2025, https://arxiv.org/abs/2503.14476).

0 up to `most` - `grace` tokens, then falling in a straight line to -1 at `most`, and -1 beyond or when the completion was cut off.
"""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import model_validator

from emollm.config_model import Count
from emollm.rewards.rollout import Grade, Reward, Rollout


class Overlong(Reward):
    """Penalty for length, -1..0."""

    citation: ClassVar[str] = """@article{yu2025dapo,
  title={DAPO: An Open-Source LLM Reinforcement Learning System at Scale},
  author={Yu, Qiying and others},
  journal={arXiv preprint arXiv:2503.14476}, year={2025}
}"""

    most: Count
    """Tokens of a completion that earns -1."""
    grace: Count
    """Tokens over which the penalty grows."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.grace > self.most:
            raise ValueError(f"`grace` {self.grace} is more than `most` {self.most}")
        return self

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        over = (rollout.tokens - self.most + self.grace) / self.grace
        value = -1.0 if rollout.truncated else -min(max(over, 0.0), 1.0)
        return Grade(value, f"{rollout.tokens} tokens" + (", cut off" if rollout.truncated else ""))
