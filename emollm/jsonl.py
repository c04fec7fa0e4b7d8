"""Files of one JSON object a line: strict when written, clear when read (`file:line: field: what was expected`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from emollm.errors import EmoError
from emollm.paths import whole_file


class Row(BaseModel):
    """Base of what stands on a line: frozen, no field that isn't declared, finite numbers."""

    leaves_out_defaults: ClassVar[bool] = False
    """Whether its line leaves out what is unknown."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=True, validate_by_alias=True
    )


Kind = TypeVar("Kind", bound=Row)


def to_line(row: Row) -> str:
    """Return the JSON line (without newline) of a record or prediction; the row is checked again before it is written.

    A record leaves out what is unknown (a missing field reads as null); a prediction always has all its fields.
    """
    data = row.model_dump(mode="json", by_alias=True, exclude_defaults=row.leaves_out_defaults)
    if row.leaves_out_defaults:
        data = {"schema": type(row).model_fields["schema_"].default, **data}
    type(row).model_validate(data)
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_rows(path: Path | str, kind: type[Kind]) -> Iterator[Kind]:
    """Read JSONL lazily.

    Raises:
        EmoError: The file is missing, or a line is no JSON or no `kind`; every wrong field of the line is listed.
    """
    path = Path(path)
    if not path.is_file():
        raise EmoError("no such file", str(path), "give a JSONL file, one JSON object a line")
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                yield kind.model_validate(json.loads(line))
            except json.JSONDecodeError as error:
                raise EmoError(
                    f"not a JSON object ({error.msg}, column {error.colno})", where, "one JSON object a line"
                ) from None
            except ValidationError as error:
                raise EmoError(readable(error), where, f"fields of {kind.__name__}: see docs/predictions.md") from None


def write_rows(path: Path | str, rows: Iterable[Row]) -> int:
    """Write JSONL beside `path`, then rename: the file is whole or not there. Returns the number of rows."""
    count = 0
    with whole_file(Path(path)) as out:
        for row in rows:
            out.write(to_line(row) + "\n")
            count += 1
    return count


def readable(error: ValidationError) -> str:
    """Turn pydantic's report into `field: what was expected (got ...)`, all of it."""
    parts = []
    for problem in error.errors():
        field = ".".join(map(str, problem["loc"])) or "(the whole line)"
        message = "unknown field" if problem["type"] == "extra_forbidden" else problem["msg"]
        parts.append(f"{field}: {message} (got {str(problem['input'])[:80]!r})")
    return "; ".join(parts)
