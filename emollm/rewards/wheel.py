"""Per-sample F over the emotion wheels: the accuracy reward of AffectGPT-R1 (Lian et al. 2025, https://arxiv.org/abs/2508.01318).

The mean over the wheels of the level-1 F of the named labels against the clip's, times one of the paper's length penalties if asked. Alone
it can be gamed: the commonest labels, named for every clip, earn nearly what a fair model does (benchmarks/experiments/cheating.py).

Departures: neutral and the empty list are classes of their own (emollm/rewards/sectors.py); wheels are ours unless others are imported.
"""

from __future__ import annotations

from typing import ClassVar

from emollm.emotions.maps import OWN
from emollm.gold import gold_labels
from emollm.rewards.length import Length, Penalty, factor
from emollm.rewards.rollout import Grade, Reward, Rollout
from emollm.rewards.sectors import NO_GOLD, sectors


class Wheel(Reward):
    """Wheel F, 0..1; 0 for an unreadable answer."""

    citation: ClassVar[str] = Length.citation

    wheels: str = OWN
    """Version of the wheels."""
    length: Penalty | None = None
    """Length penalty that the F is multiplied with."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        wheels = sectors(self.wheels)
        f = wheels.f(wheels.gold(rollout.record), wheels.named(rollout))
        if f is None:
            return NO_GOLD
        if self.length is None:
            return Grade(f, f"wheel F {f:.2f}")
        times = factor(self.length, len(rollout.answer.labels), len(gold_labels(rollout.record) or ()))
        return Grade(f * times, f"wheel F {f:.2f} x {times:.2f} for length")
