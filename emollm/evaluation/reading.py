"""Files of gold and of answers, read whole, with every problem collected: a file is refused once, with all that is wrong in it.

Gold is a records file (JSONL), or the CSV shape of the field: columns `name` and `openset` (a label list), and `wheels` where the file
says for which wheels its labels were made. In a records file that is a flag of `quality`: `wheels:mer2026`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from emollm.emotions.labels import FIX, answer_problem, reference_labels
from emollm.errors import EmoError
from emollm.records import OpenLabel, Quality, Record, Targets

WHEELS_FLAG = "wheels:"
Problems = list[EmoError]


def read_gold(path: Path, problems: Problems) -> list[Record]:
    """Return the gold records of a file; what is wrong in it is added to `problems`.

    Raises:
        EmoError: The file cannot be opened, or is of another kind.
    """
    if path.suffix.lower() == ".csv":
        return [
            record
            for where, row in csv_rows(path, problems, "name", "openset")
            if (record := _record(where, row, problems))
        ]
    if path.suffix.lower() != ".jsonl":
        raise EmoError(
            "gold of an unknown kind", str(path), "give records (.jsonl), or a .csv with columns name, openset"
        )
    found = []
    for where, row in json_lines(path, problems):
        try:
            found.append(Record.model_validate(row))
        except ValidationError as error:
            problems.append(EmoError(readable(error), where, "fields of a record: see docs/predictions.md"))
    return found


def read_groups(path: Path) -> dict[str, list[list[str]]]:
    """Return clip -> lists of labels that mean the same, from a JSON file.

    Raises:
        EmoError: The file cannot be read, or is of another shape.
    """
    try:
        return TypeAdapter(dict[str, list[Annotated[list[str], Field(min_length=1)]]]).validate_json(text_of(path))
    except ValidationError as error:
        fix = 'write {"clip": [["happy", "glad"], ["sad"]], ...}'
        raise EmoError(readable(error), str(path), fix) from None


def json_lines(path: Path, problems: Problems) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `file:line` and the object of each line that holds one; other lines are problems."""
    for number, line in enumerate(text_of(path).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            problems.append(EmoError(f"not a JSON object ({error})", where, "one JSON object a line"))
            continue
        if isinstance(row, dict):
            yield where, row
        else:
            problems.append(EmoError(f"{type(row).__name__} instead of an object", where, "one JSON object a line"))


def csv_rows(path: Path, problems: Problems, *columns: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield `file:line` and the cells of each row; a row that is cut short is a problem.

    Raises:
        EmoError: The file cannot be opened, or a column is missing.
    """
    rows = csv.DictReader(io.StringIO(text_of(path), newline=""), strict=True)
    missing = [name for name in columns if name not in (rows.fieldnames or ())]
    if missing:
        raise EmoError(
            f"no column {', '.join(missing)}", str(path), f"columns there: {', '.join(rows.fieldnames or ())}"
        )
    try:
        for row in rows:
            where = f"{path}:{rows.line_num}"
            if None in row or None in row.values():
                problems.append(EmoError("a row with more or fewer cells than the header", where, "mend the row"))
            else:
                yield where, row
    except csv.Error as error:
        problems.append(EmoError(f"not CSV ({error})", f"{path}:{rows.line_num}", "mend the quotes"))


def label_list(text: str, where: str, problems: Problems) -> list[str] | None:
    """Return the labels of a list as written, by the rules of the published scores; a malformed list is a problem, and None."""
    if what := answer_problem(text):
        problems.append(EmoError(what, where, FIX))
        return None
    return reference_labels(text)


def readable(error: ValidationError) -> str:
    """Return what pydantic found as `field: what`, all of it."""
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the line'}: {one['msg']}" for one in error.errors())


def _record(where: str, row: dict[str, str], problems: Problems) -> Record | None:
    """Return the record of a CSV row."""
    labels = label_list(row["openset"], f"{where} ({row['name']})", problems)
    if not row["name"]:
        problems.append(EmoError("no name", where, "each row needs the name of its clip"))
    if labels is None or not row["name"]:
        return None
    flags = (WHEELS_FLAG + row["wheels"],) if row.get("wheels") else ()
    targets = Targets(labels_ov=tuple(OpenLabel(text=label) for label in labels))
    return Record(id=row["name"], targets=targets, quality=Quality(flags=flags) if flags else None)


def text_of(path: Path) -> str:
    """Return the text of a file.

    Raises:
        EmoError: It cannot be opened, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise EmoError(f"cannot be read ({reason})", str(path), "name a UTF-8 text file") from None
