"""Decode in processes of their own, so that no file can hang or kill the program.

    with Decoders(2) as decoders:
        clip = decoders.decode("clip.mp4", frames=8)
        for job, clip in decoders.each(Job(path, partial(decode, path)) for path in paths):
            ...                        # a Clip or a MediaError, as they get ready

Each file has a deadline. A process that is over it is killed, one that dies is replaced, and the file is tried once more
(a busy machine, or another file's leak, may have been the cause). A file that was the end of two processes is in
quarantine: it isn't touched again, and its error says why (`timeout`, `decoder_died`).

Processes are started by name and not by `multiprocessing`, so that a script needs no `if __name__ == "__main__"`, and
live on from file to file: the start costs more than most clips. Does not: limit memory (the system kills, which is a
death like others), confine what a process may do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import LifoQueue
from threading import Lock
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from emollm.errors import EmoError, MediaError
from emollm.media.cache import ClipCache
from emollm.media.decode import Clip, decode

DEATHS = 2
START_S = 300.0  # a cold start on a busy machine
_READY = "ready"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Job(Generic[Result]):
    """What is to be done with a file: `call` is sent to a process, so it must be picklable."""

    path: str
    call: Callable[[], Result]


class Decoders:
    """Processes that decode; threads may share them. Started when first needed, ended by `close` or by leaving `with`.

    Args:
        n: How many.
        deadline_s: For one file.
        cache: Where decoded clips are kept; None keeps none.

    Attributes:
        quarantine: The files that were the end of two processes, each with its error.
    """

    def __init__(self, n: int = 1, deadline_s: float = 120.0, cache: ClipCache | None = None) -> None:
        if n < 1 or deadline_s <= 0:
            raise ValueError("n and deadline_s must be positive")
        self.quarantine: dict[str, MediaError] = {}
        self._n, self._deadline_s, self._cache = n, deadline_s, cache
        self._deaths: Counter[str] = Counter()
        self._running: set[_Process] = set()
        self._idle: LifoQueue[_Process | None] = LifoQueue()  # None: there is room for a process
        self._lock = Lock()
        self._closings = 0
        for _ in range(n):
            self._idle.put(None)

    def decode(self, path: Path | str, **settings: Any) -> Clip:
        """Do what `emollm.media.decode` does, in another process; the calling thread waits.

        Raises:
            MediaError: As `decode` does; also `timeout` and `decoder_died`.
        """
        how = decode if self._cache is None else self._cache.decode
        return self.run(Job(str(path), partial(how, path, **settings)))

    def run(self, job: Job[Result]) -> Result:
        """Do a job in another process and return its result.

        Raises:
            MediaError: What the job raises; also `timeout` and `decoder_died`.
            EmoError: The processes don't start, or were closed meanwhile.
        """
        closings = self._closings
        while job.path not in self.quarantine:
            reply = self._ask(job)
            if isinstance(reply, MediaError):
                raise reply
            if not isinstance(reply, _Death):
                return cast("Result", reply)
            if self._closings != closings:
                raise EmoError("the decoding processes were closed", job.path)
            self._count(job, reply)
        raise self.quarantine[job.path]

    def each(self, jobs: Iterable[Job[Result]]) -> Iterator[tuple[Job[Result], Result | MediaError]]:
        """Yield each job with its result, as they get ready; `jobs` are drawn only as processes are free.

        Raises:
            EmoError: The processes don't start.
        """
        queue = iter(jobs)
        asked: dict[Future[Result], Job[Result]] = {}
        threads = ThreadPoolExecutor(self._n, "decode")
        try:
            while True:
                for job in islice(queue, self._n - len(asked)):
                    asked[threads.submit(self.run, job)] = job
                if not asked:
                    return
                for future in wait(asked, return_when=FIRST_COMPLETED).done:
                    job, error = asked.pop(future), future.exception()
                    if error is not None and not isinstance(error, MediaError):
                        raise error
                    yield job, future.result() if error is None else error
        finally:
            if asked:  # whoever leaves the loop early doesn't want what is on its way
                self.close()
            threads.shutdown()

    def close(self) -> None:
        """End the processes; they start again when there is more to do."""
        with self._lock:
            self._closings += 1
            for process in self._running:
                process.kill()
            self._running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, job: Job[Any]) -> object:
        """Give a job to an idle process, which is idle again when it has replied, and return the reply."""
        process = self._idle.get()
        try:
            if process is None or not process.is_alive:
                process = _Process()
                with self._lock:
                    self._running.add(process)
            reply = process.ask(job.call, self._deadline_s)
            if isinstance(reply, _Death):
                with self._lock:
                    self._running.discard(process)
                process = None
            return reply
        finally:
            self._idle.put(process)

    def _count(self, job: Job[Any], death: _Death) -> None:
        """Count a death; a file's second one puts it into quarantine."""
        with self._lock:
            self._deaths[job.path] += 1
            if self._deaths[job.path] >= DEATHS:
                what, fix = f"{death.what}, {DEATHS} times", "export the clip again, or leave it out"
                self.quarantine[job.path] = MediaError(death.code, what, job.path, fix)


@dataclass(frozen=True)
class _Death:
    """Why there is no reply."""

    code: str
    what: str


class _Process:
    """One process and the connection to it."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "emollm.media.workers", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        theirs.close()
        if self._receive(START_S) != _READY:
            self.kill()
            raise EmoError("the decoding process doesn't start", sys.executable, "see its message above")

    @property
    def is_alive(self) -> bool:
        """Whether it hasn't ended."""
        return self._popen.poll() is None

    def ask(self, call: Callable[[], object], deadline_s: float) -> object:
        """Return what `call` gives there, or the process's death."""
        with suppress(OSError):  # it is dead, as the next line finds
            self._connection.send(call)
        reply = self._receive(deadline_s)
        if isinstance(reply, _Death):
            self.kill()
            self._connection.close()
        return reply

    def kill(self) -> None:
        """End it at once."""
        self._popen.kill()
        self._popen.wait()

    def _receive(self, deadline_s: float) -> object:
        try:
            if self._connection.poll(deadline_s):
                return self._connection.recv()
        except (EOFError, OSError):
            code = self._popen.wait()
            return _Death("decoder_died", f"the decoding process died (exit code {code})")
        return _Death("timeout", f"decoding took longer than {deadline_s:g} s")


def serve(connection: Connection) -> None:
    """Do the jobs that come over a connection until it is closed; errors are replies."""
    import resource
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which then ends this process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection.send(_READY)
    while True:
        try:
            call = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(_outcome(call))


def _outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except MediaError as error:
        return error
    except MemoryError:
        return MediaError("too_large", "there is not enough memory for this file", None, "give a span of it")
    except Exception as error:  # a bug of ours or of a decoder's: an error row, not the end of the run
        return MediaError("decode_failed", f"{type(error).__name__}: {error}", None, "report it, with the file")


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
