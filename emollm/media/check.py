"""Decode every file of a set once, to find what is bad and to fill the cache.

Each file is read in a process of its own (`workers.py`), so that one that hangs or kills is a row like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Literal

from emollm.errors import MediaError
from emollm.jsonl import Row
from emollm.media.cache import ClipCache
from emollm.media.decode import part_of
from emollm.media.workers import Decoders, Job
from emollm.records import Failure, MediaRef


class Checked(Row):
    """What became of one file: `error` where it cannot be used, `flags` where it isn't as it should be."""

    path: str
    start_s: float | None = None
    end_s: float | None = None
    status: Literal["ok", "flagged", "error"]
    error: Failure | None = None
    flags: tuple[str, ...] = ()


def check(refs: Iterable[MediaRef], decoders: Decoders, frames: int = 8, max_side_px: int = 512) -> Iterator[Checked]:
    """Decode files, or parts of them, through the cache; yield what became of each, as they get ready.

    Args:
        refs: What to decode; what is named twice is decoded once.
        decoders: The processes that decode.
        frames: Pictures of a clip.
        max_side_px: Their longer side at most.
    """
    cache = ClipCache()
    jobs = {
        (ref.path, ref.start_s, ref.end_s, ref.crop): Job(
            ref.path, partial(_flags, cache, ref, frames=frames, max_side_px=max_side_px)
        )
        for ref in refs
    }
    places = {id(job): place for place, job in jobs.items()}
    for job, found in decoders.each(jobs.values()):
        path, start_s, end_s, _ = places[id(job)]
        if isinstance(found, MediaError):
            error = Failure(code=found.code, what=found.what, fix=found.fix)
            yield Checked(path=path, start_s=start_s, end_s=end_s, status="error", error=error)
        else:
            status: Literal["flagged", "ok"] = "flagged" if found else "ok"
            yield Checked(path=path, start_s=start_s, end_s=end_s, status=status, flags=found)


def _flags(cache: ClipCache, ref: MediaRef, frames: int, max_side_px: int) -> tuple[str, ...]:
    """Decode a file into the cache; only its flags come back."""
    clip = cache.decode(ref.path, frames=frames, max_side_px=max_side_px, **part_of(ref))
    return clip.flags
