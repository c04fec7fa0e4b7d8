"""Answers to many requests, written as they come, so that an interrupted run can go on.

    with Output.open(Path("out.jsonl"), settings) as output:
        for prediction in run(requests, engine, sampling, output): ...

Three files: `out.jsonl` holds the answers, `out.bad.jsonl` the error rows, `out.manifest.json` what the run was told to do and how far it
came. Rows are only ever appended, each in one write with its newline; a last line without one is torn, and cut off when the run goes on.
A row's key is a hash of all that its answer depends on, so what is done is known by content: a clip whose bytes have changed is asked
about again. Error rows count as done, too: mend the clip, or remove `out.bad.jsonl` to try again.

One file holds one kind of run: other settings than the manifest's are refused. Does not: shard, retry, run engines in parallel.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from emollm import __version__
from emollm.engines import Engine, Request, Sampling
from emollm.errors import ConfigError
from emollm.jsonl import to_line
from emollm.paths import cache_dir
from emollm.prompts import grammar, prompt_sha256, render
from emollm.records import Prediction

Settings = Mapping[str, Any]


class MediaHashes:
    """Hashes of media files, remembered by path, size and time of change, so that a restart does not read the media again.

    Args:
        file: The database; it is made when it is missing.
    """

    def __init__(self, file: Path) -> None:
        self._rows = sqlite3.connect(file, isolation_level=None, timeout=30)
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS media (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT)"
        )

    def sha256(self, path: str | Path) -> str | None:
        """Return the hash of a file's bytes, or None when it cannot be read."""
        try:
            whole = os.path.realpath(path)
            stat = os.stat(whole)
            found = self._rows.execute("SELECT size, mtime_ns, sha256 FROM media WHERE path = ?", (whole,)).fetchone()
            if found and found[:2] == (stat.st_size, stat.st_mtime_ns):
                return str(found[2])
            with open(whole, "rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return None
        row = (whole, stat.st_size, stat.st_mtime_ns, digest)
        self._rows.execute("INSERT OR REPLACE INTO media VALUES (?, ?, ?, ?)", row)
        return digest

    def close(self) -> None:
        """Close the database."""
        self._rows.close()


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
        "request": request.id,
        "media": [{**ref.model_dump(exclude={"path"}), "sha256": hashes.sha256(ref.path)} for ref in refs],
        "prompt": prompt_sha256(messages),
        "modalities": [request.audio, request.video, request.transcript],
        "sampling": sampling.to_dict(),
        "seed": request.seed,
        "grammar": grammar(task) if sampling.constrained and task.style != "text" else None,
        "identity": dict(identity),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Output:
    """The three files of a run, held by one process at a time. Made by `Output.open`, closed by leaving `with`.

    Attributes:
        path: The answers.
        done: Keys of rows that are there, each with whether it is an error row.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path, self.manifest = path, manifest
        self.bad_path, self.manifest_path = companions(path)
        self.done: dict[str, bool] = {}
        self._closing = ExitStack()

    @classmethod
    def open(cls, path: Path, settings: Settings, purpose: str | None = None) -> Self:
        """Open a new run, or go on with one that has the same settings.

        Args:
            path: File of the answers.
            settings: All that the answers of this run have in common.
            purpose: What the answers are for, as the user states it.

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
            output._start()
        except BaseException:
            output._closing.close()
            raise
        return output

    def add(self, prediction: Prediction) -> None:
        """Append one row, whole."""
        is_bad = prediction.status == "error"
        file = self._bad if is_bad else self._good
        file.write(to_line(prediction).encode() + b"\n")
        file.flush()
        self.done[str(prediction.key)] = is_bad

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write_manifest("done" if kind is None else "interrupted")
        self._closing.close()

    def _start(self) -> None:
        """Lock the files, cut torn lines off, and read what is done."""
        is_new = not self.path.exists() and not self.bad_path.exists()
        self._good = self._closing.enter_context(self.path.open("ab"))
        try:
            fcntl.flock(self._good, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                "another run is writing this file", str(self.path), "wait, or give another name"
            ) from None
        if not is_new:
            self._check_manifest()
        self._bad = self._closing.enter_context(self.bad_path.open("ab"))
        for file, is_bad in ((self.path, False), (self.bad_path, True)):
            cut_torn_line(file)
            self.done.update(dict.fromkeys(_keys(file), is_bad))
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
        """Write the manifest beside its place, then move it there."""
        failed = sum(self.done.values())
        counts = {"answers": len(self.done) - failed, "errors": failed}
        data = {**self.manifest, "state": state, "counts": counts, "updated": _now()}
        beside = self.manifest_path.with_suffix(".json.part")
        beside.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        os.replace(beside, self.manifest_path)


def companions(path: Path) -> tuple[Path, Path]:
    """Return the file of error rows and the manifest that belong to a file of answers."""
    return path.with_name(f"{path.stem}.bad.jsonl"), path.with_name(f"{path.stem}.manifest.json")


def run(
    requests: Iterable[Request], engine: Engine, identity: Settings, sampling: Sampling, output: Output
) -> Iterator[Prediction]:
    """Answer the requests that are not done yet; each prediction is on disk before it is yielded.

    Args:
        requests: What is asked; ids are unique.
        engine: Who answers.
        identity: The engine's model and settings, as keys hold them.
        sampling: How answers are drawn.
        output: Where rows are written.
    """
    keys: dict[str, str] = {}

    def pending(hashes: MediaHashes) -> Iterator[Request]:
        for request in requests:
            key = request_key(request, sampling, identity, hashes)
            if key not in output.done:
                keys[request.id] = key
                yield request

    hashes = MediaHashes(cache_dir() / "media_sha256.sqlite")
    try:
        for prediction in engine.generate(pending(hashes), sampling):
            keyed = prediction.model_copy(update={"key": keys.pop(prediction.id)})
            output.add(keyed)
            yield keyed
    finally:
        hashes.close()


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


def _keys(path: Path) -> Iterator[str]:
    """Yield the keys of the rows of a file."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield str(json.loads(line)["key"])
            except (ValueError, KeyError, TypeError):
                fix = "take this line out, or give another name"
                raise ConfigError("this line is no prediction with a key", f"{path}:{number}", fix) from None


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
