"""Take a person out: of records, of what was predicted or exported about their clips, of reports, and of the cache.

    plan = plan_purge([Path("records.jsonl"), Path("runs")], "s042", media=True)
    left = plan.run()      # files that still name the person

A record is a person's when its `subject_id` (else its `speaker.id`) says so, or when a record that goes is among its parents. Of other
records the person's turns of dialogue are taken out; rows exported from them, which quote these turns, go. So does every row that names
such a record, or a file that only such records show, from `.jsonl`, `.parquet`, `.csv` and `.sqlite` files and `.json` lists. Reports that
name one (`.html`, `.svg`, other `.json`) are deleted, as what they count is no longer true: make them again. What the cache keeps of the
person's clips goes, also of clips that others' records show: it is decoded again. Texts that people write
(`.md`, `.txt`, `.yaml`) are listed, never touched.

The plan is made before anything changes; each file is written beside its place, then renamed. Afterwards all files are read again.
Does not: unlearn. Weights that were trained on these records keep what they learnt; the plan names the run folders.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emollm.errors import EmoError, collect
from emollm.paths import cache_dir

_REPORTS = {".html", ".svg"}
_LISTED_ONLY = {".md", ".txt", ".yaml", ".yml", ".log"}
Json = Any


@dataclass(frozen=True)
class Action:
    """One file and what becomes of it; `rows` are those that go."""

    path: Path
    what: str
    rows: int = 0

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" + (f" ({self.rows} rows)" if self.rows else "")


@dataclass
class Purge:
    """A plan: the person's records, the words by which files are searched, and what is to be done.

    Records files (`sources`) are changed last: when a run is interrupted, the next one still finds out what is to go.
    """

    subject: str
    ids: set[str] = field(default_factory=set)
    media: set[str] = field(default_factory=set)
    quoting: set[str] = field(default_factory=set)
    sources: set[Path] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """What rows are searched for."""
        return self.ids | self.media | {self.subject}

    def run(self) -> list[Path]:
        """Do it, and return the files that still name the person or a record of theirs."""
        for action in sorted(self.actions, key=lambda action: action.path in self.sources):
            if action.what == "delete":
                action.path.unlink(missing_ok=True)  # the cache makes room meanwhile
            else:
                _REWRITE[action.path.suffix](self, action.path, True)
        return [path for path in self.files if path.exists() and self._found_in(path)]

    def _found_in(self, path: Path) -> bool:
        """Tell whether the bytes of a file hold one of the names as a whole word."""
        if path.suffix == ".parquet":
            return _parquet(self, path, False) > 0
        text = path.read_bytes().decode("utf-8", "replace")
        spellings = {name for one in self.names for name in (one, json.dumps(one)[1:-1])}
        pattern = "|".join(map(re.escape, sorted(spellings, key=len, reverse=True)))
        return re.search(rf"(?<![\w.#-])(?:{pattern})(?![\w#-])", text) is not None


def plan_purge(paths: Iterable[Path], subject: str, *, media: bool = False) -> Purge:
    """Find out what would have to change; nothing is changed.

    Args:
        paths: Files and folders to search; the cache folder is searched, too.
        subject: The person.
        media: Delete files that only the person's records show.

    Raises:
        EmoError: A path is missing, a file cannot be read (all of them), or no record is this person's.
    """
    plan = Purge(subject)
    plan.files = sorted({file for path in (*paths, cache_dir()) for file in _files(path)})
    rows = list(_records(plan.files))
    plan.sources = {path for path, _ in rows}
    known: set[str] = set()
    while True:  # children of children go, too
        going = [row for _, row in rows if _is_of(row, subject) or known & set(_parents(row))]
        plan.ids = {row["id"] for row in going}
        names = {name for row in going for name in (row["id"], _name_elsewhere(row))}
        if names == known:
            break
        known = names
    if not plan.ids:
        raise EmoError(f"no record is of {subject!r}", "--subject", "look at subject_id and speaker.id of the records")
    ours, others = (
        {path for file, row in rows if (row["id"] in plan.ids) == mine for path in _media(file, row)}
        for mine in (True, False)
    )
    plan.media = ours - others
    plan.quoting = {row["id"] for _, row in rows if _without_turns(plan, row) != row} - plan.ids
    plan.actions += [Action(path, "delete") for path in _decoded(ours)]  # first: found by hashes that go later
    for path in plan.files:
        if path.suffix in _REWRITE:
            rows_gone = _REWRITE[path.suffix](plan, path, False)
            if rows_gone < 0:
                plan.actions.append(Action(path, "delete"))
            elif rows_gone:
                plan.actions.append(Action(path, "rewrite", rows_gone))
        elif path.suffix in _REPORTS and plan._found_in(path):
            plan.actions.append(Action(path, "delete"))
    if media:
        plan.actions += [Action(Path(path), "delete") for path in sorted(plan.media) if Path(path).is_file()]
    changed = {str(action.path) for action in plan.actions}
    for config in (path for path in plan.files if path.name == "config.yaml"):
        if any(Path(name).name in config.read_text(encoding="utf-8") for name in changed if name.endswith(".jsonl")):
            plan.notes.append(
                f"{config.parent} may have been trained on these records: its weights keep what they learnt"
            )
    return plan


def _files(path: Path) -> Iterator[Path]:
    """Yield the files of a path that can be read, absolute."""
    if not path.exists():
        raise EmoError("no such file or folder", str(path), "check the path")
    found = [path] if path.is_file() else path.rglob("*")
    known = {*_REWRITE, *_REPORTS, *_LISTED_ONLY}
    yield from (file.resolve() for file in found if file.suffix in known and file.is_file() and not file.is_symlink())


def _records(files: Iterable[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the records among the rows of JSONL files, each with its file."""
    problems: list[EmoError] = []
    for path in files:
        if path.suffix != ".jsonl":
            continue
        for number, line in enumerate(_lines(path), 1):
            try:
                row = json.loads(line or "null")
            except json.JSONDecodeError as error:
                problems.append(EmoError(f"not JSON ({error.msg})", f"{path}:{number}", "mend or remove this line"))
                continue
            if isinstance(row, dict) and str(row.get("schema", "")).startswith("emollm.record/"):
                yield path, row
    unreadable = collect(problems, "{n} lines cannot be read; nothing was changed")
    if unreadable:
        raise unreadable


