"""States of a probe's tower on disk: a clip goes through the tower once, whatever is asked about it, and by however many runs.

    states = KeptStates(TowerStates("hubert", "models/chinese-hubert-large"))
    vector = states(record)      # encoded, and kept; the next time it is read

A state is found by the bytes of the clip's file, by which part of it is meant, and by all that made it: the tower's weights and
configuration, and how the clip was prepared. Another file at the same path is another clip. What cannot be decoded is not kept: a file may
be mended. When the database reaches its limit nothing more is kept. Rows name the file, so that `emollm data purge` finds them.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

import numpy as np

from emollm.evaluation.probe import TowerStates
from emollm.media.hashes import MediaHashes
from emollm.paths import cache_dir
from emollm.records import MediaRef, Record

FORMAT = "emollm.probe_state/1"
LIMIT_PAGES = 500_000  # of 4096 bytes


class KeptStates:
    """A tower's states, from the disk where they are there.

    Args:
        tower: Makes those that are not.
        file: The database; it is made when it is missing. None: the one in the user's cache folder.
    """

    def __init__(self, tower: TowerStates, file: Path | None = None) -> None:
        self.tower = tower
        self._made_by = hashlib.sha256(json.dumps([FORMAT, tower.made_by], sort_keys=True).encode()).hexdigest()
        place = cache_dir() / "probe_states.sqlite" if file is None else file
        self._rows = sqlite3.connect(place, isolation_level=None, timeout=30)
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", f"max_page_count = {LIMIT_PAGES}"):
            self._rows.execute(f"PRAGMA {setting}")
        self._rows.execute("CREATE TABLE IF NOT EXISTS states (key TEXT PRIMARY KEY, path TEXT, state BLOB)")

    def __call__(self, record: Record) -> np.ndarray | None:
        """Return the mean state (width,); None for a clip without this modality, or one that cannot be decoded."""
        ref = self.tower.file_of(record)
        key = None if ref is None else self._key(ref)
        if ref is None or key is None:
            return self.tower(record)
        found = self._rows.execute("SELECT state FROM states WHERE key = ?", (key,)).fetchone()
        if found is not None:
            return np.frombuffer(found[0], "<f8")
        state = self.tower(record)
        if state is not None:
            with suppress(sqlite3.OperationalError):  # full: the next run encodes it again
                row = (key, os.path.realpath(ref.path), state.astype("<f8").tobytes())
                self._rows.execute("INSERT OR REPLACE INTO states VALUES (?, ?, ?)", row)
        return state

    def _key(self, ref: MediaRef) -> str | None:
        """Return the hash of all that a clip's state follows from; None where its file cannot be read."""
        with MediaHashes() as hashes:
            sha256 = hashes.sha256(ref.path)
        if sha256 is None:
            return None
        part = ref.model_dump(mode="json", exclude={"path", "has_audio"})
        return hashlib.sha256(json.dumps([self._made_by, sha256, part], sort_keys=True).encode()).hexdigest()
