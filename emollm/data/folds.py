"""Cross-validation as data sets ship it: a train and a test list for each fold, and each clip in the test part of one fold."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from emollm.data.files import Files
from emollm.data.tables import Line
from emollm.errors import EmoError

Key = TypeVar("Key", bound=Hashable)


def folds_of_clips(
    root: Files, rows: Callable[[str, int], Iterable[Line]], key: Callable[[Line], Key], n: int = 5
) -> dict[Key, tuple[int, Line]]:
    """Return, by clip, the fold whose test part holds it, and its row there.

    A clip in two test parts is refused; train lists that are not all the other clips are a problem of the kind `other folds`.

    Args:
        root: The copy.
        rows: Gives the rows of a part (`train`, `test`) of a fold, counted from 1.
        key: The clip of a row.
        n: Number of folds.
    """
    found: dict[Key, tuple[int, Line]] = {}
    for fold in range(1, n + 1):
        for line in rows("test", fold):
            its, before = found.setdefault(key(line), (fold, line))
            if before is not line:
                root.bad(EmoError(f"{key(line)} is in test part {its}, too", line.where, "copy the lists again"))
    for fold in range(1, n + 1):
        train = {key(line) for line in rows("train", fold)}
        if other := train ^ {clip for clip, (its, _) in found.items() if its != fold}:
            some = ", ".join(sorted(map(str, other))[:5])
            error = EmoError(f"{len(other)} clips are in no part of it, or in both: {some}", f"fold {fold}")
            root.problems.add("other folds", error)
    return found
