"""Which records a benchmark asks about: records files are read once, and every part takes its own out of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from emollm.errors import ConfigError, EmoError, collect
from emollm.evaluation.benchmarks import Benchmark, Part, Query
from emollm.records import Record, read_records

_SCHEMA = "emollm.record/1"


def records_files(places: Sequence[Path]) -> list[Path]:
    """Return the records files that are named, and those that lie in the folders that are named.

    Raises:
        ConfigError: A place is missing, or a folder holds no records file.
    """
    found: list[Path] = []
    for place in places:
        inside = sorted(path for path in place.glob("*.jsonl") if _holds_records(path)) if place.is_dir() else [place]
        if not inside or not place.exists():
            what = "no records file here" if place.is_dir() else "no such file"
            raise ConfigError(what, str(place), "emollm data prep makes records files")
        found += inside
    return list(dict.fromkeys(found))


def read_pool(files: Sequence[Path]) -> list[Record]:
    """Return all records of the files.

    Raises:
        EmoError: A file cannot be read, or an id stands in two of them.
    """
    pool: dict[str, Record] = {}
    owner: dict[str, Path] = {}
    for path in files:
        for record in read_records(path):
            if record.id in pool:
                where = f"{owner[record.id]} and {path}"
                raise EmoError(f"id {record.id!r} stands in two files", where, "name one of them")
            pool[record.id], owner[record.id] = record, path
    return list(pool.values())


def select(
    benchmark: Benchmark, pool: Sequence[Record], *, allow_missing: bool = False, limit: int | None = None
) -> dict[str, list[Record]]:
    """Return the records of each part, in the order of the files.

    Args:
        benchmark: Whose parts.
        pool: Records.
        allow_missing: Leave out parts without records, and take parts whose number of clips is another than the published one.
        limit: At most so many clips a part, drawn by the hash of their ids: the same ones every time.

    Raises:
        ConfigError: Records are missing or too many; all parts are told.
    """
    problems, found = [], {}
    commands = "; ".join(benchmark.spec.data)
    for name, part in benchmark.spec.parts.items():
        records = [record for record in pool if matches(record, part.records)]
        if not records:
            problems.append(
                ConfigError(f"no records of {_told(part.records)}", f"{benchmark.name}, part {name}", commands)
            )
        elif part.clips is not None and len(records) != part.clips:
            what = f"{len(records):,} clips, {part.clips:,} in the published set"
            problems.append(ConfigError(what, f"{benchmark.name}, part {name}", f"{commands} (or --allow-missing)"))
        if records:
            found[name] = _sample(records, limit)
    if problems and not (allow_missing and found):
        summary = "{n} part(s) cannot be scored as published; --allow-missing scores what there is:"
        raise collect(problems, summary, ConfigError) or ConfigError("no parts")
    return found


def matches(record: Record, query: Query) -> bool:
    """Tell whether a record is one of those that a part asks for."""
    label = record.targets.label.name if record.targets.label else None
    pairs = (
        (query.dataset, record.dataset),
        (query.split, record.split),
        (query.subset, record.subset),
        (query.fold, record.fold),
        (query.label, label),
    )
    return all(not wanted or value in wanted for wanted, value in pairs)


def with_truth(name: str, part: Part, records: Sequence[Record], lacking: Mapping[str, str]) -> list[Record]:
    """Return the records that have the truth that the part's number needs.

    Args:
        name: Name of the part.
        part: The part.
        records: Its records.
        lacking: Id -> what is missing, of those that lack it.

    Raises:
        EmoError: Some lack it, and the part does not say that they are left out; or all do.
    """
    kept = [record for record in records if record.id not in lacking]
    if lacking and (part.without_truth == "refuse" or not kept):
        first = list(lacking)[:20]
        what = f"{len(lacking)} clip(s) without {lacking[first[0]]}: {', '.join(first)}"
        raise EmoError(what, f"part {name}", "complete the records, or leave these clips out of the records file")
    return kept


def _sample(records: list[Record], limit: int | None) -> list[Record]:
    if limit is None or limit >= len(records):
        return records
    drawn = sorted(records, key=lambda record: hashlib.sha256(record.id.encode()).digest())[:limit]
    kept = {record.id for record in drawn}
    return [record for record in records if record.id in kept]


def _told(query: Query) -> str:
    return ", ".join(f"{key} {' or '.join(map(str, value))}" for key, value in query if value)


def _holds_records(path: Path) -> bool:
    """Tell whether the first line of a file is a record: it says so, or has an id and no key that records do not have."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        line = lines.readline()
    try:
        row = json.loads(line)
        return bool(
            row["schema"] == _SCHEMA if "schema" in row else "id" in row and row.keys() <= Record.model_fields.keys()
        )
    except (ValueError, AttributeError, TypeError):
        return False
