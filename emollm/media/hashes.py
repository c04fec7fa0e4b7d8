"""Hashes of media files, remembered by path, size and time of change, so that a restart does not read the media again."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from emollm.errors import MediaError
from emollm.media.probe import check_file
from emollm.paths import cache_dir


class MediaHashes:
    """The hashes of files' bytes (SHA-256), in a database that processes share; closed by leaving `with`.

    Args:
        file: The database; it is made when it is missing. None: the one in the user's cache folder.
    """

    def __init__(self, file: Path | None = None) -> None:
        file = cache_dir() / "media_sha256.sqlite" if file is None else file
        self._rows = sqlite3.connect(file, isolation_level=None, timeout=30)
        self._rows.execute("PRAGMA journal_mode = WAL")
        self._rows.execute("PRAGMA synchronous = NORMAL")  # what a crash forgets is hashed again
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS media (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT)"
        )

    def sha256(self, path: str | Path) -> str | None:
        """Return the hash of a file's bytes, or None when it is no file that can be read."""
        try:
            check_file(path)
            whole = os.path.realpath(path)
            status = os.stat(whole)
            found = self._rows.execute("SELECT size, mtime_ns, sha256 FROM media WHERE path = ?", (whole,)).fetchone()
            if found and found[:2] == (status.st_size, status.st_mtime_ns):
                return str(found[2])
            with open(whole, "rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except (OSError, MediaError):
            return None
        row = (whole, status.st_size, status.st_mtime_ns, digest)
        self._rows.execute("INSERT OR REPLACE INTO media VALUES (?, ?, ?, ?)", row)
        return digest

    def close(self) -> None:
        """Close the database."""
        self._rows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
