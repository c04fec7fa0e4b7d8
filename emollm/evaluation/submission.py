"""The files that the MER challenges take: one row a candidate, in the order of the candidates.

| track | columns | a cell |
|---|---|---|
| `class` | `name`, `discrete` | one of six emotions |
| `open` | `name`, `openset` (`.npz`: `filenames`, `fileitems`) | `['worried', 'sad']` |
| `preference` | `name`, `a1`, `a2`, `preference` | `a1`, `a2` or `same` |

Columns are those of the challenges' own training files (https://github.com/zeroQiaoba/MERTools); look at the call of your edition, too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emollm.errors import ConfigError, EmoError, collect
from emollm.evaluation.extraction import Outputs
from emollm.evaluation.questions import FIRST, SAME, SECOND
from emollm.paths import whole_file
from emollm.records import Prediction, Record

EMOTIONS = ("neutral", "angry", "happy", "sad", "worried", "surprise")
_CHOSEN = {FIRST: "a1", SECOND: "a2", SAME: "same"}
_SHOWN = 10


def write_submission(path: Path, outputs: Outputs, candidates: Sequence[Record], track: str) -> int:
    """Write a track's file and return the number of its rows.

    Args:
        path: `.csv`; for `open` also `.npz`.
        outputs: Answers, by the candidates' id or native id.
        candidates: Records, in the order of the file.
        track: `class`, `open` or `preference`.

    Raises:
        ConfigError: There is no candidate, or the kind of file is none of the track's.
        EmoError: Candidates lack an answer that the track can take; all kinds of problems are told.
    """
    kinds = (".csv", ".npz") if track == "open" else (".csv",)
    if path.suffix not in kinds:
        raise ConfigError(f"track {track} is written as {' or '.join(kinds)}", str(path), "give such a name")
    if not candidates:
        raise ConfigError("no candidates", "--candidates", "emollm data prep makes their records; check --split")
    by_id = {one.id: one for one in outputs.predictions}
    missing: list[str] = []
    wrong: list[str] = []
    rows: list[tuple[str, ...]] = []
    for record in candidates:
        answer = by_id.get(record.id) or by_id.get(record.native_id or "")
        cells = None if answer is None or answer.status == "error" else _cells(record, answer, track)
        if cells is None:
            (missing if answer is None else wrong).append(record.id)
        else:
            rows.append(cells)
    problems = [*outputs.problems, *_told("without an answer", missing), *_told(f"with none for track {track}", wrong)]
    if error := collect(problems, "{n} problem(s); nothing was written:"):
        raise error
    head = {
        "class": ("name", "discrete"),
        "open": ("name", "openset"),
        "preference": ("name", "a1", "a2", "preference"),
    }
    if path.suffix == ".npz":
        names, items = zip(*rows, strict=True)
        np.savez_compressed(path, filenames=np.array(names), fileitems=np.array(items))
        return len(rows)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head[track], *rows])
    with whole_file(path) as out:
        out.write(text.getvalue())
    return len(rows)


def _cells(record: Record, answer: Prediction, track: str) -> tuple[str, ...] | None:
    """Return a candidate's row; None where the answer is none that the track can take."""
    labels = [label.text.strip() for label in answer.labels]
    name = (record.native_id or record.id).partition("/")[0]  # a clip has several pairs: NAME/1, NAME/2
    if track == "open":
        # the published reader splits at quotes and commas
        clean = [label.replace("'", "\u2019").replace('"', "").replace(",", " ") for label in labels]
        return name, str(clean)
    if track == "class":
        return (name, labels[0].lower()) if labels and labels[0].lower() in EMOTIONS else None
    texts = {one.kind: one.text for one in record.targets.description}
    pair = record.targets.preference
    sides = (pair.a, pair.b) if pair else (texts.get("candidate-a1", ""), texts.get("candidate-a2", ""))
    chosen = _CHOSEN.get(labels[0].lower()) if labels else None
    return None if chosen is None else (name, *sides, chosen)


def _told(what: str, ids: Sequence[str]) -> list[EmoError]:
    if not ids:
        return []
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    fix = "answer them, too: emollm label goes on where it stopped"
    return [EmoError(f"{len(ids)} candidate(s) {what}: {', '.join(ids[:_SHOWN])}{more}", fix=fix)]
