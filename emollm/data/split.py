"""Cut records into splits that share no speaker, dialogue or parent.

    split(["records.jsonl"], Path("splits"), {"train": 0.8, "dev": 0.1, "test": 0.1}, by=("speaker", "dialogue"), seed=0)

Records that have a name in common belong to one group (connected components over all that `by` asks for), and a group goes into one split
as a whole. Groups come in an order that a hash of the seed and their names gives, so the order of the records does not matter; each
goes where most is missing.

Only names of groups are kept in memory, never records. Does not: balance labels.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from emollm.data.stream import new_folder, stream
from emollm.errors import ConfigError
from emollm.jsonl import to_line
from emollm.records import Record

KINDS = ("speaker", "dialogue", "parent")
_LISTED = 5


def split(
    records: Sequence[Path | str],
    folder: Path,
    shares: Mapping[str, float],
    by: Sequence[str] = KINDS,
    seed: int = 0,
) -> dict[str, int]:
    """Write `folder/NAME.jsonl` for each split and return how many records each holds.

    Args:
        records: Records files; read twice.
        folder: Folder to make.
        shares: Share of the records that each split should have.
        by: What splits must not share: any of `KINDS`.
        seed: Same seed and records, same splits.

    Raises:
        ConfigError: The shares do not add up to 1, a kind is unknown, a record does not tell its speaker, there are fewer groups than
            splits, or the folder exists.
    """
    _check(shares, by)
    parents: dict[str, str] = {}
    clips: list[str] = []
    homeless: list[str] = []
    for record in stream(records):
        clips.append(f"clip {record.id}")
        names = [name for kind in by for name in names_of(record, kind)]
        if "speaker" in by and not any(name.startswith("speaker ") for name in names):
            homeless.append(record.id)
        for name in names:
            _join(parents, clips[-1], name)
    if homeless:
        shown = ", ".join(homeless[:_LISTED])
        fix = "take `speaker` out of --by, or give these records subject_id or speaker.id"
        raise ConfigError(f"{len(homeless)} records do not tell their speaker: {shown}", str(records[0]), fix)
    places = _places(Counter(_root(parents, clip) for clip in clips), shares, seed)
    counts = dict.fromkeys(shares, 0)
    with new_folder(folder) as part:
        files = {name: (part / f"{name}.jsonl").open("w", encoding="utf-8") for name in shares}
        try:
            for record in stream(records, folder):
                name = places[_root(parents, f"clip {record.id}")]
                files[name].write(to_line(record.model_copy(update={"split": name})) + "\n")
                counts[name] += 1
        finally:
            for file in files.values():
                file.close()
    return counts


def names_of(record: Record, kind: str) -> Iterator[str]:
    """Yield what a record shares with others of its speaker, its dialogue or its parents.

    A dialogue is known by the turns that records name in their context; a parent by `provenance.parents`, and by the data set and the
    native key that others name this record by.
    """
    if kind == "speaker":
        speaker = record.subject_id or (record.speaker.id if record.speaker else None)
        if speaker is not None:
            yield f"speaker {record.dataset}:{speaker}"
    elif kind == "dialogue":
        yield from (f"clip {turn.id}" for turn in record.context if turn.id is not None)
    else:
        yield from (f"clip {name}" for name in parents_of(record))


def parents_of(record: Record) -> list[str]:
    """Return the names that other data sets know a record's clip by, its own besides `id` included."""
    own = [f"{record.dataset}:{record.native_id}"] if record.dataset and record.native_id else []
    return [*own, *(record.provenance.parents if record.provenance else ())]


def _check(shares: Mapping[str, float], by: Sequence[str]) -> None:
    unknown = [kind for kind in by if kind not in KINDS]
    if unknown or not by:
        raise ConfigError(f"cannot split by {unknown or 'nothing'}", "--by", f"name some of {', '.join(KINDS)}")
    if len(shares) < 2 or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
        text = ", ".join(f"{name}={share:g}" for name, share in shares.items())
        fix = "give two or more positive shares that add up to 1, such as train=0.8,dev=0.2"
        raise ConfigError(f"these are no shares of a whole: {text or 'none'}", "--shares", fix)


def _root(parents: dict[str, str], name: str) -> str:
    """Return the group of a name, shortening the way there (union-find with path halving)."""
    parents.setdefault(name, name)
    while parents[name] != name:
        parents[name] = parents[parents[name]]
        name = parents[name]
    return name


def _join(parents: dict[str, str], one: str, other: str) -> None:
    """Put two names into one group; the smaller name leads, so that the order of the records does not matter."""
    first, second = sorted((_root(parents, one), _root(parents, other)))
    parents[second] = first


def _places(sizes: Mapping[str, int], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Give each group, of so many records, a split."""
    if len(sizes) < len(shares):
        fix = "ask for fewer splits, or for less with --by"
        raise ConfigError(f"{len(sizes)} groups cannot fill {len(shares)} splits", "--by", fix)
    whole = sum(sizes.values())
    missing = {name: share * whole for name, share in shares.items()}
    empty = list(shares)
    places: dict[str, str] = {}
    order = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
    for number, group in enumerate(order):
        left = len(order) - number
        name = max(empty if left <= len(empty) else shares, key=missing.__getitem__)
        places[group] = name
        missing[name] -= sizes[group]
        empty = [split for split in empty if split != name]
    return places
