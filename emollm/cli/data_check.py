"""`emollm data stats|leaks|purge`: look at what records hold, find what two files share, take a person out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

STATS_EXAMPLES = """Examples:

  emollm data stats records.jsonl

  emollm data stats train.jsonl dev.jsonl --wheels mer2025 -o stats
"""
LEAKS_EXAMPLES = """Examples:

  emollm data leaks train.jsonl test.jsonl

  emollm data leaks train.jsonl test.jsonl --fingerprints --report leaks.json
"""
PURGE_EXAMPLES = """Examples:

  emollm data purge records.jsonl runs/ --subject s042

  emollm data purge records.jsonl runs/ --subject s042 --media --yes
"""
_LISTED = 50


def stats(
    records: Annotated[list[Path], typer.Argument(help="Records files (JSONL).")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for stats.json and plots.")] = None,
    wheels: Annotated[str, typer.Option("--wheels", help="Emotion wheels that coverage is of.")] = "emollm",
) -> None:
    """Count what records hold: splits, speakers, media, durations, labels and how many of them the wheels know."""
    from emollm.data.stats import count, stats_text, write_stats

    found = count(records, wheels)
    typer.echo(stats_text(found))
    if output is not None:
        write_stats(found, output)
        typer.echo(f"{output}: stats.json, labels.svg, durations.svg")


def leaks(
    train: Annotated[Path, typer.Argument(help="Records to learn from.")],
    test: Annotated[Path, typer.Argument(help="Records to be scored on.")],
    fingerprints: Annotated[
        bool, typer.Option("--fingerprints", help="Decode all media and compare how they sound and look (slow).")
    ] = False,
    report: Annotated[Path | None, typer.Option("--report", help="File for all of it (JSON).")] = None,
) -> None:
    """Find clips of TEST that are in TRAIN: by id, by parents, by the bytes of media, by how they sound and look."""
    from emollm.data.leaks import find_leaks, write_report

    found = find_leaks(train, test, fingerprints=fingerprints)
    if report is not None:
        write_report(found, report)
    for match in found.matches[:_LISTED]:
        typer.echo(f"  {match.test}: {match.kind} as {match.train}{match.detail and f' ({match.detail})'}")
    if len(found.matches) > _LISTED:
        typer.echo(f"  ... and {len(found.matches) - _LISTED} more")
    for note in found.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"{found.leaking} of {found.tested} test records are in the training set")
    raise typer.Exit(int(found.leaking > 0))


def purge(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders: records, predictions, reports, exports.")],
    subject: Annotated[str, typer.Option("--subject", help="The person: subject_id, else speaker.id of records.")],
    media: Annotated[bool, typer.Option("--media", help="Delete the person's media files, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")] = False,
) -> None:
    """Take a person out of records, predictions, exports, reports and caches; what still names them is listed."""
    from emollm.data.purge import plan_purge

    plan = plan_purge(paths, subject, media=media)
    for action in plan.actions:
        typer.echo(f"  {action}")
    typer.echo(f"{subject}: {len(plan.ids)} records, {len(plan.actions)} files to change or delete")
    for note in plan.notes:
        typer.echo(f"note: {note}")
    if not yes:
        typer.echo("nothing was changed; add --yes to do it")
        return
    left = plan.run()
    for path in left:
        typer.echo(f"still names the person: {path}", err=True)
    raise typer.Exit(int(bool(left)))
