"""`emollm label`: clips in, emotion labels out. What a run of many clips needs (resume, error rows) is in emollm/batch/."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emollm.cli import label_run, options

if TYPE_CHECKING:
    from emollm.records import Prediction

EXAMPLES = """Examples:

  emollm label clip.mp4

  emollm label clips/ -o labels.jsonl

  emollm label "takes/*.wav" --labels calm,worried,angry --format csv

  emollm label records.jsonl --task explain --model runs/tiny-sft -o out.jsonl

  emollm label records.parquet --task labels --task explain -o out.parquet --shard 2/8 --max-failed 20

  emollm label records.jsonl -o out.jsonl --executor ray --actors 2
"""
_LISTED = 20


class TaskName(StrEnum):
    """What an answer holds: labels; also cues; also an explanation; also a confidence."""

    LABELS = "labels"
    CUES = "cues"
    EXPLAIN = "explain"
    FULL = "full"


class Format(StrEnum):
    """How answers are printed."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


Paths = Annotated[
    list[str], typer.Argument(help="Media files, folders, globs, or records files (.jsonl, .parquet); here or s3://...")
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Predictions (.jsonl or .parquet); an interrupted run goes on there."),
]


def label(
    paths: Paths,
    output: Output = None,
    model: options.Model = "tiny",
    engine: options.Engine = options.EngineName.HF,
    base_url: options.BaseUrl = None,
    adapter: label_run.Adapter = None,
    distribution: options.Distribution = None,
    task: Annotated[
        list[TaskName] | None, typer.Option("--task", help="How much an answer holds; several ask several questions.")
    ] = None,
    labels: options.Labels = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="What is printed; default: table, and nothing with -o.")
    ] = None,
    transcript: options.Transcript = None,
    no_audio: options.NoAudio = False,
    no_video: options.NoVideo = False,
    seed: options.Seed = 0,
    temperature: options.Temperature = 0.0,
    batch_size: label_run.BatchSize = 8,
    window_s: label_run.Window = None,
    hop_s: label_run.Hop = None,
    purpose: label_run.Purpose = None,
    purpose_exception: label_run.PurposeException = None,
    commercial: label_run.Commercial = False,
    shard: label_run.Shard = None,
    retry_failed: label_run.RetryFailed = False,
    max_failed: label_run.MaxFailed = None,
    estimate: label_run.Estimate = False,
    workers: label_run.Workers = 2,
    keep_decoded: label_run.KeepDecoded = False,
    executor: label_run.Where = label_run.Executor.LOCAL,
    actors: label_run.Actors = None,
) -> None:
    """Say which emotions the person in each clip appears to express. Clips that cannot be used are listed; the others go on."""
    from functools import partial

    from emollm.api import Options, open_engine
    from emollm.engines.checkpoints import allow_commercial
    from emollm.purpose import check_purpose

    check_purpose(purpose, purpose_exception)
    if commercial:
        allow_commercial(model, engine.value, [adapter] if adapter else [])
    tasks = [name.value for name in task or [TaskName.LABELS]]
    asked = Options(options.split_labels(labels), None, not no_audio, not no_video, seed, temperature)
    rows = label_run.rows_of(paths, transcript, window_s, hop_s)
    opened = partial(
        open_engine, model, batch_size, engine=engine.value, base_url=base_url, distribution=distribution, adapter=adapter,
    )  # fmt: skip
    show = partial(_follow, show=_printer(format_ or (Format.TABLE if output is None else None)))
    files = label_run.Files(
        output, purpose, shard, retry_failed, max_failed, estimate, workers, batch_size, keep_decoded, executor, actors
    )
    raise typer.Exit(label_run.run(rows, tasks, asked, opened, files, show))


def _follow(answers: Iterator[Prediction], show: Callable[[Prediction | None], None]) -> int:
    """Print answers as they come and list the failed ones at the end, also after Ctrl-C; return how many failed."""
    from emollm.report.tables import plain

    failed: list[str] = []  # the first of them
    n_failed, valid_for = 0, set[str]()
    try:
        for answer in answers:
            show(answer)
            if answer.error is not None:
                n_failed += 1
                if n_failed <= _LISTED:
                    failed.append(plain(f"{answer.id}: {answer.error.what} ({answer.error.code})"))
            elif answer.provenance.valid_for:
                valid_for.add(answer.provenance.valid_for)
    finally:
        show(None)
        for line in failed:
            typer.echo(f"failed: {line}", err=True)
        if n_failed > _LISTED:
            typer.echo(f"... and {n_failed - _LISTED} more failed", err=True)
        for kind in sorted(valid_for):
            typer.echo(f"This model's answers are valid for {kind} clips only.", err=True)
    return n_failed


def _printer(format_: Format | None) -> Callable[[Prediction | None], None]:
    """Return what prints one answer, and the end (None): lines at once, a table when all is there."""
    import sys

    from emollm.jsonl import to_line
    from emollm.report.tables import COLUMNS, csv_cells, csv_line, print_table

    rows: list[Prediction] = []

    def show(answer: Prediction | None) -> None:
        if format_ is Format.JSONL and answer is not None:
            typer.echo(to_line(answer))
        elif format_ is Format.CSV and answer is not None:
            typer.echo(csv_line(csv_cells(answer)), nl=False)
        elif format_ is Format.TABLE and answer is not None:
            rows.append(answer)
        elif rows:
            print_table(rows, sys.stdout)

    if format_ is Format.CSV:
        typer.echo(csv_line(COLUMNS), nl=False)
    return show