def _is_of(row: dict[str, Any], subject: str) -> bool:
    return subject == (row.get("subject_id") or (row.get("speaker") or {}).get("id"))


def _parents(row: dict[str, Any]) -> list[str]:
    return (row.get("provenance") or {}).get("parents") or []


def _name_elsewhere(row: dict[str, Any]) -> str:
    """Return the name by which records of other data sets know this one as a parent."""
    return f"{row.get('dataset')}:{row.get('native_id')}"


def _media(file: Path, row: dict[str, Any]) -> Iterator[str]:
    """Yield the absolute paths of a record's files."""
    media = row.get("media") or {}
    for ref in (media.get("video"), media.get("audio"), media.get("face"), *(media.get("images") or ())):
        if ref:
            yield os.path.realpath(file.parent / ref["path"])


def _decoded(files: Iterable[str]) -> list[Path]:
    """Return the decoded clips in the cache that were made of files, as they are now or as they were when last hashed."""
    if not (cache_dir() / "clips").is_dir():
        return []
    from emollm.media.cache import ClipCache

    wanted, cache = set(files), ClipCache()
    hashes = set()
    for file in filter(os.path.isfile, wanted):
        with open(file, "rb") as stream:
            hashes.add(hashlib.file_digest(stream, "sha256").hexdigest())
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(cache_dir() / "media_sha256.sqlite")) as base:
        hashes |= {sha256 for path, sha256 in base.execute("SELECT path, sha256 FROM media") if path in wanted}
    return [entry for sha256 in sorted(hashes) for entry in cache.of_file(sha256)]


