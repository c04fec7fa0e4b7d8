"""Alignment: whether the reasoning and the answer name the same emotions (AffectGPT-R1, https://arxiv.org/abs/2508.01318).

The mean over the wheels of intersection over union of both sets of sectors; whether either is right is another reward's business.

Departure: the paper has a language model extract the labels of the reasoning; here the lexicon finds them (emollm/rewards/reasoning.py).
Published re-implementations differ in the measure (a threshold on F, or the one used here).
"""

from __future__ import annotations

from typing import ClassVar

from emollm.emotions.maps import OWN
from emollm.rewards.length import Length
from emollm.rewards.reasoning import NOT_ASKED, reasoned_labels
from emollm.rewards.rollout import Grade, Reward, Rollout
from emollm.rewards.sectors import sectors


class Alignment(Reward):
    """Agreement of reasoning and answer, 0..1; 0 when either names no emotion."""

    citation: ClassVar[str] = Length.citation

    wheels: str = OWN
    """Version of the wheels."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        if not rollout.asks_reasoning:
            return NOT_ASKED
        reasoned, named = reasoned_labels(rollout), rollout.answer.labels
        if not reasoned or not named:
            return Grade(0.0, "no emotion in the " + ("answer" if reasoned else "reasoning"))
        wheels = sectors(self.wheels)
        value = wheels.jaccard(wheels.of(reasoned), wheels.of(named)) or 0.0
        return Grade(value, f"the reasoning says {', '.join(reasoned)}")
