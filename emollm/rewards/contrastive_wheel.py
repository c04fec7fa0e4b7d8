"""Contrastive wheel: F against the clip's own labels minus the mean F against those of 64 other training clips.

F alone pays for naming what is common: eight frequent labels, named for every clip, outscore weak models. Here an answer earns what it says
about *this* clip beyond what it would say about any: over the training set every constant answer earns zero, a wrong one less. Ours; its
relatives are the contrastive lower bound on mutual information (Oord et al. 2018, https://arxiv.org/abs/1807.03748) and baselines from
shuffled labels. F is that of emollm/rewards/wheel.py (AffectGPT-R1, https://arxiv.org/abs/2508.01318).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from emollm.config_model import Count
from emollm.emotions.maps import OWN
from emollm.errors import EmoError
from emollm.records import Record
from emollm.rewards.circle import Circle
from emollm.rewards.rollout import Grade, Judge, Reward, Rollout
from emollm.rewards.sectors import NO_GOLD, Sectors, sectors


class ContrastiveWheel(Reward):
    """Contrastive wheel F, -1..1; 0 for an unreadable answer. It must `learn` before it grades."""

    citation: ClassVar[str] = """@article{oord2018cpc,
  title={Representation Learning with Contrastive Predictive Coding},
  author={van den Oord, Aaron and Li, Yazhe and Vinyals, Oriol},
  journal={arXiv preprint arXiv:1807.03748}, year={2018}
}"""

    wheels: str = OWN
    """Version of the wheels."""
    others: Count = 64
    """Number of other clips."""

    def learn(self, records: Sequence[Record]) -> Judge:
        """Return the reward with the gold labels of the training clips.

        Raises:
            EmoError: Fewer than two records have labels that the wheels know.
        """
        wheels = sectors(self.wheels)
        golds = {record.id: bits for record in records if (bits := wheels.gold(record))}
        if len(golds) < 2:
            fix = "give training records with labels, or use the reward `wheel`"
            raise EmoError(f"only {len(golds)} training clips have labels that wheels {self.wheels} know", fix=fix)
        return _Contrast(wheels, golds, self.others)

    def grade(self, rollout: Rollout) -> Grade:
        """Refuse: there is nothing to contrast with yet.

        Raises:
            EmoError: Always.
        """
        raise EmoError("has not seen the training records", "contrastive_wheel", "load it with load_rewards")


class _Contrast:
    """The reward after it has learned."""

    def __init__(self, wheels: Sectors, golds: dict[str, int], others: int) -> None:
        self.wheels = wheels
        self.circle = Circle(golds, others)
        self.golds = [golds[id_] for id_ in self.circle.ids]
        self.f = lru_cache(maxsize=1 << 17)(wheels.f)  # clips share few kinds of gold, and rollouts of answers

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Grade]:
        return [self.grade(rollout) for rollout in rollouts]

    def grade(self, rollout: Rollout) -> Grade:
        named = self.wheels.named(rollout)
        own = self.f(self.wheels.gold(rollout.record), named)
        if own is None:
            return NO_GOLD
        against = [self.f(self.golds[place], named) or 0.0 for place in self.circle.others(rollout.record.id)]
        usual = sum(against) / len(against)
        return Grade(own - usual, f"wheel F {own:.2f}, against other clips {usual:.2f}")
