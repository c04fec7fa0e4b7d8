"""Two runs over the same clips: which answers differ, and how far apart their labels are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emollm.batch import companions
from emollm.jsonl import read_rows
from emollm.metrics.agreement import masi
from emollm.records import Prediction

Question = tuple[str, str]


@dataclass
class RunDiff:
    """How two runs differ.

    Attributes:
        both: Questions (clip and task) that both answered.
        only: Questions that only the first, or only the second has.
        status: (then, now) of answers whose status changed -> questions.
        moved: (label that went, label that came) -> answers, where exactly one went and one came.
        differing: Questions whose status or set of labels differs.
        masi: Mean MASI distance of the label sets where both have an answer; NaN: there are none.
    """

    both: int = 0
    only: tuple[int, int] = (0, 0)
    status: Counter[tuple[str, str]] = field(default_factory=Counter)
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    differing: list[Question] = field(default_factory=list)
    masi: float = float("nan")


def diff(first: Path, second: Path) -> RunDiff:
    """Compare two runs.

    Args:
        first: Predictions (JSONL); their error rows beside them are read, too.
        second: Of the other run.

    Raises:
        EmoError: A file cannot be read.
    """
    before = dict(_answers(first))
    found, sizes, missing = RunDiff(), [], 0
    for question, (status, labels) in _answers(second):
        if question not in before:
            missing += 1
            continue
        old_status, old = before.pop(question)
        found.both += 1
        if status != old_status:
            found.status[old_status, status] += 1
        elif status == "ok":
            sizes.append((len(old & labels), len(old), len(labels)))
        if len(gone := old - labels) == len(new := labels - old) == 1:
            found.moved[next(iter(gone)), next(iter(new))] += 1
        if (status, labels) != (old_status, old):
            found.differing.append(question)
    found.only = (len(before), missing)
    if sizes:
        found.masi = float(masi(*np.array(sizes).T).mean())
    return found


def _answers(run: Path) -> Iterator[tuple[Question, tuple[str, frozenset[str]]]]:
    """Yield question -> status and labels."""
    bad = companions(run)[0]
    for file in (run, bad) if bad.is_file() else (run,):
        for row in read_rows(file, Prediction):
            yield (row.id, row.task), (row.status, frozenset(label.text for label in row.labels))
