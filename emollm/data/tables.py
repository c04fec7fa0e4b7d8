"""Annotation files as rows: CSV and the like, Excel sheets, JSON lines. A row knows its file and line, and refuses what it cannot read.

Values are kept as they stand ("None", "NA" and "nan" are words people say). A formula in a cell is refused: it would run in the reader's
spreadsheet when the text is exported again.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NoReturn

from emollm.errors import EmoError
from emollm.xlsx import read_sheet

# What a spreadsheet would run: =..., a function after another sign, or a call of another program (`@x|'y'!z`).
_FORMULA = re.compile(r"=\s*(?:[A-Za-z_][\w.]*\(|\$?[A-Z]{1,3}\$?\d|[\d+-])|[=+\-@]+(?:[A-Z][A-Z0-9.]*\(|[^|]*\|.*!)")
_SIGNS = frozenset("=+-@")
_MAX_CELL = 1 << 20  # characters


def _raise(error: EmoError) -> NoReturn:
    raise error


class Line(dict[str, Any]):
    """One row of a file, by column; `where` names its place."""

    __slots__ = ("file", "number")

    def __init__(self, values: Mapping[str, Any] | Iterator[tuple[str, Any]], file: str, number: int) -> None:
        super().__init__(values)
        self.file, self.number = file, number

    @property
    def where(self) -> str:
        """`file:line`, counted from 1."""
        return f"{self.file}:{self.number}"

    def __missing__(self, key: str) -> Any:
        raise EmoError(f"no field {key!r}", self.where, "fields there: " + ", ".join(map(str, self)))

    def text(self, key: str) -> str | None:
        """Return the text without the blanks around it; nothing is None.

        Raises:
            EmoError: The value is no text.
        """
        value = self[key]
        if value is not None and not isinstance(value, str):
            raise EmoError(f"{key} is not text: {str(value)[:80]!r}", self.where)
        return (value or "").strip() or None

    def number_of(self, key: str, low: float, high: float, missing: Collection[float] = ()) -> float | None:
        """Return the number in [low, high]; an empty cell and the values in `missing` are None.

        Raises:
            EmoError: The value is no finite number, or out of range.
        """
        value = self[key]
        if value is None or value == "":
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if number in missing:
            return None
        if not low <= number <= high:
            raise EmoError(f"{key} is {str(value)[:80]!r}", self.where, f"a number from {low:g} to {high:g}")
        return number

    def pick(self, key: str, names: Mapping[str, str] | Sequence[str]) -> str:
        """Return the value if it is one of `names`, or the name that a mapping gives it.

        Raises:
            EmoError: The value is none of them.
        """
        value = self[key]
        value = value.strip() if isinstance(value, str) else str(value)
        if value not in names:
            raise EmoError(f"{key} is {value[:80]!r}", self.where, "one of: " + ", ".join(names))
        return names[value] if isinstance(names, Mapping) else value


def read_csv(
    path: Path,
    *,
    columns: Sequence[str] = (),
    header: Sequence[str] | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8-sig",
    quoted: bool = True,
    refuse: Callable[[EmoError], None] = _raise,
) -> Iterator[Line]:
    """Yield the rows of a CSV, TSV or blank-separated file; empty lines are passed over.

    Args:
        path: The file; a byte order mark is understood.
        columns: Columns that must be there.
        header: Names of the columns of a file that has no header line.
        delimiter: What stands between cells.
        encoding: How the file is written.
        quoted: Whether quotes hold a cell together.
        refuse: Takes the error of a row that is wrong; the row is then passed over.

    Raises:
        EmoError: Columns are missing or named twice, or the file is not in this encoding.
    """
    file = path.name
    csv.field_size_limit(_MAX_CELL)
    try:
        with path.open(encoding=encoding, newline="") as lines:
            reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
            names = list(header) if header else [name.strip() for name in next(reader, [])]
            _check_header(names, columns, file)
            width = len(names)
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != width:
                    fix = f"{width} cells: {', '.join(names)}"
                    refuse(EmoError(f"{len(cells)} cells", f"{file}:{reader.line_num}", fix))
                elif formula := next((cell for cell in cells if cell[:1] in _SIGNS and _FORMULA.match(cell)), None):
                    refuse(EmoError(f"a formula: {formula[:80]!r}", f"{file}:{reader.line_num}", "write its value"))
                else:
                    yield Line(zip(names, cells, strict=True), file, reader.line_num)
    except UnicodeError:
        raise EmoError(f"not written in {encoding}", file, "name its encoding: --set encoding=gb18030") from None
    except csv.Error as error:
        raise EmoError(f"no CSV file ({error})", file, "export it again as CSV, UTF-8") from None


def read_jsonl(
    path: Path,
    *,
    columns: Sequence[str] = (),
    encoding: str = "utf-8-sig",
    refuse: Callable[[EmoError], None] = _raise,
) -> Iterator[Line]:
    """Yield the objects of a JSONL file; `columns` are fields that each must have; `refuse` takes the error of a line that is wrong.

    Raises:
        EmoError: A line is no JSON object, or lacks a field.
    """
    try:
        with path.open(encoding=encoding) as lines:
            for number, text in enumerate(lines, 1):
                if not text.strip():
                    continue
                try:
                    line = line_of(_json(text, f"{path.name}:{number}"), path.name, number, columns)
                except EmoError as error:
                    refuse(error)
                else:
                    yield line
    except UnicodeError:
        raise EmoError(f"not written in {encoding}", path.name, "name its encoding: --set encoding=gb18030") from None


def read_json(path: Path, *, encoding: str = "utf-8-sig") -> Any:
    """Return what a JSON file holds.

    Raises:
        EmoError: The file is no JSON.
    """
    try:
        return _json(path.read_text(encoding=encoding), path.name)
    except UnicodeError:
        raise EmoError(f"not written in {encoding}", path.name, "name its encoding: --set encoding=gb18030") from None


def line_of(value: Any, file: str, number: int, columns: Sequence[str] = ()) -> Line:
    """Return a JSON object as a row.

    Raises:
        EmoError: It is no object, or lacks one of `columns`.
    """
    if not isinstance(value, dict):
        raise EmoError(f"no JSON object: {str(value)[:80]!r}", f"{file}:{number}", "fields in {...}")
    if absent := [name for name in columns if name not in value]:
        raise EmoError(f"no field {', '.join(absent)}", f"{file}:{number}", "fields there: " + ", ".join(value))
    return Line(value, file, number)


def read_xlsx(
    path: Path, *, columns: Sequence[str] = (), sheet: str | None = None, header: Sequence[str] | None = None
) -> Iterator[Line]:
    """Yield the rows of an Excel sheet under its header line; values are text, empty ones too.

    Args:
        path: The workbook.
        columns: Columns that must be there.
        sheet: Name of the sheet; the first one.
        header: Names of the columns of a sheet that has no header line.

    Raises:
        EmoError: The file is no workbook, has no such sheet, holds a formula, or lacks columns.
    """
    file = path.name
    names = list(header or ())
    for number, row in enumerate(read_sheet(path, sheet), 1):
        if not names:
            names = row
            _check_header(names, columns, file)
        elif any(row):
            yield Line(zip_longest(names, row[: len(names)], fillvalue=""), file, number)


def _check_header(names: Sequence[str], columns: Sequence[str], file: str) -> None:
    if absent := [name for name in columns if name not in names]:
        raise EmoError(f"no column {', '.join(absent)}", f"{file}:1", "columns there: " + ", ".join(names))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise EmoError(f"columns named twice: {', '.join(map(repr, twice))}", f"{file}:1", "name each column once")


def _json(text: str, where: str) -> Any:
    def refuse(word: str) -> Any:
        raise EmoError(f"{word} is no JSON", where, "write null")

    try:
        return json.loads(text, parse_constant=refuse)
    except (json.JSONDecodeError, RecursionError) as error:
        raise EmoError(f"no JSON ({error})", where, "save it again as JSON, UTF-8") from None
