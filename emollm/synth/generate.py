"""Write a set of synthetic clips: `emollm data make-synth --n 2000 --seed 0 -o DIR [--split all]`.

DIR/records.jsonl holds the records, DIR/media/ the clips, DIR/truth.jsonl the true parameters (for oracle.py; no model may read them) and
DIR/generator.json the hash of the generator. The same seed gives the same bytes on the same library versions. Clips are made by several
processes; files are written beside their place and renamed, and records.jsonl comes last.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from emollm.errors import EmoError
from emollm.records import Record, write_records
from emollm.synth.causal import SPLITS
from emollm.synth.mp4 import render
from emollm.synth.record import build_clip, media_name

SHARES = {"train": 0.7, "dev": 0.1, "test": 0.1, "sealed": 0.1}
MIN_SPEAKERS = 40
CLIPS_PER_SPEAKER = 20
NOT_THE_GENERATOR = ("__init__.py", "oracle.py", "measure.py")  # they read what is made, and change nothing in it


@dataclass(frozen=True)
class Made:
    """What `make_synth` wrote."""

    records: Path
    n: int
    clips_per_s: float
    generator_sha256: str


@cache
def generator_hash() -> str:
    """Return the SHA-256 over the generator's source and data files, names included."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in {".py", ".yaml"} and path.name not in NOT_THE_GENERATOR:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def split_sizes(n: int, split: str) -> dict[str, int]:
    """Return how many clips each split gets; with `all`, train takes what rounding leaves.

    Raises:
        EmoError: The split is unknown or n is not positive.
    """
    if n < 1:
        raise EmoError(f"{n} clips asked for", "make_synth", "ask for at least 1")
    if split == "all":
        others = {name: round(n * share) for name, share in SHARES.items() if name != "train"}
        return {"train": n - sum(others.values()), **others}
    if split not in SPLITS:
        raise EmoError(f"unknown split {split!r}", "make_synth", f"choose one of {', '.join(SPLITS)} or all")
    return {split: n}


def n_speakers(split: str, n: int) -> int:
    """Return how many speakers share n clips of a split."""
    return max(MIN_SPEAKERS, n // CLIPS_PER_SPEAKER) if split == "train" else MIN_SPEAKERS


def _make(task: tuple[str, int, int], out_dir: Path, seed: int, sha256: str) -> tuple[Record, dict[str, Any]]:
    split, index, speakers = task
    clip = build_clip(split, index, speakers, seed, sha256)
    wanted = out_dir / "media" / media_name(split, index, clip.truth)
    written = render(clip.script, wanted.with_suffix(""))
    if written != wanted:
        raise EmoError(
            f"the renderer wrote {written.name}", str(wanted), "script and record disagree about the clip's modalities"
        )
    return clip.record, clip.truth.to_dict()


def _results(
    make: Callable[..., Any], tasks: list[tuple[str, int, int]], workers: int
) -> Iterator[tuple[Record, dict[str, Any]]]:
    if workers <= 1:
        yield from map(make, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(make, tasks, chunksize=16)


def make_synth(
    out_dir: Path | str,
    n: int,
    seed: int = 0,
    split: str = "train",
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Make n synthetic clips with records, truth and the generator's hash.

    Args:
        out_dir: Folder to write to; made when missing. Files of the same name are replaced.
        n: Number of clips over all splits asked for.
        seed: Seed of the whole set; a clip depends on seed, split, its number and the number of speakers only.
        split: `train`, `dev`, `test`, `sealed`, or `all` (0.7 / 0.1 / 0.1 / 0.1).
        workers: Processes; 1 works in this one. More start fresh interpreters, so that a script needs its `__main__` guard.
        progress: Called with (done, n) after each clip.

    Raises:
        EmoError: The split is unknown or n is not positive.
    """
    out_dir = Path(out_dir)
    sizes = split_sizes(n, split)
    (out_dir / "media").mkdir(parents=True, exist_ok=True)
    tasks = [(name, index, n_speakers(name, size)) for name, size in sizes.items() for index in range(size)]
    sha256 = generator_hash()
    started = time.perf_counter()
    truths: list[str] = []
    records: list[Record] = []
    for record, truth in _results(partial(_make, out_dir=out_dir, seed=seed, sha256=sha256), tasks, workers):
        records.append(record)
        truths.append(json.dumps(truth, separators=(",", ":")))
        if progress:
            progress(len(records), n)
    _replace(out_dir / "truth.jsonl", "".join(f"{line}\n" for line in truths))
    facts = {
        "generator_sha256": sha256,
        "seed": seed,
        "sizes": sizes,
        "speakers": {name: n_speakers(name, size) for name, size in sizes.items()},
    }
    _replace(out_dir / "generator.json", json.dumps(facts, indent=1) + "\n")
    write_records(out_dir / "records.jsonl", records)
    return Made(out_dir / "records.jsonl", n, n / (time.perf_counter() - started), sha256)


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def read_truth(path: Path | str) -> list[dict[str, Any]]:
    """Read truth.jsonl, in the order of records.jsonl."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