def _gone(plan: Purge, path: Path, value: Json) -> bool:
    """Tell whether a row names one of the person's records or files, anywhere in it."""
    if isinstance(value, dict):
        return value.get("emo_id") in plan.quoting or any(_gone(plan, path, inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(_gone(plan, path, inner) for inner in value)
    if not isinstance(value, str):
        return False
    if value in plan.names:
        return True
    places = [os.path.realpath(place) for place in (Path(value), path.parent / value)] if "/" in value else []
    return not plan.media.isdisjoint(places)


def _without_turns(plan: Purge, row: Json) -> Json:
    """Return a record without the person's turns in its dialogue."""
    if isinstance(row, dict) and isinstance(row.get("context"), list):
        turns = [
            turn for turn in row["context"] if turn.get("id") not in plan.ids and turn.get("speaker") != plan.subject
        ]
        return {**row, "context": turns}
    return row


def _jsonl(plan: Purge, path: Path, write: bool) -> int:
    """Drop rows of JSONL; return how many go or change."""
    lines, changed = [], 0
    for line in _lines(path):
        row = json.loads(line or "null")
        rest = _without_turns(plan, row)
        if _gone(plan, path, rest):
            changed += 1
            continue
        changed += rest != row
        lines.append(line if rest == row else json.dumps(rest, ensure_ascii=False, separators=(",", ":")))
    if write:
        _replace(path, lambda beside: _write_lines(beside, lines))
    return changed


def _json(plan: Purge, path: Path, write: bool) -> int:
    """Drop items of a JSON list; return how many go, or -1 for anything else that names the person: it is to be deleted."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError:
        return -1 if plan._found_in(path) else 0
    if not isinstance(data, list):
        return -1 if _gone(plan, path, data) or plan._found_in(path) else 0
    kept = [item for item in data if not _gone(plan, path, item)]
    if write:
        _replace(path, lambda beside: _write_lines(beside, [json.dumps(kept, ensure_ascii=False, indent=1)]))
    return len(data) - len(kept)


def _csv(plan: Purge, path: Path, write: bool) -> int:
    """Drop rows of CSV of which a cell is a name; return how many go."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.reader(lines))
    kept = [row for row in rows if not _gone(plan, path, row)]
    if write:

        def save(beside: Path) -> None:
            with beside.open("w", encoding="utf-8", newline="") as out:
                csv.writer(out, lineterminator="\n").writerows(kept)

        _replace(path, save)
    return len(rows) - len(kept)


def _parquet(plan: Purge, path: Path, write: bool) -> int:
    """Drop rows of a parquet file, schema and metadata kept; return how many go or change."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    rows = table.to_pylist()
    rest = [_without_turns(plan, row) for row in rows]
    kept = [row for row in rest if not _gone(plan, path, _unpacked(row))]
    if write:
        _replace(path, lambda beside: pq.write_table(pa.Table.from_pylist(kept, table.schema), beside))
    return len(rows) - len(kept) + sum(row != before for row, before in zip(rest, rows, strict=True))


def _unpacked(value: Json) -> Json:
    """Return a row with the JSON texts in it read, as `hf` and `verl` hold targets and parents."""
    if isinstance(value, dict):
        return {key: _unpacked(inner) for key, inner in value.items()}
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value


def _sqlite(plan: Purge, path: Path, write: bool) -> int:
    """Delete rows of a database of which a text is a name, and give their bytes free; return how many go."""
    count = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as base:
        for (table,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            name = '"' + table.replace('"', '""') + '"'
            rows = base.execute(f"SELECT rowid, * FROM {name}").fetchall()  # noqa: S608
            gone = [(rowid,) for rowid, *cells in rows if _gone(plan, path, [_unpacked(cell) for cell in cells])]
            count += len(gone)
            if write:
                base.executemany(f"DELETE FROM {name} WHERE rowid = ?", gone)  # noqa: S608
        if write:
            base.execute("VACUUM")
    return count


def _replace(path: Path, save: Callable[[Path], object]) -> None:
    """Write a file beside its place, then move it there."""
    beside = path.with_name(f".{path.name}.part")
    try:
        save(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _lines(path: Path) -> list[str]:
    """Return the lines of a file; only a newline ends one (JSON texts may hold other separators)."""
    return path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in lines)


_REWRITE: dict[str, Callable[[Purge, Path, bool], int]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
    ".sqlite": _sqlite,
}
