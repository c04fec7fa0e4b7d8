"""The annotation files and folders of a data set's copy: read strictly, and everything wrong is collected."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from emollm.data import tables
from emollm.data.tables import Line
from emollm.errors import EmoError

WRONG = "wrong"  # the kind of problem that nothing forgives
SHOWN = 50  # problems of a kind that are told one by one; all are counted


class Problems:
    """What is wrong with a copy: every problem is counted, the first of each kind are kept."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.kept: dict[str, list[EmoError]] = {}

    def add(self, kind: str, error: EmoError) -> None:
        """Count a problem; all kinds but `WRONG` are forgiven by `--allow-missing`."""
        self.counts[kind] += 1
        if self.counts[kind] <= SHOWN:
            self.kept.setdefault(kind, []).append(error)


class Files:
    """A folder whose files are read by their name in it.

    Args:
        path: The folder.
        title: What it is a copy of.
        encoding: How its text files are written.
    """

    def __init__(self, path: Path, title: str, encoding: str = "utf-8-sig") -> None:
        self.path, self.title, self.encoding = path, title, encoding
        self.problems = Problems()

    def bad(self, error: EmoError) -> None:
        """Report something wrong; the copy is then refused, whatever is allowed to be missing."""
        self.problems.add(WRONG, error)

    def has(self, *names: str) -> bool:
        """Tell whether all these files or folders are there."""
        return all((self.path / name).exists() for name in names)

    def first(self, *names: str) -> str | None:
        """Return the first of these files or folders that is there; none is a missing file."""
        found = next((name for name in names if self.has(name)), None)
        if found is None:
            self.missing(" or ".join(names))
        return found

    def missing(self, name: str) -> None:
        """Report an annotation file that is not there."""
        self.problems.add("missing file", EmoError("no such file", name, f"the root of {self.title} holds it"))

    def csv(self, name: str, *columns: str, **form: Any) -> Iterator[Line]:
        """Yield the rows of a CSV file with these columns (see `tables.read_csv`); a missing file is reported."""
        return self._rows(tables.read_csv, name, columns, encoding=self.encoding, refuse=self.bad, **form)

    def columns(self, name: str, **form: Any) -> tuple[str, ...]:
        """Return the names of the columns of a CSV file; none when it has no rows."""
        return tuple(next(self.csv(name, **form), ()))

    def jsonl(self, name: str, *columns: str) -> Iterator[Line]:
        """Yield the objects of a JSONL file with these fields; a missing file is reported."""
        return self._rows(tables.read_jsonl, name, columns, encoding=self.encoding, refuse=self.bad)

    def xlsx(self, name: str, *columns: str, **form: Any) -> Iterator[Line]:
        """Yield the rows of an Excel sheet with these columns (see `tables.read_xlsx`); a missing file is reported."""
        return self._rows(tables.read_xlsx, name, columns, **form)

    def json(self, name: str, kind: type[Any] = object) -> Any:
        """Return what a JSON file holds (a `kind`, such as dict); None when it is missing or something else, which is reported."""
        value = next(self._rows(_read_json, name, (), encoding=self.encoding), None)
        if value is None or isinstance(value, kind):
            return value
        self.bad(EmoError(f"holds a {type(value).__name__}", name, f"a JSON {kind.__name__}"))
        return None

    def items(self, name: str, *columns: str) -> Iterator[Line]:
        """Yield the objects of a JSON list with these fields, numbered from 1; another thing than a list is reported."""
        value = self.json(name, list)
        for number, item in enumerate(value or (), 1):
            try:
                yield tables.line_of(item, name, number, columns)
            except EmoError as error:
                self.bad(error)

    def lines(self, name: str) -> Iterator[tuple[int, str]]:
        """Yield the numbered lines of a text file, without line ends and empty ones; a missing file is reported."""
        rows = self._rows(_read_text, name, (), encoding=self.encoding)
        return ((number, text) for number, text in rows if text)

    def files(self, folder: str, *suffixes: str) -> list[str]:
        """Return the files in a folder in natural order (2.jpg before 10.jpg), relative to the root; none when it is not there."""
        found = [name for name in self._names(self.path / folder) if name.lower().endswith(suffixes or ("",))]
        return [f"{folder}/{name}" if folder else name for name in sorted(found, key=_natural)]

    def stems(self, *suffixes: str) -> dict[str, str]:
        """Return the files with these suffixes anywhere below the root, by stem; a stem that occurs twice is reported."""
        found: dict[str, str] = {}
        for path in self.walk("", *suffixes):
            stem = Path(path).stem
            if stem in found:
                self.bad(EmoError(f"{stem} is there twice", path, f"also as {found[stem]}"))
            found.setdefault(stem, path)
        return found

    def walk(self, folder: str, *suffixes: str) -> Iterator[str]:
        """Yield the visible files below a folder, relative to the root; a link back to a folder above is reported, and not followed."""
        for here, folders, files in os.walk(self.path / folder, followlinks=True):
            if os.path.islink(here) and Path(here).parent.resolve().is_relative_to(Path(here).resolve()):
                self.bad(EmoError("a loop of links", here, "remove the link"))
                folders.clear()
                continue
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = os.path.relpath(here, self.path).replace(os.sep, "/")
            for name in sorted(files, key=_natural):
                if not name.startswith(".") and name.lower().endswith(suffixes or ("",)):
                    yield name if below == "." else f"{below}/{name}"

    @staticmethod
    def _names(folder: Path) -> list[str]:
        if not folder.is_dir():
            return []
        return [entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith(".")]

    def table(self, lines: Iterable[Line], key: str) -> dict[str, Line]:
        """Return rows by the value of a column; a value that occurs twice is reported."""
        rows: dict[str, Line] = {}
        for line in lines:
            if line[key] in rows:
                self.bad(EmoError(f"{key} {line[key]!r} occurs twice", line.where, f"also in {rows[line[key]].where}"))
            rows.setdefault(line[key], line)
        return rows

    def groups(self, lines: Iterable[Line], *keys: str) -> Iterable[list[Line]]:
        """Return rows in groups that agree in these columns, such as the utterances of a dialogue; groups and rows keep their order."""
        found: dict[tuple[Any, ...], list[Line]] = {}
        for line in lines:
            found.setdefault(tuple(line[key] for key in keys), []).append(line)
        return found.values()

    def _rows(
        self, read: Callable[..., Iterator[Any]], name: str, columns: Sequence[str], **form: Any
    ) -> Iterator[Any]:
        path = self.path / name
        if not path.is_file():
            self.missing(name)
            return
        try:
            yield from read(path, columns=columns, **form)
        except EmoError as error:
            self.bad(error)
        except OSError as error:
            self.bad(EmoError(f"cannot be read ({error.strerror})", name))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part or 0) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]


def _read_json(path: Path, columns: Sequence[str], encoding: str) -> Iterator[Any]:
    yield tables.read_json(path, encoding=encoding)


def _read_text(path: Path, columns: Sequence[str], encoding: str) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding=encoding) as lines:
            yield from ((number, line.rstrip("\r\n")) for number, line in enumerate(lines, 1))
    except UnicodeError:
        raise EmoError(f"not written in {encoding}", path.name, "name its encoding: --set encoding=gb18030") from None
