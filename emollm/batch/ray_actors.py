"""One run by several engines, each in a Ray actor, on this machine or on a cluster (`emollm label --executor ray --actors 2`).

    pool = RayActors(open_engine, actors=2, workers=2)
    for prediction in pool.run(todo, output): ...

The source is cut into shards by content. Ray Data hands them to its actors (`map_batches`; Moritz et al. 2018,
https://arxiv.org/abs/1712.05889), and each does with a shard what a run without Ray does with all rows: it appends answers to a file of the
shard, in the folder `out.parts`. From there this process takes them over as they come, into the one file that the user named. An actor that
dies is replaced, and the shard goes on from its file; a clip that engines die of becomes an error row (careful.py); after too many
deaths the run stops. If this process dies, the next run first takes over what the parts hold.

Nodes share a disk that holds source, clips (unless they lie elsewhere: s3://...) and output. Does not: tell Ray's makers about its use,
start a dashboard, put media into Ray's object store.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from emollm.batch.careful import Careful
from emollm.batch.output import Output, Settings, companions, keys_of
from emollm.batch.run import Todo, portion, run_rows
from emollm.engines import Engine
from emollm.errors import ConfigError, EmoError
from emollm.records import Prediction

SHARDS_PER_ACTOR = 8
MAX_DEATHS = 100
STORE_BYTES = 100 * 2**20  # numbers of shards are all that lies in it
POLL_S = 0.5
OpenEngine = Callable[[], Engine]

# Ray reads them when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # else Ray Data connects again when Ray is shut down under it
os.environ.setdefault(
    "RAY_BACKEND_LOG_LEVEL", "fatal"
)  # else how Ray Data makes actors is told as an error (ray#53727)


@dataclass(frozen=True)
class RayActors:
    """Engines in Ray actors; each takes a CPU, and a GPU where the cluster has any.

    Attributes:
        open_engine: Opens an engine; it is called in each actor.
        actors: Their number.
        workers: Processes that decode ahead, for each actor.
        max_deaths: Deaths of actors, all together, after which the run stops.
    """

    open_engine: OpenEngine
    actors: int
    workers: int
    max_deaths: int = MAX_DEATHS

    def identity(self) -> dict[str, Any]:
        """Open one engine in the cluster, and return what of it an answer depends on.

        Raises:
            ConfigError: Ray is not installed, or has no room for so many actors.
            EmoError: Ray does not start, or the engine cannot be opened.
        """
        ray, there = _started(), self._resources()
        room = int(there.get("GPU") or there.get("CPU", 0))
        if self.actors > room:
            what = f"there is room for {room}: each takes a CPU, and a GPU where there are any"
            raise ConfigError(what, f"--actors {self.actors}", "ask for fewer, or start Ray on more nodes")
        ask = ray.remote(num_cpus=1, num_gpus=int("GPU" in there), max_retries=0, max_calls=1)(_identity)
        try:
            return dict(ray.get(ask.remote(self.open_engine, os.getcwd())))
        except ray.exceptions.RayError as error:
            raise _told(error, "an engine cannot be opened in an actor") from None

    def run(self, todo: Todo, output: Output) -> Iterator[Prediction]:
        """Answer what is not done yet, as `run_rows` does; Ray is shut down afterwards.

        Raises:
            EmoError: An engine cannot be opened or dies too often, or a file cannot be written.
        """
        ray, parts = _started(), _Parts(output.path.with_suffix(".parts"))
        yield from parts.take_over(output)
        parts.clear()
        with ThreadPoolExecutor(1, "ray") as thread:
            work = thread.submit(self._work_off, todo, parts.folder, output)
            try:
                while not wait([work], POLL_S).done:
                    yield from parts.take_over(output)
                yield from parts.take_over(output)
            finally:
                ray.shutdown()  # ends the work, where the run is left early
        if error := work.exception():
            raise _told(error, "an actor failed")
        parts.clear()

    def _work_off(self, todo: Todo, parts: Path, output: Output) -> None:
        """Let Ray Data hand the shards to its actors."""
        from ray import data

        context, quiet = data.DataContext.get_current(), logging.getLogger("ray.data")
        context.enable_progress_bars = context.print_on_execution_start = False
        quiet.setLevel(logging.CRITICAL)  # errors are raised, too
        parts.mkdir()
        given = (self, todo, parts, output.path, output.purpose, os.getcwd())
        done = data.from_items(list(range(self.shards)), override_num_blocks=self.shards).map_batches(
            _Labeler,
            fn_constructor_args=given,
            batch_size=1,
            compute=data.ActorPoolStrategy(size=self.actors, max_tasks_in_flight_per_actor=1),
            num_cpus=1,
            num_gpus=int("GPU" in self._resources()),
        )
        for shard in done.iter_rows():
            if shard["error"]:
                raise pickle.loads(shard["error"])  # noqa: S301 (our own actors made it)

    @property
    def shards(self) -> int:
        """Number of parts that the source is cut into."""
        return self.actors * SHARDS_PER_ACTOR

    def _resources(self) -> dict[str, float]:
        return dict(_started().cluster_resources())


class _Parts:
    """The files that actors write, and how far each has been taken over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken: dict[Path, int] = {}

    def take_over(self, output: Output) -> Iterator[Prediction]:
        """Yield the whole lines that were added since the last time, each once written to `output`."""
        for part in sorted(self.folder.glob("*.jsonl")):
            with part.open("rb") as rows:
                rows.seek(self._taken.get(part, 0))
                for line in rows:
                    if not line.endswith(b"\n"):
                        break
                    answer = Prediction.model_validate_json(line)
                    if str(answer.key) not in output:
                        output.add(answer)
                        yield answer
                    self._taken[part] = self._taken.get(part, 0) + len(line)

    def clear(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._taken.clear()


class _Labeler:
    """One engine in an actor; it works shards off. Errors of ours are returned: of those that are raised, Ray keeps the text only."""

    def __init__(self, pool: RayActors, todo: Todo, parts: Path, whole: Path, purpose: str | None, folder: str) -> None:
        self._pool, self._todo, self._parts, self._whole = pool, todo, parts, whole
        self._purpose, self._folder = purpose, folder

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Answer what is not done yet of a shard."""
        (shard,) = batch["item"].tolist()
        error = b""
        try:
            self._work_off(shard)
        except EmoError as found:
            error = pickle.dumps(found)
        return {"error": [error]}

    def _work_off(self, shard: int) -> None:
        engine, done = self._opened
        mine = replace(
            self._todo, rows=lambda: portion(self._todo.rows(), shard + 1, self._pool.shards, salt=b"actors")
        )
        with (
            closing(Careful(engine, self._parts / f"{shard}.asked")) as careful,
            Output.open(self._parts / f"{shard}.jsonl", {}, self._purpose) as part,
        ):
            part.done.update(done)
            deque(run_rows(mine, careful, part, self._pool.workers), maxlen=0)

    @cached_property
    def _opened(self) -> tuple[Engine, dict[bytes, bool]]:
        """The engine, and the keys that were done before."""
        os.chdir(self._folder)  # where paths count from
        self._count_lives()
        engine = self._pool.open_engine()
        self._compare(engine.identity)
        files = zip((self._whole, companions(self._whole)[0]), (False, True), strict=True)
        return engine, {key: is_error for file, is_error in files for key in keys_of(file)}

    def _count_lives(self) -> None:
        """Raise when so many actors have died that Ray must not go on replacing them."""
        with (self._parts / "lives").open("ab") as lives:
            lives.write(b"1")
            born = lives.tell()
        if born - self._pool.actors > self._pool.max_deaths:
            what = f"actors died more than {self._pool.max_deaths} times, so the run was stopped"
            raise EmoError(what, "--executor ray", "see Ray's logs for the cause, such as too little memory")

    def _compare(self, identity: Settings) -> None:
        """Raise when this engine's answers do not go together with the others'."""
        wanted = self._todo.identity
        if other := sorted(name for name, value in identity.items() if wanted.get(name) != value):
            what = f"its engine differs from the first one in {', '.join(other)}, so their answers do not go together"
            raise ConfigError(what, f"node {os.uname().nodename}", "use nodes of one kind, with the same files")


def _started() -> Any:
    """Return Ray, started: on the cluster that RAY_ADDRESS names, else on this machine.

    Raises:
        ConfigError: Ray is not installed.
        EmoError: It does not start.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError("Ray is not installed", "--executor ray", "pip install 'emollm[ray]'") from None
    if not ray.is_initialized():
        here = {"address": "local", "object_store_memory": STORE_BYTES, "include_dashboard": False}
        how: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else here
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **how)
        except Exception as error:  # Ray has no class for this
            fix = "see its logs below /tmp/ray; on a busy machine its processes may have taken too long: try again"
            raise EmoError(f"Ray does not start ({_last_line(error)})", "--executor ray", fix) from None
    return ray


def _identity(open_engine: OpenEngine, folder: str) -> Settings:
    """Return what of an engine an answer depends on; runs in the cluster."""
    os.chdir(folder)
    return open_engine().identity


def _told(error: BaseException, what: str) -> EmoError:
    """Return our own error out of those that Ray has wrapped it into, or one that gives the last line of Ray's."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, EmoError):
            return inner
        inner = getattr(inner, "cause", None) or inner.__cause__
    return EmoError(f"{what} ({_last_line(error)})", "--executor ray", "try it without --executor ray; see Ray's logs")


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1][:300] if lines else type(error).__name__
