"""Sign of the valence: 1 if the named labels lie on the clip's side, -1 on the other, 0 if they do not say.

It abstains where gold has no sign (neutral, surprise) or both (blends): to pay for a sign there would teach one. A list of both signs
earns 0, so that hedging gains nothing. Signs are those of the lexicon, after Russell (1980, https://doi.org/10.1037/h0077714). Ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from emollm.gold import gold_labels
from emollm.rewards.circumplex import signs
from emollm.rewards.rollout import Grade, Reward, Rollout


class Valence(Reward):
    """Sign of the valence, -1, 0 or 1."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        gold = _sign(gold_labels(rollout.record) or ())
        if not gold:
            return Grade(None, "the valence of gold has no one sign")
        named = _sign(rollout.answer.labels)
        return Grade(float(gold * named), f"valence {named:+d}, gold {gold:+d}")


def _sign(labels: Sequence[str]) -> int:
    """Return the one sign that labels have besides 0; 0 when there is none, or both."""
    found = {valence for valence, _ in signs(labels)} - {0}
    return found.pop() if len(found) == 1 else 0
