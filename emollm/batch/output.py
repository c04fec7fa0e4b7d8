"""The files of a run: `out.jsonl` holds the answers, `out.bad.jsonl` the error rows, `out.manifest.json` what the run was told to do.

Rows are only ever appended, each whole with its newline; a last line without one is torn, and cut off when the run goes on. A row that does
not fit on the disk is taken back before the error is told. One file holds one kind of run: other settings than the manifest's are refused.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from emollm import __version__
from emollm.errors import ConfigError, EmoError
from emollm.jsonl import to_line
from emollm.paths import whole_file
from emollm.records import Prediction

Settings = Mapping[str, Any]
KEY_BYTES = 16  # of the 32 of a key: enough to tell rows apart, and half the memory
_ROW = re.compile(rb'\{"schema":"emollm\.prediction/1",.*"key":"([0-9a-f]{64})","provenance":\{.*\}\n', re.DOTALL)


class Output:
    """The three files of a run, held by one process at a time. Made by `Output.open`, closed by leaving `with`.

    Attributes:
        path: The answers.
        purpose: What they are for; each one carries it.
        done: Keys of rows that are there, as `short` gives them, each with whether it is an error row.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path, self.manifest = path, manifest
        self.purpose: str | None = manifest["purpose"]
        self.bad_path, self.manifest_path = companions(path)
        self.done: dict[bytes, bool] = {}
        self._closing = ExitStack()

    @classmethod
    def open(cls, path: Path, settings: Settings, purpose: str | None = None, *, retry_failed: bool = False) -> Self:
        """Open a new run, or go on with one that has the same settings.

        Args:
            path: File of the answers.
            settings: All that the answers of this run have in common.
            purpose: What the answers are for, as the user states it.
            retry_failed: Drop the error rows, so that their clips are asked about again.

        Raises:
            ConfigError: The file belongs to another run, or another process is writing it.
        """
        if path.suffix != ".jsonl":
            raise ConfigError("predictions are written as JSONL", str(path), "give a name that ends in .jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        manifest = {
            "schema": "emollm.manifest/1",
            "emollm": __version__,
            "settings": json.loads(json.dumps(settings)),
            "purpose": purpose,
            "started": _now(),
        }
        output = cls(path, manifest)
        try:
            output._start(retry_failed)
        except BaseException:
            output._closing.close()
            raise
        return output

    def __contains__(self, key: str) -> bool:
        return short(key) in self.done

    @property
    def errors(self) -> int:
        """Number of error rows."""
        return sum(self.done.values())

    def add(self, prediction: Prediction) -> int:
        """Append one row, whole, and return its bytes.

        Raises:
            EmoError: It cannot be written, such as on a full disk; the file is as it was before.
        """
        is_bad = prediction.status == "error"
        line = to_line(prediction).encode() + b"\n"
        _append(self._bad if is_bad else self._good, line)
        self.done[short(str(prediction.key))] = is_bad
        return len(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._closing, suppress(*(() if kind is None else (OSError,))):
            self._write_manifest("done" if kind is None else "interrupted")

    def _start(self, retry_failed: bool) -> None:
        """Lock the files, cut torn lines off, and read what is done."""
        is_new = not self.path.exists() and not self.bad_path.exists()
        self._good = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._closing.callback(os.close, self._good)
        try:
            fcntl.flock(self._good, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                "another run is writing this file", str(self.path), "wait, or give another name"
            ) from None
        if not is_new:
            self._check_manifest()
        dropped = os.O_TRUNC if retry_failed else 0
        self._bad = os.open(self.bad_path, os.O_RDWR | os.O_CREAT | os.O_APPEND | dropped, 0o644)
        self._closing.callback(os.close, self._bad)
        for file, is_bad in ((self.path, False), (self.bad_path, True)):
            cut_torn_line(file)
            self.done.update((key, is_bad) for key in keys_of(file))
        self._write_manifest("running")

    def _check_manifest(self) -> None:
        """Refuse to go on with a file that another kind of run has made."""
        fix = "give another name, or move the old files away"
        try:
            before = json.loads(self.manifest_path.read_text(encoding="utf-8"))
            settings = dict(before["settings"])
        except (OSError, ValueError, KeyError, TypeError):
            what = f"there are rows, but {self.manifest_path.name} is missing or unreadable"
            raise ConfigError(what, str(self.path), fix) from None
        now = self.manifest["settings"]
        changed = sorted(key for key in settings.keys() | now.keys() if settings.get(key) != now.get(key))
        if changed:
            shown = "; ".join(f"{key}: {settings.get(key)!r} then, {now.get(key)!r} now" for key in changed)
            raise ConfigError(f"this file was made with other settings ({shown})", str(self.path), fix)
        self.manifest["started"] = before.get("started")

    def _write_manifest(self, state: str) -> None:
        counts = {"answers": len(self.done) - self.errors, "errors": self.errors}
        data = {**self.manifest, "state": state, "counts": counts, "updated": _now()}
        with whole_file(self.manifest_path) as out:
            out.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def companions(path: Path) -> tuple[Path, Path]:
    """Return the file of error rows and the manifest that belong to a file of answers."""
    return path.with_name(f"{path.stem}.bad.jsonl"), path.with_name(f"{path.stem}.manifest.json")


def short(key: str) -> bytes:
    """Return what is kept in memory of a key."""
    return bytes.fromhex(key[: 2 * KEY_BYTES])


def cut_torn_line(path: Path) -> None:
    """Cut what stands after the last newline: a row that was not written whole."""
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            end = start
        file.truncate(0)


def _append(file: int, line: bytes) -> None:
    """Write a whole line at the end, or take back what was written of it."""
    before, rest = os.lseek(file, 0, os.SEEK_END), memoryview(line)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except OSError as error:
        os.ftruncate(file, before)
        fix = "make room, then give the same command again: it goes on from here"
        raise EmoError(f"a row cannot be written ({error.strerror})", f"byte {before} of the output", fix) from None


def keys_of(path: Path) -> Iterator[bytes]:
    """Yield the keys of the rows of a file, as `short` gives them; a last line that is still being written is left out.

    Rows are as `to_line` writes them: parsing two million would take a minute.

    Raises:
        ConfigError: A line is no row.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            row = _ROW.fullmatch(line)
            if row is None:
                fix = "take this line out, or give another name"
                raise ConfigError("this line is no prediction with a key", f"{path}:{number}", fix)
            yield bytes.fromhex(row[1][: 2 * KEY_BYTES].decode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
