"""Values as annotation files write them: clock times, votes, lists of words."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from emollm.errors import EmoError
from emollm.records import Distribution


def clock_s(text: str) -> float:
    """Return the seconds of a clock time such as `00:16:16,059`, `0:13:42,477` or `16:16.059`.

    Raises:
        EmoError: It is no clock time.
    """
    found = re.fullmatch(r"\s*(?:(\d{1,2}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d+)?)\s*", text)
    if not found:
        raise EmoError(f"no clock time: {text[:40]!r}", fix="hours:minutes:seconds,milliseconds")
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))


def votes(space: str, counts: Mapping[str, float], modality: str | None = None) -> Distribution | None:
    """Return raters' votes as a soft label, all labels with a vote kept; None without any vote.

    Raises:
        EmoError: A count is negative.
    """
    if any(count < 0 for count in counts.values()):
        raise EmoError(f"negative votes: {dict(counts)}", fix="counts of raters")
    total = sum(counts.values())
    if not total:
        return None
    shares = {label: count / total for label, count in counts.items() if count}
    whole = int(total) if float(total).is_integer() else None
    return Distribution(space=space, kind="votes", probs=shares, modality=modality, n=whole)


def words(cell: str) -> tuple[str, ...]:
    """Return the labels of a list written as text: `['calm', "it's fine"]`, or words with commas between; doubles fall out."""
    cell = cell.strip()
    try:
        value = ast.literal_eval(cell) if cell.startswith("[") else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        value = None
    parts = (
        [str(item) for item in value] if isinstance(value, list) else re.split(r"['\",\uff0c\u3001]", cell.strip("[]"))
    )
    return tuple(dict.fromkeys(word for part in parts if (word := part.strip().lower())))
