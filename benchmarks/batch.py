"""What `emollm label -o` adds to its engine, measured with an engine that answers at once: rate, memory, and how quick a restart is.

    python benchmarks/batch.py [--keys 2000000] [--small 1000] [--large 10000]

Limits that the project keeps: a run of 2,000,000 records that are all done but one restarts in 60 s and 2 GB; peak memory of a run over
the large number of records is at most 1.1 times that over the small one. Each measurement runs in a fresh process. Records are segments of
a thousand clips, a sentence each, in a JSONL file. `cpu_s` leaves out what else the machine does, `wall_s` does not. Labelling `keys`
records comes first, and takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

CLIPS = 1000
CLIP_S = 4.0


def main() -> None:
    """Run all and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=2_000_000)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--large", type=int, default=10_000)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one)))
        return
    found: dict[str, Any] = {}
    for name in ("small", "large", "keys"):
        with tempfile.TemporaryDirectory() as folder:
            size = getattr(given, name)
            write_records(Path(folder), size)
            found[name] = {"records": size, **_apart(folder)}
            if name == "keys":
                write_segments(Path(folder), size, size + 1, "a")
                found["restart"] = _apart(folder)
    found["rss_ratio"] = round(found["large"]["rss_mb"] / found["small"]["rss_mb"], 3)
    print(json.dumps(found, indent=1))


def measure(folder: Path) -> dict[str, float]:
    """Label what is not done yet; return new rows, CPU and wall seconds and peak RSS (MB)."""
    from emollm.batch import Output, Todo, count_rows, run_rows
    from emollm.data.sources import find_rows
    from emollm.engines import Request, Sampling
    from emollm.engines.fake import FakeEngine
    from emollm.prompts import TASKS

    class Answering(FakeEngine):
        """Keeps no list of what it was asked."""

        def __init__(self) -> None:
            super().__init__()
            self.asked = _Forgetful()

    engine, new = Answering(), 0
    rows = partial(find_rows, [folder / "records.jsonl"])
    cpu_s, wall_s = time.process_time(), time.monotonic()
    count_rows(rows())
    with Output.open(folder / "out.jsonl", {}) as output:
        todo = Todo(rows, lambda record: [Request(record.id, record, TASKS["labels"])], engine.identity, Sampling())
        for _ in run_rows(todo, engine, output):
            new += 1
    return {
        "new": new,
        "cpu_s": round(time.process_time() - cpu_s, 2),
        "wall_s": round(time.monotonic() - wall_s, 2),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


class _Forgetful(list[str]):
    def append(self, item: str) -> None:
        """Take nothing in."""


def write_records(folder: Path, size: int) -> None:
    """Write the clips and `size` records about segments of them."""
    (folder / "clips").mkdir()
    for clip in range(CLIPS):
        (folder / "clips" / f"{clip}.mp4").write_text(str(clip))
    write_segments(folder, 0, size, "w")


def write_segments(folder: Path, start: int, end: int, mode: str) -> None:
    """Write the records from `start` to `end`."""
    with (folder / "records.jsonl").open(mode, encoding="utf-8") as out:
        for number in range(start, end):
            from_s = number // CLIPS * CLIP_S
            video = {"path": f"clips/{number % CLIPS}.mp4", "start_s": from_s, "end_s": from_s + CLIP_S}
            text = [{"text": f"Sentence number {number}, said calmly.", "lang": "en"}]
            record = {"id": f"bench:train:{number:08d}", "split": "train", "media": {"video": video}, "text": text}
            out.write(json.dumps({"schema": "emollm.record/1", **record}) + "\n")


def _apart(folder: str) -> dict[str, Any]:
    """Measure in a fresh process, with a cache of its own."""
    call = [sys.executable, __file__, "--one", folder]
    env = {**os.environ, "EMOLLM_CACHE": str(Path(folder, "cache"))}
    return dict(json.loads(subprocess.run(call, check=True, capture_output=True, text=True, env=env).stdout))


if __name__ == "__main__":
    main()
