"""`emollm label`: clips in, emotion labels out. What a run of many clips needs (resume, error rows) is in emollm/batch.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emollm.cli import options

if TYPE_CHECKING:
    from emollm.records import Prediction, Record

EXAMPLES = """Examples:

  emollm label clip.mp4

  emollm label clips/ -o labels.jsonl

  emollm label "takes/*.wav" --labels calm,worried,angry --format csv

  emollm label records.jsonl --task explain --model runs/tiny-sft -o out.jsonl
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


def label(
    paths: Annotated[list[str], typer.Argument(help="Media files, folders, globs, or records files (.jsonl).")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Predictions file (.jsonl); an interrupted run goes on there.")
    ] = None,
    model: options.Model = "tiny",
    engine: options.Engine = options.EngineName.HF,
    task: Annotated[TaskName, typer.Option("--task", help="How much an answer holds.")] = TaskName.LABELS,
    labels: options.Labels = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="What is printed; default: table, and nothing with -o.")
    ] = None,
    transcript: options.Transcript = None,
    no_audio: options.NoAudio = False,
    no_video: options.NoVideo = False,
    seed: options.Seed = 0,
    temperature: options.Temperature = 0.0,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Clips answered at once.")] = 8,
    purpose: Annotated[
        str | None, typer.Option("--purpose", help="What the answers are for; kept in the manifest of -o.")
    ] = None,
) -> None:
    """Say which emotions the person in each clip appears to express. Clips that cannot be used are listed; the others go on."""
    from emollm.api import Options, json_task, open_engine
    from emollm.data.sources import find_records, with_transcript
    from emollm.errors import ConfigError

    if purpose is not None and output is None:
        raise ConfigError("a purpose is kept in the manifest of an output file", "--purpose", "add -o out.jsonl")
    records: Sequence[Record] = list(find_records(paths))
    if transcript is not None:
        records = with_transcript(records, transcript)
    closed = options.split_labels(labels)
    asked = Options(closed, None, not no_audio, not no_video, seed, temperature)
    requests = [asked.request(record, json_task(task.value)) for record in records]
    opened = open_engine(model, batch_size)
    show = _printer(format_ or (Format.TABLE if output is None else None))
    if output is None:
        answers = opened.generate(requests, asked.sampling())
        raise typer.Exit(int(_follow(answers, show) > 0))
    from emollm.batch import Output, companions, run

    identity = opened.identity
    settings = {
        "task": task.value, "labels": closed, "audio": not no_audio, "video": not no_video, "seed": seed,
        "sampling": asked.sampling().to_dict(), "model": identity,
    }  # fmt: skip
    with Output.open(output, settings, purpose) as out:
        before = len(out.done)
        try:
            _follow(run(requests, opened, identity, asked.sampling(), out), show)
        finally:  # also after Ctrl-C, which then ends the command with 130; the same command goes on from there
            errors = sum(out.done.values())
            typer.echo(
                f"{output}: {len(out.done) - before} new rows, {before} done before"
                + (f"; {errors} error rows in {companions(output)[0]}" if errors else ""),
                err=True,
            )
    raise typer.Exit(int(errors > 0))


def _follow(answers: Iterator[Prediction], show: Callable[[Prediction | None], None]) -> int:
    """Print answers as they come and list the failed ones at the end, also after Ctrl-C; return how many failed."""
    from emollm.report.tables import plain

    failed: list[str] = []
    valid_for: set[str] = set()
    try:
        for answer in answers:
            show(answer)
            if answer.error is not None:
                failed.append(plain(f"{answer.id}: {answer.error.what} ({answer.error.code})"))
            elif answer.provenance.valid_for:
                valid_for.add(answer.provenance.valid_for)
    finally:
        show(None)
        for line in failed[:_LISTED]:
            typer.echo(f"failed: {line}", err=True)
        if len(failed) > _LISTED:
            typer.echo(f"... and {len(failed) - _LISTED} more failed", err=True)
        for kind in sorted(valid_for):
            typer.echo(f"This model's answers are valid for {kind} clips only.", err=True)
    return len(failed)


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
