"""`emollm demo`: the whole chain on real files, with the checkpoint that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """Examples:

  emollm demo -o demo
"""
SEED = 2026


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for clips and predictions.")] = Path("demo"),
    n: Annotated[int, typer.Option("--n", min=1, help="Number of clips.")] = 4,
) -> None:
    """Make a few clips, label and explain them with the bundled checkpoint, write OUTPUT/predictions.jsonl."""
    import emollm
    from emollm.jsonl import write_rows
    from emollm.records import read_records
    from emollm.report.show import prediction_text
    from emollm.synth import make_synth

    make_synth(output, n, SEED, split="dev", workers=1)
    model = emollm.load("tiny")
    predictions = []
    for record in read_records(output / "records.jsonl"):
        prediction = model.explain(record)
        predictions.append(prediction)
        typer.echo(prediction_text(prediction))
        gold = ", ".join(label.text for label in record.targets.labels_ov or ()) or "(insufficient evidence)"
        typer.echo(f"  simulated raters wrote: {gold}\n")
    model.close()
    write_rows(output / "predictions.jsonl", predictions)
    typer.echo(f"{len(predictions)} synthetic clips labelled and explained: {output / 'predictions.jsonl'}")
    typer.echo("The bundled checkpoint was trained on synthetic clips alone: a demonstration, not for use on people.")
    if any(prediction.status == "error" for prediction in predictions):
        raise typer.Exit(1)
