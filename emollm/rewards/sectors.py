"""Label lists as sets of wheel sectors, and their per-sample F: what the wheel rewards have in common.

As in the published score (emollm/metrics/wheel.py), at level 1, with two departures. Neutral is a class of its own on every wheel: the
published maps have no sector for it, so that a neutral clip could not be answered rightly. And an empty list is a class of its own: it
says that the clip shows too little, and is right where gold is empty, too.
"""

from __future__ import annotations

from functools import lru_cache

from emollm.emotions.lexicon import read_word
from emollm.emotions.maps import Maps, load_maps
from emollm.gold import gold_labels
from emollm.records import Record
from emollm.rewards.rollout import Grade, Rollout

NO_GOLD = Grade(None, "no gold label that the wheels know")


class Sectors:
    """Level 1 of all wheels of some maps, as bits of plain integers.

    Attributes:
        maps: The maps.
        masks: Bits of each wheel, those of neutral and of nothing among them.
        of: The sectors of a label list (a tuple); 0 when no wheel knows any of its words.
    """

    def __init__(self, maps: Maps) -> None:
        self.maps = maps
        self._values, masks = maps.level1
        width = sum(mask.bit_count() for mask in masks)
        self._neutral = [1 << width + 2 * i for i in range(len(masks))]
        self.masks = [mask | neutral | neutral << 1 for mask, neutral in zip(masks, self._neutral, strict=True)]
        self._nothing = sum(neutral << 1 for neutral in self._neutral)
        self.of = lru_cache(maxsize=1 << 16)(self._of)

    def named(self, rollout: Rollout) -> int:
        """Return the sectors of an answer; 0 when there is none in the text."""
        return self.of(rollout.answer.labels) if rollout.readable else 0

    def gold(self, record: Record) -> int:
        """Return the sectors of a record's labels; 0 when it has none or no wheel knows them."""
        labels = gold_labels(record)
        return 0 if labels is None else self.of(labels)

    def f(self, gold: int, named: int) -> float | None:
        """Return the mean over the wheels that have a gold sector of the F of both sets; None when no wheel has one."""
        total, wheels = 0.0, 0
        for mask in self.masks:
            if size := (gold & mask).bit_count():
                wheels += 1
                total += 2 * (gold & named & mask).bit_count() / (size + (named & mask).bit_count())
        return total / wheels if wheels else None

    def jaccard(self, one: int, other: int) -> float | None:
        """Return the mean over the wheels that have a sector of either of intersection over union; None when no wheel has one."""
        shares = [
            (one & other & mask).bit_count() / size
            for mask in self.masks
            if (size := ((one | other) & mask).bit_count())
        ]
        return sum(shares) / len(shares) if shares else None

    def _of(self, labels: tuple[str, ...]) -> int:
        words = self.maps.labels(labels)
        bits = 0 if words else self._nothing
        for word in words:
            bits |= self._of_word(word)
        return bits

    def _of_word(self, word: str) -> int:
        row = self.maps.words.get(word)
        bits = 0 if row is None else self._values[row]
        if read_word(word).concept == "neutral":
            bits |= sum(one for one, mask in zip(self._neutral, self.masks, strict=True) if not bits & mask)
        return bits


@lru_cache(maxsize=8)
def sectors(wheels: str) -> Sectors:
    """Return the sectors of the wheels of a version.

    Raises:
        EmoError: There are none of this name.
    """
    return Sectors(load_maps(wheels))
