"""Clips are decoded in processes ahead of the engine, in a queue of bounded length; questions about one clip share what was decoded.

A clip that kills its decoder, or holds it up, becomes an error row (emollm/media/workers.py); the run goes on.
"""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

from emollm.engines import Engine, Request

QUEUED_CLIPS = 16
_POLL_S = 0.1


def decoded_ahead(
    requests: Generator[Request, None, None], engine: Engine, workers: int, keep: bool = False
) -> Generator[Request, None, None]:
    """Yield requests with their clips decoded, as these get ready.

    Args:
        requests: Questions about one clip follow each other. They are drawn in a thread of their own, and closed there.
        engine: Its `media` settings say how clips are decoded; for an engine without them nothing is decoded.
        workers: Clips decoded at once; 0 decodes nothing.
        keep: Keep decoded clips in the media cache, and take them from there (emollm/media/cache.py).
    """
    settings = getattr(engine, "media", None)
    if settings is None or workers == 0:
        with closing(requests):
            yield from requests
        return
    ready: queue.Queue[list[Request] | BaseException | None] = queue.Queue(QUEUED_CLIPS)
    stop = threading.Event()

    def put(item: list[Request] | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return ready.put(item, timeout=_POLL_S)
            except queue.Full:
                continue

    def fill() -> None:
        try:
            with closing(requests), closing(_decoded(requests, settings, workers, keep)) as groups:
                for group in groups:
                    put(group)
                    if stop.is_set():
                        return
            put(None)
        except BaseException as error:  # it belongs to whoever draws from the queue
            put(error)

    thread = threading.Thread(target=fill, name="decode", daemon=True)
    thread.start()
    try:
        while (group := ready.get()) is not None:
            if isinstance(group, BaseException):
                raise group
            yield from group
    finally:
        stop.set()
        thread.join()


def _decoded(
    requests: Iterable[Request], settings: Any, workers: int, keep: bool
) -> Generator[list[Request], None, None]:
    """Yield the questions about each clip, with what was decoded of it."""
    from emollm.batch.elsewhere import gather_anywhere
    from emollm.media.workers import Decoders, Job

    with tempfile.TemporaryDirectory(prefix="emollm-") as scratch, Decoders(workers) as processes:
        on_their_way: dict[int, list[Request]] = {}

        def jobs() -> Iterator[Job[Any]]:
            for _, group in groupby(requests, lambda r: (r.record, r.audio, r.video, r.transcript)):
                questions = list(group)
                media = questions[0].record.media
                ref = media.video or media.audio
                call = partial(gather_anywhere, questions[0], settings, scratch, keep)
                job = Job(ref.path if ref else questions[0].id, call)
                on_their_way[id(job)] = questions
                yield job

        for job, evidence in processes.each(jobs()):
            yield [replace(request, evidence=evidence) for request in on_their_way.pop(id(job))]
