"""What rewards of stated confidence share: when they apply, and how far an answer is right (its wheel F, 0..1)."""

from __future__ import annotations

from abc import abstractmethod

from emollm.emotions.maps import OWN
from emollm.rewards.rollout import Grade, Reward, Rollout
from emollm.rewards.sectors import NO_GOLD, sectors

NOT_ASKED = Grade(None, "the task asks for no confidence")


class StatedConfidence(Reward):
    """A score of the confidence that an answer states, given how far it is right."""

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
        value = self.score(right, sure)
        return Grade(value, f"wheel F {right:.2f}, confidence {'not told' if sure is None else f'{sure:.2f}'}")

    @abstractmethod
    def score(self, right: float, sure: float | None) -> float:
        """Return the reward of a confidence (None: there is none) in an answer that is `right`, 0..1."""
