"""Records files read and written one record at a time: memory does not grow with their length.

    write_rows(out, stream(["meld.jsonl", "mer2025.jsonl"], out.parent))

Ids are unique over all files that are read together. Eight bytes of each id are kept for that, and compared when the last record has been
read; as files are renamed into place only when they are whole, a doubled id leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from emollm.errors import ConfigError, EmoError
from emollm.jsonl import read_rows
from emollm.records import Record, resolve


def stream(paths: Sequence[Path | str], folder: Path | None = None) -> Iterator[Record]:
    """Yield the records of several files in order.

    Args:
        paths: Records files.
        folder: Folder that media paths are to count from; None: they become absolute.

    Raises:
        EmoError: A file is missing, a line is no record, or (after the last record) an id occurs twice.
    """
    return unique(lambda: unchecked(paths, folder), ", ".join(map(str, paths)))


def unchecked(paths: Sequence[Path | str], folder: Path | None = None) -> Iterator[Record]:
    """Yield the records of several files in order, as `stream` does; ids may occur twice."""
    for path in paths:
        here = Path(path).resolve().parent
        prefix = here if folder is None else Path(os.path.relpath(here, folder.resolve()))
        for record in read_rows(path, Record):
            yield record if prefix == Path() else resolve(record, prefix)


def unique(read: Callable[[], Iterable[Record]], where: str) -> Iterator[Record]:
    """Yield what `read()` yields; it is called again, to name the id, when one occurs twice.

    Raises:
        EmoError: An id occurs twice (after the last record).
    """
    hashes = array("Q")
    for record in read():
        hashes.append(_hash(record.id))
        yield record
    if not hashes:
        return
    ordered = np.frombuffer(hashes, np.uint64)  # (records,)
    ordered.sort()
    twice = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    seen: set[str] = set()
    for record in read() if twice else ():
        if _hash(record.id) in twice:
            if record.id in seen:
                raise EmoError(f"id {record.id!r} occurs twice", where, "ids are unique among files used together")
            seen.add(record.id)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` that takes its name when the block ends well: it is whole, or it is not there.

    Raises:
        ConfigError: There is something at `path` already.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise ConfigError("exists already", str(path), "give another name, or remove it first")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield beside
        beside.chmod(0o755)
        beside.replace(path)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
