"""Penalty for labels that name no emotion: minus their share.

The published wheel score drops words without a sector, so that they cost nothing. To charge every such word would be wrong, too: of real
gold lists, every third holds a word that the wheels merely lack. Only what surely is no emotion is charged: ordinary words and no words
(kinds of emollm/emotions/lexicon.py). An unknown word that could be one is not, nor is any that training clips have as a label. Ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import PrivateAttr

from emollm.emotions.lexicon import read_word, split_labels
from emollm.gold import gold_labels
from emollm.records import Record
from emollm.rewards.rollout import Grade, Judge, Reward, Rollout


class EmotionWords(Reward):
    """Penalty for labels that name no emotion, -1..0; -1 for an unreadable answer."""

    _known: frozenset[str] = PrivateAttr(frozenset())

    def learn(self, records: Sequence[Record]) -> Judge:
        """Return the reward with the labels of the training clips."""
        taught = self.model_copy()
        taught._known = frozenset(label.casefold() for r in records for label in split_labels(gold_labels(r)))
        return taught

    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
        if not rollout.readable:
            return Grade(-1.0, "no answer to read")
        labels = split_labels(rollout.answer.labels)
        none = [label for label in labels if self._is_none(label)]
        why = f"no emotion: {', '.join(none[:3])}" if none else "all could be emotions"
        return Grade(-len(none) / max(len(labels), 1), why)

    def _is_none(self, label: str) -> bool:
        return label.casefold() not in self._known and read_word(label).kind in ("not_emotion", "no_word")
