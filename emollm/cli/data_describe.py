"""`emollm data describe`: how people sound and what faces do, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """Examples:

  emollm data describe records.jsonl -o described.jsonl

  emollm data describe train.jsonl --vowels aligned --faces openface -o described/train.jsonl

  emollm data describe test.jsonl --norms described/train.norms.json -o described/test.jsonl
"""
_LISTED = 20


def describe(
    records: Annotated[list[Path], typer.Argument(help="Records files (JSONL).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Records file to write (JSONL).")],
    vowels: Annotated[
        Path | None, typer.Option("--vowels", help="Folder of alignments, one TextGrid or CTM a clip.")
    ] = None,
    faces: Annotated[
        Path | None, typer.Option("--faces", help="Folder of face tables (OpenFace, py-feat), one CSV a clip.")
    ] = None,
    norms: Annotated[
        Path | None, typer.Option("--norms", help="Describe by the norms of another set, as its describe wrote them.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that decode and measure.")] = 2,
) -> None:
    """Add words on voice and face to records: pitch, loudness, tempo, pauses, vowels; lasting facial actions."""
    from emollm.data.describe import Sources
    from emollm.data.describe import describe as run

    made = run(records, output, Sources(vowels, faces), norms, workers)
    for failure in made.failures[:_LISTED]:
        typer.echo(f"  {failure}", err=True)
    if len(made.failures) > _LISTED:
        typer.echo(f"  ... and {len(made.failures) - _LISTED} more", err=True)
    typer.echo(
        f"{output}: {made.records} records; voice told of {made.counts['prosody']}, "
        f"face of {made.counts['face']}, {len(made.failures)} failed"
    )
    raise typer.Exit(int(bool(made.failures)))
