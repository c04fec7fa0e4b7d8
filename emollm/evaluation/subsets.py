"""The same number on parts of the clips: by language, gender and age as told, speaker, emotion, conflict, length, place in the dialogue.

A group is shown with its clips and interval; below `LEAST` clips it is counted and not scored. What no record says is "not measured".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from emollm.records import Record

LEAST = 20
Scored = Callable[[np.ndarray], tuple[float, float | None, float | None]]
_NO_CONFLICT = "no conflict told"
NOT_MEASURED = "not measured: no record tells it"


def subset_tables(records: Sequence[Record], score: Scored) -> dict[str, Any]:
    """Return `subsets` (name -> group -> n, value, low, high) and `worst_gap` (name -> best minus worst group).

    Args:
        records: The clips.
        score: Value and interval of some rows, (rows,) int.
    """
    tables: dict[str, Any] = {}
    gaps: dict[str, float] = {}
    for name, group_of in GROUPS.items():
        rows = defaultdict(list)
        for row, record in enumerate(records):
            if (group := group_of(record)) is not None:
                rows[group].append(row)
        if not rows or set(rows) == {_NO_CONFLICT}:
            tables[name] = NOT_MEASURED
            continue
        table: dict[str, dict[str, float | None]] = {}
        for group, mine in sorted(rows.items()):
            table[group] = {"n": len(mine), "value": None, "low": None, "high": None}
            if len(mine) >= LEAST:
                value, low, high = score(np.array(mine))
                table[group] |= {"value": value, "low": low, "high": high}
        values = [one["value"] for one in table.values() if one["value"] is not None and one["value"] == one["value"]]
        tables[name] = table
        if len(values) > 1:
            gaps[name] = max(values) - min(values)
    return {"subsets": tables, "worst_gap": gaps}


def _length(record: Record) -> str | None:
    spans = [record.time, record.media.video, record.media.audio]
    lengths = [one.end_s - (one.start_s or 0) for one in spans if one is not None and one.end_s is not None]
    if not lengths:
        return None
    return "under 2 s" if lengths[0] < 2 else "2 to 5 s" if lengths[0] < 5 else "5 s and more"


def _age(record: Record) -> str | None:
    """Return the band of years of who speaks, as told."""
    age = record.speaker.age if record.speaker else None
    bands = ((18, "under 18"), (40, "18 to 39"), (60, "40 to 59"))
    return None if age is None else next((name for end, name in bands if age < end), "60 and more")


def _turn(record: Record) -> str | None:
    """Return how many turns come before the clip, where it is part of a dialogue."""
    before = len(record.context)
    if not before:
        return None
    return "1 to 4 turns before" if before < 5 else "5 turns and more before"


def _conflict(record: Record) -> str:
    """Return whether the modalities are known to speak for different emotions."""
    return "conflict" if record.quality and "conflict" in record.quality.flags else _NO_CONFLICT


GROUPS: dict[str, Callable[[Record], str | None]] = {
    "language": lambda record: record.transcript.lang if record.transcript else None,
    "gender": lambda record: record.speaker.gender if record.speaker else None,
    "age": _age,
    "speaker": lambda record: record.subject_id or (record.speaker.id if record.speaker else None),
    "emotion": lambda record: record.targets.label.name if record.targets.label else None,
    "conflict": _conflict,
    "length": _length,
    "turn": _turn,
}
