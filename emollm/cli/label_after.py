"""`emollm label audit|relabel|diff`: what teams do with a run of many clips after it: check it, move it, compare it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emollm.cli import options

AUDIT_EXAMPLES = """Examples:

  emollm label audit out.jsonl --n 200 --records records.jsonl -o tasks.json

  emollm label audit out.jsonl --rated export.json --precision 0.9
"""
RELABEL_EXAMPLES = """Examples:

  emollm label relabel out.jsonl --labels happy,sad,angry,worried,neutral -o five.jsonl
"""
DIFF_EXAMPLES = """Examples:

  emollm label diff before.jsonl after.jsonl
"""
Run = Annotated[Path, typer.Argument(help="Predictions of a run (.jsonl).")]
_LISTED = 10


def audit(
    run: Run,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Tasks to import into Label Studio (.json); a view (.xml) too."),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Clips to draw.")] = 200,
    seed: options.Seed = 0,
    records: Annotated[
        list[str] | None, typer.Option("--records", help="What was labelled, for files and words of the clips.")
    ] = None,
    rated: Annotated[Path | None, typer.Option("--rated", help="The project's export (JSON), rated.")] = None,
    precision: Annotated[
        float, typer.Option("--precision", min=0.0, max=1.0, help="Share of labels to be right.")
    ] = 0.9,
) -> None:
    """Draw clips for people to label (-o), or tell from their labels how good the run is (--rated)."""
    from emollm.errors import ConfigError
    from emollm.evaluation.audit import audited, draw
    from emollm.evaluation.label_studio import read_tasks, write_tasks

    if (output is None) == (rated is None):
        raise ConfigError("draw a sample or read one", "label audit", "give -o tasks.json, or --rated export.json")
    if output is not None:
        from emollm.data.sources import find_records

        sample = draw(run, n, seed)
        wanted = {one.answer.id for one in sample}
        known = {record.id: record for record in find_records(records or ()) if record.id in wanted}
        typer.echo(f"{output}: {write_tasks(output, sample, known)} clips to label, without the model's answers")
        return
    assert rated is not None  # noqa: S101
    found = audited(run, read_tasks(rated), precision)
    typer.echo(f"{found.clips} clips, up to {found.raters} raters each")
    typer.echo(f"agreement (alpha, MASI): raters {found.alpha_raters:.3f}, model with raters {found.alpha_model:.3f}")
    typer.echo(f"precision of all labels: {found.precision:.3f}")
    if found.threshold is None:
        typer.echo(f"no score gives a precision of {precision:g} on this sample")
        raise typer.Exit(1)
    share, low, high = found.reached
    typer.echo(
        f"from score {found.threshold:.4f} on: precision {share:.3f} (95 % {low:.3f}-{high:.3f}), {found.kept:.0%} of labels"
    )


def relabel(
    run: Run,
    output: Annotated[Path, typer.Option("-o", "--output", help="Predictions to write (.jsonl).")],
    labels: Annotated[str, typer.Option("--labels", help="The other label space, such as happy,sad,angry.")],
    wheels: Annotated[str, typer.Option("--wheels", help="emollm (our own), or an imported version.")] = "emollm",
) -> None:
    """Move a run's labels into another label space by the emotion wheels, without asking a model."""
    from emollm.emotions.maps import load_maps
    from emollm.evaluation.relabel import Space
    from emollm.evaluation.relabel import relabel as move
    from emollm.report.tables import plain

    done = move(run, Space(options.split_labels(labels) or (), load_maps(wheels)), output)
    if done.unplaced:
        listed = ", ".join(f"{plain(label)} ({n})" for label, n in done.unplaced.most_common(_LISTED))
        typer.echo(f"labels without a place: {listed}{', ...' if len(done.unplaced) > _LISTED else ''}", err=True)
    typer.echo(f"{output}: {done.answers} answers; {done.outside} had no label left")
    raise typer.Exit(int(done.outside > 0))


def diff(
    first: Run,
    second: Annotated[Path, typer.Argument(help="Predictions of the other run (.jsonl).")],
) -> None:
    """Compare two runs. Exit code 1 when answers differ or are missing."""
    from emollm.evaluation.run_diff import diff as compare
    from emollm.report.tables import plain

    found = compare(first, second)
    typer.echo(f"{found.both} answers in both, {found.only[0]} only in {first}, {found.only[1]} only in {second}")
    typer.echo(f"{len(found.differing)} differ; mean MASI distance of labels {found.masi:.3f}")
    for (then, now), n in found.status.most_common():
        typer.echo(f"  {then} -> {now}: {n}")
    for (gone, new), n in found.moved.most_common(_LISTED):
        typer.echo(plain(f"  {gone} -> {new}: {n}"))
    for id_, task in found.differing[:_LISTED]:
        typer.echo(plain(f"  {id_} ({task})"))
    raise typer.Exit(int(bool(found.differing) or found.only != (0, 0)))
