"""Which other clips an answer is compared with by the contrastive wheel: the next ones on a circle of all training clips.

Every clip is then "another one" equally often, so that over the training set an answer that is the same for every clip earns exactly as
much by the others as by the clip itself: nothing, after subtraction. A random draw would leave a remainder that can be learned.
"""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Iterable


class Circle:
    """Clips in the order of the hashes of their ids, which is neither that of the file nor of the classes.

    Args:
        ids: Ids of the clips.
        reach: How many clips are compared with; all others, when there are fewer.
    """

    def __init__(self, ids: Iterable[str], reach: int) -> None:
        self.ids = sorted(ids, key=_hash)
        self._hashes = [_hash(id_) for id_ in self.ids]
        self._members = frozenset(self.ids)
        self._reach = reach

    def others(self, id_: str) -> list[int]:
        """Return the places in `ids` of the clips after this one; a clip that is not on the circle stands where its hash would."""
        size = len(self.ids)
        after = bisect(self._hashes, _hash(id_))
        return [(after + step) % size for step in range(min(self._reach, size - (id_ in self._members)))]


def _hash(id_: str) -> str:
    return hashlib.sha256(id_.encode()).hexdigest()
