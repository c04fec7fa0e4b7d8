"""What is done is known by content: a row's key is a hash of all that its answer depends on.

Two memories in the cache folder make a restart quick, and cannot make it wrong: each is asked by content, size and time of change. One
(`emollm.media.hashes`) knows the hashes of files, the other the keys of blocks of rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from emollm.batch import elsewhere
from emollm.batch.output import Settings
from emollm.engines import Request, Sampling
from emollm.media.hashes import MediaHashes
from emollm.prompts import grammar, prompt_sha256, render

MAX_MEMORY_BYTES = 2**30


class BlockKeys:
    """Keys of blocks of requests, remembered so that a restart neither parses nor renders what is done.

    Args:
        file: The database; it is made when it is missing.
    """

    def __init__(self, file: Path) -> None:
        if file.exists() and file.stat().st_size > MAX_MEMORY_BYTES:  # it starts anew
            for part in ("", "-wal", "-shm"):
                Path(f"{file}{part}").unlink(missing_ok=True)
        self._rows = sqlite3.connect(file, isolation_level=None, timeout=30)
        self._rows.execute("PRAGMA journal_mode = WAL")
        self._rows.execute("PRAGMA synchronous = NORMAL")
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS blocks (digest BLOB PRIMARY KEY, files TEXT, stamp BLOB, keys TEXT)"
        )

    def find(self, digest: bytes) -> list[str] | None:
        """Return the keys of a block, or None when it is new or one of its files has changed."""
        found = self._rows.execute("SELECT files, stamp, keys FROM blocks WHERE digest = ?", (digest,)).fetchone()
        if found is None or self.stamp(json.loads(found[0])) != found[1]:
            return None
        return str(found[2]).split()

    def remember(self, digest: bytes, files: Sequence[str], stamp: bytes, keys: Iterable[str]) -> None:
        """Keep the keys of a block, and how its files were."""
        row = (digest, json.dumps(files), stamp, " ".join(keys))
        self._rows.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the database."""
        self._rows.close()

    def stamp(self, files: Iterable[str]) -> bytes:
        """Return a hash of the sizes and times of files as they are now."""
        return hashlib.blake2b(repr([_stat(file) for file in files]).encode(), digest_size=16).digest()


def request_key(request: Request, sampling: Sampling, identity: Settings, hashes: MediaHashes) -> str:
    """Return the hash of all that an answer depends on: clip, prompt, modalities, sampling, seed, grammar, model.

    Args:
        request: What is asked.
        sampling: How answers are drawn.
        identity: The engine's model and settings.
        hashes: Of media files.
    """
    media = request.record.media
    refs = [ref for ref in (media.video, media.audio, media.face, *media.images) if ref is not None]
    task = request.task
    messages = render(request.record, task, audio=request.audio, video=request.video, transcript=request.transcript)
    parts = {
        "record": request.record.id,
        "request": request.id,  # its random numbers follow from it
        "media": [{**ref.model_dump(exclude={"path"}), "sha256": _content(ref.path, hashes)} for ref in refs],
        "prompt": prompt_sha256(messages),
        "modalities": [request.audio, request.video, request.transcript],
        "sampling": sampling.to_dict(),
        "seed": request.seed,
        "grammar": grammar(task) if sampling.constrained and task.style != "text" else None,
        "identity": dict(identity),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _content(path: str, hashes: MediaHashes) -> str | None:
    """Return what tells a file's content from another's."""
    return elsewhere.version(path) if elsewhere.MARK in path else hashes.sha256(path)


def _stat(file: str) -> tuple[int, int] | str | None:
    if elsewhere.MARK in file:
        return elsewhere.version(file)
    try:
        stat = os.stat(file)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
