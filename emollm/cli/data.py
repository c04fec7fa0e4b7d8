"""`emollm data`: make synthetic clips, look at records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emollm.cli import data_check, data_prep, data_shape

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="From clips and data sets to records: read, make, look at, mix, split, check, export.",
)

MAKE_SYNTH_EXAMPLES = """Examples:

  emollm data make-synth --n 8 --seed 0 -o data/synth

  emollm data make-synth --n 20 --seed 1 --split all -o data/splits
"""
SHOW_EXAMPLES = """Examples:

  emollm data show data/synth/records.jsonl --n 3
"""


@app.command("make-synth", epilog=MAKE_SYNTH_EXAMPLES)
def make_synth(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make: records.jsonl, truth.jsonl, media/.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of clips (of all splits together).")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same bytes.")] = 0,
    split: Annotated[str, typer.Option("--split", help="train, dev, test, sealed, or all (70/10/10/10 %).")] = "train",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 2,
) -> None:
    """Make talking-face clips whose emotion, cues and cause are known (see docs/synthetic.md)."""
    from emollm.synth import make_synth as make

    made = make(output, n, seed, split=split, workers=workers)
    typer.echo(
        f"{made.records}: {made.n} clips, {made.clips_per_s:.1f} clips/s, generator {made.generator_sha256[:12]}"
    )


@app.command("show", epilog=SHOW_EXAMPLES)
def show(
    records: Annotated[Path, typer.Argument(help="A records file (JSONL).")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many records.")] = 5,
    start: Annotated[int, typer.Option("--start", min=0, help="How many records to pass over first.")] = 0,
) -> None:
    """Print records as a person reads them: media, words, labels, votes, cues."""
    from itertools import islice

    from emollm.records import read_records
    from emollm.report.show import record_text

    for record in islice(read_records(records), start, start + n):
        typer.echo(record_text(record) + "\n")


app.command("prep", epilog=data_prep.PREP_EXAMPLES)(data_prep.prep)
app.command("ls", epilog=data_prep.LS_EXAMPLES)(data_prep.ls)
app.command("info", epilog=data_prep.INFO_EXAMPLES)(data_prep.info)
app.command("mix", epilog=data_shape.MIX_EXAMPLES)(data_shape.mix)
app.command("split", epilog=data_shape.SPLIT_EXAMPLES)(data_shape.split)
app.command("stats", epilog=data_check.STATS_EXAMPLES)(data_check.stats)
app.command("leaks", epilog=data_check.LEAKS_EXAMPLES)(data_check.leaks)
app.command("dedupe", epilog=data_shape.DEDUPE_EXAMPLES)(data_shape.dedupe)
app.command("purge", epilog=data_check.PURGE_EXAMPLES)(data_check.purge)
app.command("export", epilog=data_shape.EXPORT_EXAMPLES)(data_shape.export)
