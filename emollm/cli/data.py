"""`emollm data`: make synthetic clips, look at records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from emollm.cli import (
    data_annotate,
    data_check,
    data_check_media,
    data_describe,
    data_preferences,
    data_prep,
    data_shape,
)

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

  emollm data show data/synth/records.jsonl --model tiny --html look.html
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
    html: Annotated[Path | None, typer.Option("--html", help="Write them as one HTML file instead.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Show the words as this model's tokens: tiny, a folder, a hub name.")
    ] = None,
) -> None:
    """Show records as a person sees them: frames, sound, words, labels, votes, cues, tokens."""
    import sys
    from itertools import islice

    from emollm.paths import whole_file
    from emollm.records import read_records
    from emollm.report.look import look_at, look_page, look_text

    split = None if model is None else _splitter(model)
    looks = (look_at(record, split) for record in islice(read_records(records), start, start + n))
    if html is not None:
        with whole_file(html) as out:
            out.writelines(look_page(looks))
        typer.echo(str(html))
        return
    for look in looks:
        typer.echo(look_text(look, colour=sys.stdout.isatty()) + "\n")


def _splitter(model: str) -> Callable[[str], list[str]]:
    """Return what splits text into a model's tokens."""
    from tokenizers import Tokenizer

    from emollm.engines.checkpoints import find_checkpoint
    from emollm.errors import ConfigError

    file = find_checkpoint(model).path / "tokenizer.json"
    if not file.is_file():
        raise ConfigError("this model has no tokenizer.json", str(file), "name another model")
    tokenizer = Tokenizer.from_file(str(file))

    def split(text: str) -> list[str]:
        found = tokenizer.encode(text, add_special_tokens=False)
        return [text[start:end] for start, end in found.offsets]

    return split


app.command("prep", epilog=data_prep.PREP_EXAMPLES)(data_prep.prep)
app.command("ls", epilog=data_prep.LS_EXAMPLES)(data_prep.ls)
app.command("info", epilog=data_prep.INFO_EXAMPLES)(data_prep.info)
app.command("mix", epilog=data_shape.MIX_EXAMPLES)(data_shape.mix)
app.command("split", epilog=data_shape.SPLIT_EXAMPLES)(data_shape.split)
app.command("stats", epilog=data_check.STATS_EXAMPLES)(data_check.stats)
app.command("check", epilog=data_check_media.CHECK_EXAMPLES)(data_check_media.check)
app.command("leaks", epilog=data_check.LEAKS_EXAMPLES)(data_check.leaks)
app.command("dedupe", epilog=data_shape.DEDUPE_EXAMPLES)(data_shape.dedupe)
app.command("purge", epilog=data_check.PURGE_EXAMPLES)(data_check.purge)
app.command("make-preferences", epilog=data_preferences.EXAMPLES)(data_preferences.make_preferences)
app.command("describe", epilog=data_describe.EXAMPLES)(data_describe.describe)
app.command("annotate", epilog=data_annotate.EXAMPLES)(data_annotate.annotate)
app.command("export", epilog=data_shape.EXPORT_EXAMPLES)(data_shape.export)
