"""What answers behind the gateway: engines, each under the name of its model, driven from threads.

A local engine answers one request after the other (one thread); the client of a server (vLLM) has many under way. A generator that is
abandoned, because its client went away or the time is up, is closed at its next piece, which stops the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from emollm.engines import Engine, Finish, Request, Sampling
from emollm.records import Prediction

Result = TypeVar("Result")


class Backend(Protocol):
    """What the gateway needs of what answers."""

    @property
    def models(self) -> Sequence[str]:
        """Names of the models; the first is the usual one."""
        ...

    async def is_ready(self) -> bool:
        """Tell whether answers can be given now."""
        ...

    async def answer(self, model: str, requests: Sequence[Request], sampling: Sampling) -> list[Prediction]:
        """Answer requests, in their order."""
        ...

    def stream(self, model: str, request: Request, sampling: Sampling) -> AsyncIterator[str | Finish]:
        """Answer one request piece by piece; the last piece is a `Finish`."""
        ...

    async def close(self) -> None:
        """Free what is held."""
        ...


class EngineBackend:
    """Engines in this process: a model of its own, or the client of a server.

    Args:
        engines: An engine for each model's name.
        threads: Requests under way at once; 1 for engines that compute here.
        alive: Tells whether what the engines rely on is there; None: it is.
    """

    def __init__(
        self, engines: Mapping[str, Engine], threads: int = 1, alive: Callable[[], bool] | None = None
    ) -> None:
        self._engines, self._alive = dict(engines), alive
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="engine")

    @property
    def models(self) -> Sequence[str]:
        """Names of the models."""
        return tuple(self._engines)

    async def is_ready(self) -> bool:
        """Tell whether the server behind the engines, if there is one, is alive."""
        return self._alive is None or await asyncio.to_thread(self._alive)

    async def answer(self, model: str, requests: Sequence[Request], sampling: Sampling) -> list[Prediction]:
        """Answer requests, in their order."""
        engine, wanted = self._engines[model], True

        def work() -> list[Prediction]:
            found: dict[str, Prediction] = {}
            for prediction in engine.generate(requests, sampling) if wanted else ():
                found[prediction.id] = prediction
                if not wanted:
                    break
            return [found[request.id] for request in requests if request.id in found]

        try:
            return await self._run(work)
        finally:
            wanted = False

    async def stream(self, model: str, request: Request, sampling: Sampling) -> AsyncIterator[str | Finish]:
        """Answer one request piece by piece; the last piece is a `Finish`."""
        pieces = self._engines[model].stream(request, sampling)
        piece: str | Finish = ""
        try:
            while isinstance(piece, str):
                piece = await self._run(lambda: _next(pieces))
                yield piece
        finally:
            close = getattr(pieces, "close", None)  # any iterator will do; generators can be stopped
            if close is not None:
                self._threads.submit(close)

    async def close(self) -> None:
        """Wait for what is under way, and close the engines."""
        await asyncio.to_thread(self._threads.shutdown)
        for engine in self._engines.values():
            engine.close()

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _next(pieces: Iterator[str]) -> str | Finish:
    """Return the next piece, or the end, which engines return from their generators."""
    try:
        return next(pieces)
    except StopIteration as end:
        return end.value or Finish()
