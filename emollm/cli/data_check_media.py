"""`emollm data check`: decode all media once, list what is bad, fill the cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from emollm.media.check import Checked

CHECK_EXAMPLES = """Examples:

  emollm data check clips/

  emollm data check records.jsonl --frames 16 --workers 8 -o bad.jsonl
"""
_LISTED = 20


def check(
    sources: Annotated[list[str], typer.Argument(help="Folders, media files, globs, or records files (.jsonl).")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File for the list of bad and flagged files (JSONL).")
    ] = Path("bad.jsonl"),
    frames: Annotated[int, typer.Option("--frames", min=1, help="Pictures of a clip that the cache keeps.")] = 8,
    max_side_px: Annotated[int, typer.Option("--max-side-px", min=1, help="Longer side of these pictures.")] = 512,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 2,
    deadline_s: Annotated[float, typer.Option("--deadline-s", min=1.0, help="Seconds that a file may take.")] = 120.0,
) -> None:
    """Decode each clip once: what cannot be used or is not whole goes into a list, what can be used into the cache."""
    from collections import Counter
    from collections.abc import Iterator

    from emollm.data.sources import find_records
    from emollm.jsonl import write_rows
    from emollm.media.check import check as check_media
    from emollm.media.workers import Decoders

    media = [record.media for record in find_records(sources)]
    refs = [ref for files in media for ref in (files.video, files.audio) if ref is not None]
    counts: Counter[str] = Counter()
    with Decoders(workers, deadline_s) as pool:

        def not_whole() -> Iterator[Checked]:
            for found in check_media(refs, pool, frames, max_side_px):
                counts[found.status] += 1
                if found.status != "ok":
                    _tell(found, counts["error"] + counts["flagged"])
                    yield found

        listed = write_rows(output, not_whole())
    if listed > _LISTED:
        typer.echo(f"  ... and {listed - _LISTED} more")
    typer.echo(
        f"{counts.total()} files: {counts['ok']} fine, {counts['flagged']} flagged, {counts['error']} bad; {output}"
    )
    raise typer.Exit(int(counts["error"] > 0))


def _tell(found: Checked, number: int) -> None:
    """Print one of the first rows of the list."""
    from emollm.report.tables import plain

    if number <= _LISTED:
        why = f"{found.error.what} ({found.error.code})" if found.error else ", ".join(found.flags)
        typer.echo(f"  {plain(found.path)}: {plain(why)}")
