"""Cue grounding: F1 of the named cues against the cues that are truly there, modality by modality and, if asked, in time.

A named cue is right when it matches any true cue of the record; the share of the cues that speak for the clip's labels which were named
makes recall. A cue that is made up costs precision, a cue told twice counts once. Ours: made for records with known cues (synthetic clips,
or annotated ones). Cues are matched one to one as in emollm/metrics/explanation.py, but their words must be the same up to one, so that
"voice is low" is not "voice is loud".
"""

from __future__ import annotations

import re
from functools import lru_cache

from emollm.config_model import Share
from emollm.gold import gold_cues
from emollm.metrics.explanation import cue_counts
from emollm.records import Cue
from emollm.rewards.rollout import Grade, Reward, Rollout

_WORD = re.compile(r"\w+")
_FILLER = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "at",
        "be",
        "her",
        "his",
        "in",
        "is",
        "its",
        "of",
        "on",
        "the",
        "their",
        "to",
        "was",
        "with",
    ]
)


class CueGrounding(Reward):
    """F1 of the cues, 0..1."""

    min_overlap: Share = 0.0
    """Least intersection over union of the times of a named and a true cue; 0: times are not looked at."""

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        if "cues" not in rollout.task.answer_keys:
            return Grade(None, "the task asks for no cues")
        supporting, true = gold_cues(rollout.record), rollout.record.targets.cues
        if not supporting or not true:
            return Grade(None, "no gold cues")
        named = rollout.answer.cues
        right, wanted = (
            int(cue_counts([cues], [named], same=same_cue, min_overlap=self.min_overlap)[0, 0])
            for cues in (true, supporting)
        )
        value = _f1(right / max(len(named), 1), wanted / len(supporting))
        return Grade(value, f"{right} of {len(named)} cues are there, {wanted} of {len(supporting)} wanted ones named")


def same_cue(true: Cue, named: Cue) -> bool:
    """Tell whether two cues share all words that carry meaning, but for at most one more in either."""
    one, other = _words(true.text), _words(named.text)
    shared = one & other
    return bool(shared) and min(len(one), len(other)) == len(shared) and len(one | other) - len(shared) <= 1


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@lru_cache(maxsize=65536)
def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold())) - _FILLER
