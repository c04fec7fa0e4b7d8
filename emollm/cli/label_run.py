"""What `emollm label` does with many clips: with -o they go through emollm/batch/, which writes each answer as it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from emollm.api import Options
    from emollm.batch import Output, Row, Todo
    from emollm.batch.estimate import Estimate as Cost
    from emollm.data.sources import RawRecord
    from emollm.engines import Engine, Request
    from emollm.records import Prediction, Record


class Executor(StrEnum):
    """Where engines run: one here, or one in each Ray actor."""

    LOCAL = "local"
    RAY = "ray"


Adapter = Annotated[
    Path | None, typer.Option("--adapter", help="Folder of a LoRA adapter of the model, for --engine vllm.")
]
Purpose = Annotated[
    str | None, typer.Option("--purpose", help="With -o: what the answers are for; each one carries it.")
]
PurposeException = Annotated[
    str | None,
    typer.Option("--purpose-exception", help="Why work or education is allowed: 'safety: ...', 'medical: ...'."),
]
Commercial = Annotated[
    bool,
    typer.Option("--commercial", help="Refuse a model whose licences (data, weights) do not allow commercial use."),
]
Shard = Annotated[str | None, typer.Option("--shard", help="Label part i of n, such as 2/8; writes out.2-of-8.jsonl.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Ask again about clips that ended as error rows.")]
MaxFailed = Annotated[
    float | None,
    typer.Option("--max-failed", min=0, max=100, help="Stop when more than this percentage of the clips fails."),
]
Estimate = Annotated[
    bool, typer.Option("--estimate", help="Label a sample, say what time and disk the rest will take, and stop.")
]
Workers = Annotated[
    int, typer.Option("--workers", min=1, help="With -o: processes that decode clips ahead of the model.")
]
KeepDecoded = Annotated[
    bool,
    typer.Option(
        "--keep-decoded", help="With -o: keep decoded clips for the next run over them (at most 20 GB, as JPEG)."
    ),
]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Clips answered at once.")]
Window = Annotated[
    float | None, typer.Option("--window-s", min=0.1, help="Cut long recordings into windows of so many seconds.")
]
Hop = Annotated[
    float | None, typer.Option("--hop-s", min=0.1, help="Seconds from window to window; default: --window-s.")
]
Where = Annotated[
    Executor, typer.Option("--executor", help="With -o: local (one engine, here), or ray (one in each Ray actor).")
]
Actors = Annotated[
    int | None, typer.Option("--actors", min=1, help="Engines at once, with --executor ray; default: 2.")
]
Rows = Callable[[], "Iterable[Row]"]
Follow = Callable[["Iterator[Prediction]"], int]
Answer = Callable[["Todo", "Output"], "Iterator[Prediction]"]


@dataclass(frozen=True)
class Files:
    """The options of runs that are written to files; see the help texts above."""

    output: Path | None
    purpose: str | None
    shard: str | None
    retry_failed: bool
    max_failed: float | None
    estimate: bool
    workers: int
    batch_size: int
    keep: bool
    executor: Executor
    actors: int | None

    def part(self) -> tuple[int, int]:
        """Return i and n of the shard.

        Raises:
            ConfigError: It is no `i/n`.
        """
        from emollm.errors import ConfigError

        part, _, parts = (self.shard or "1/1").partition("/")
        if part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts):
            return int(part), int(parts)
        raise ConfigError(f"no shard: {self.shard!r}", "--shard", "part i of n, such as 1/8, 2/8, ..., 8/8")

    def place(self) -> Path:
        """Return the file that is written: the shard's, where there is one.

        Raises:
            ConfigError: It is of another kind than we write.
        """
        from emollm.errors import ConfigError

        if self.output is None or self.output.suffix not in (".jsonl", ".parquet"):
            fix = "give a name that ends in .jsonl or .parquet"
            raise ConfigError("predictions are written as JSONL or parquet", str(self.output), fix)
        part, parts = self.part()
        return self.output if parts == 1 else self.output.with_stem(f"{self.output.stem}.{part}-of-{parts}")

    def check_executor(self) -> None:
        """Refuse options that do not go together with where engines run.

        Raises:
            ConfigError: There are such options.
        """
        from emollm.errors import ConfigError

        if self.executor is Executor.LOCAL and self.actors is not None:
            raise ConfigError("actors are Ray's", f"--actors {self.actors}", "add --executor ray")
        if self.executor is Executor.RAY and self.estimate:
            raise ConfigError("a sample is labelled by one engine", "--estimate", "leave --executor ray out")

    def need_output(self) -> None:
        """Refuse options that mean nothing without -o.

        Raises:
            ConfigError: There are such options.
        """
        from emollm.errors import ConfigError

        given = {
            "--purpose": self.purpose is not None,
            "--shard": self.shard is not None,
            "--retry-failed": self.retry_failed,
            "--max-failed": self.max_failed is not None,
            "--estimate": self.estimate,
            "--keep-decoded": self.keep,
            "--executor": self.executor is not Executor.LOCAL,
        }
        if named := ", ".join(name for name, is_given in given.items() if is_given):
            raise ConfigError("what this says is about an output file", named, "add -o out.jsonl")


def rows_of(paths: Sequence[str], transcript: Path | None, window_s: float | None, hop_s: float | None) -> Rows:
    """Return what reads the records that are labelled.

    Raises:
        ConfigError: There is not one clip for a transcript, or the windows leave gaps.
    """
    from emollm.data.sources import find_records, find_rows, raw, windowed, with_transcript
    from emollm.errors import ConfigError

    if hop_s is not None and window_s is None:
        raise ConfigError("there are no windows to hop with", "--hop-s", "add --window-s")
    rows: Callable[[], Iterable[RawRecord]] = partial(find_rows, paths)
    if transcript is not None:
        rows = partial(map, raw, with_transcript(find_records(paths), transcript))
    if window_s is not None:
        rows = partial(iter, list(windowed(rows(), window_s, hop_s or window_s)))
    return rows


def run(
    rows: Rows, tasks: Sequence[str], asked: Options, open_engine: Callable[[], Engine], files: Files, follow: Follow
) -> int:
    """Label the rows and return the exit code.

    Args:
        rows: Reads the source from its start.
        tasks: Names of the questions about each record.
        asked: How they are asked.
        open_engine: Opens the engine: when everything else is known to be right, for it takes long.
        files: Where answers go, and how.
        follow: Shows answers as they come, and returns how many failed.
    """
    from emollm.batch import Output, Todo, count_rows
    from emollm.batch.parquet import write_parquet
    from emollm.batch.progress import TooManyFailures

    ask = partial(_ask, tasks, asked)
    files.check_executor()
    if files.output is None:
        files.need_output()
        count_rows(_here_only(rows()))
        once = {row.id: row for row in rows()}
        requests = (request for row in once.values() for request in ask(row.record()))
        return int(follow(open_engine().generate(requests, asked.sampling())) > 0)
    path, mine = files.place(), partial(_part, rows, files.part())
    total = count_rows(mine()) * len(tasks)
    opened, answer, gpus = _executor(open_engine, files)
    identity = {**opened, **({"decoded": "kept"} if files.keep else {})}
    settings = {
        "task": "+".join(tasks), "labels": asked.labels, "audio": asked.audio, "video": asked.video, "seed": asked.seed,
        "sampling": asked.sampling().to_dict(), "model": identity,
    }  # fmt: skip
    answers = path.with_suffix(".jsonl")
    try:
        with Output.open(answers, settings, files.purpose, retry_failed=files.retry_failed) as out:
            todo = Todo(mine, ask, identity, asked.sampling(), files.keep)
            if files.estimate:
                typer.echo(_estimate(todo, answer, out, total, files, gpus).line())
                return 0
            _follow_to_end(todo, answer, out, total, files, follow)
    except TooManyFailures as error:
        typer.echo(f"emollm: {error}", err=True)
        return 1
    if path.suffix == ".parquet":
        write_parquet(answers, path)
    return int(out.errors > 0)


def _executor(open_engine: Callable[[], Engine], files: Files) -> tuple[dict[str, Any], Answer, int]:
    """Open what answers; return its model and settings, as keys hold them, how it is asked, and how many GPUs it keeps busy."""
    if files.executor is Executor.RAY:
        from emollm.batch.ray_actors import RayActors

        pool = RayActors(open_engine, files.actors or 2, files.workers)
        return pool.identity(), pool.run, 0
    from emollm.batch import run_rows

    engine = open_engine()
    return engine.identity, lambda todo, out: run_rows(todo, engine, out, files.workers), _gpus(engine)


def _follow_to_end(todo: Todo, answer: Answer, out: Output, total: int, files: Files, follow: Follow) -> None:
    """Label all rows; tell how it goes, and at the end, also after Ctrl-C (from which the same command goes on), how it went."""
    from emollm.batch import companions
    from emollm.batch.progress import Progress, stopping, watched

    before = len(out.done)
    progress = Progress(total, before)
    answers = watched(answer(todo, out), progress, partial(typer.echo, err=True))
    if files.max_failed is not None:
        answers = stopping(answers, progress, files.max_failed)
    try:
        follow(answers)
    finally:
        for line in progress.summary():
            typer.echo(line, err=True)
        typer.echo(
            f"{out.path}: {len(out.done) - before} new rows, {before} done before"
            + (f"; {out.errors} error rows in {companions(out.path)[0]}" if out.errors else ""),
            err=True,
        )


def _estimate(todo: Todo, answer: Answer, out: Output, total: int, files: Files, gpus: int) -> Cost:
    """Label a sample of about four batches, and tell what the rest costs."""
    from emollm.batch import portion
    from emollm.batch.estimate import SAMPLE_BATCHES, estimate

    every = max(1, (total - len(out.done)) // (SAMPLE_BATCHES * files.batch_size))
    sample = replace(todo, rows=lambda: portion(todo.rows(), 1, every, salt=b"sample"))
    return estimate(answer(sample, out), out, total, files.batch_size, gpus)


def _gpus(engine: Engine) -> int:
    """Return how many GPUs an engine keeps busy."""
    if engine.name not in ("hf", "vllm"):
        return 0
    import torch

    return int(torch.cuda.is_available())


def _here_only(rows: Iterable[Row]) -> Iterator[Row]:
    """Pass rows on whose clips lie on this machine.

    Raises:
        ConfigError: One lies elsewhere: only a run to files fetches clips.
    """
    from emollm.batch.elsewhere import MARK
    from emollm.errors import ConfigError

    for row in rows:
        if any(MARK in file for file in row.files):
            raise ConfigError("this clip lies elsewhere, and is fetched in runs to files only", row.where, "add -o")
        yield row


def _ask(tasks: Sequence[str], asked: Options, record: Record) -> list[Request]:
    """Return the questions about one record, each with an id of its own."""
    from emollm.api import json_task

    requests = [asked.request(record, json_task(task)) for task in tasks]
    return [request if i == 0 else replace(request, id=f"{request.id}\0{i}") for i, request in enumerate(requests)]


def _part(rows: Rows, part: tuple[int, int]) -> Iterator[Row]:
    from emollm.batch import portion

    return portion(rows(), *part)
