"""Nearness of valence and arousal: 1 minus the distance of the labels' point from the clip's, in shares of the greatest one.

The point of the labels comes from signs alone (emollm/rewards/circumplex.py), so it is coarse; dominance is left out, as the lexicon has
none. An answer in the middle, such as neutral, is never far from anything: do not use it alone. Ours.
"""

from __future__ import annotations

import math

from emollm.gold import gold_point
from emollm.rewards.circumplex import point
from emollm.rewards.rollout import Grade, Reward, Rollout

_GREATEST = math.dist((-1, -1), (1, 1))


class VadDistance(Reward):
    """Nearness, 0..1; 0 when no named label has a place."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        gold, named = gold_point(rollout.record), point(rollout.answer.labels)
        if gold is None:
            return Grade(None, "no gold valence and arousal")
        if named is None:
            return Grade(0.0, "no label with a place")
        return Grade(1 - math.dist(gold, named) / _GREATEST, f"at {_shown(named)}, gold {_shown(gold)}")


def _shown(place: tuple[float, float]) -> str:
    return f"({place[0]:+.1f}, {place[1]:+.1f})"
