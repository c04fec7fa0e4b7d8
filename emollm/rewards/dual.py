"""Dual: wheel F of the emotions that the reasoning names (AffectGPT-R1, https://arxiv.org/abs/2508.01318).

The answer's own labels earn it nothing; what leads to them does. Departure: see emollm/rewards/alignment.py.
"""

from __future__ import annotations

from typing import ClassVar

from emollm.emotions.maps import OWN
from emollm.gold import gold_labels
from emollm.rewards.length import Length, Penalty, factor
from emollm.rewards.reasoning import NOT_ASKED, reasoned_labels
from emollm.rewards.rollout import Grade, Reward, Rollout
from emollm.rewards.sectors import NO_GOLD, sectors


class Dual(Reward):
    """Wheel F of the reasoning, 0..1; 0 when it names no emotion."""

    citation: ClassVar[str] = Length.citation

    wheels: str = OWN
    """Version of the wheels."""
    length: Penalty | None = None
    """Length penalty that the F is multiplied with."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        if not rollout.asks_reasoning:
            return NOT_ASKED
        wheels, reasoned = sectors(self.wheels), reasoned_labels(rollout)
        f = wheels.f(wheels.gold(rollout.record), wheels.of(reasoned) if reasoned else 0)
        if f is None:
            return NO_GOLD
        times = (
            1.0 if self.length is None else factor(self.length, len(reasoned), len(gold_labels(rollout.record) or ()))
        )
        return Grade(f * times, f"the reasoning says {', '.join(reasoned) or 'no emotion'}")
