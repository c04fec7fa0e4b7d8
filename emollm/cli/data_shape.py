"""`emollm data mix|split|dedupe|export`: from records files to training sets, and to what other trainers read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MIX_EXAMPLES = """Examples:

  emollm data mix mix.yaml -o mixed.jsonl

  emollm data mix mix.yaml total=50000 temperature=2 -o mixed.jsonl
"""
SPLIT_EXAMPLES = """Examples:

  emollm data split records.jsonl -o splits

  emollm data split records.jsonl --by dialogue,parent --shares train=0.9,dev=0.1 --seed 1 -o splits
"""
DEDUPE_EXAMPLES = """Examples:

  emollm data dedupe mixed.jsonl -o clean.jsonl

  emollm data dedupe mixed.jsonl --fingerprints -o clean.jsonl
"""
EXPORT_EXAMPLES = """Examples:

  emollm data export records.jsonl --to ms-swift -o swift

  emollm data export train.jsonl --to llama-factory --task explain -o emotions

  emollm data export records.jsonl --to hf -o parquet
"""
Records = Annotated[list[Path], typer.Argument(help="Records files (JSONL).")]


def mix(
    recipe: Annotated[Path, typer.Argument(help="What is drawn from where (YAML; see docs/data.md).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Records file to write (JSONL).")],
    settings: Annotated[
        list[str] | None, typer.Argument(help="Settings such as total=5000, sources.0.cap=100.")
    ] = None,
) -> None:
    """Draw one training set out of several records files: weights, caps, temperature, tasks and wordings."""
    from emollm.data.mix import load_mix
    from emollm.data.mix import mix as draw

    made = draw(load_mix(recipe, settings or ()), output)
    for source in made.sources:
        left_out = made.left_out[str(source["records"])]
        note = f", {left_out} teach none of the tasks" if left_out else ""
        typer.echo(
            f"  {source['records']}: {source['rows']} rows of {source['used']} of {source['size']} records{note}"
        )
    typer.echo(f"{output}: {made.rows} records")


def split(
    records: Records,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make, with a records file a split.")],
    shares: Annotated[
        str, typer.Option("--shares", help="Share of the records in each split.")
    ] = "train=0.8,dev=0.1,test=0.1",
    by: Annotated[
        str, typer.Option("--by", help="What splits must not share: speaker, dialogue, parent.")
    ] = "speaker,dialogue,parent",
    seed: Annotated[int, typer.Option("--seed", help="Same seed and records, same splits.")] = 0,
) -> None:
    """Cut records into splits that share no speaker, dialogue or parent."""
    from emollm.data.split import split as cut
    from emollm.errors import ConfigError

    wanted: dict[str, float] = {}
    for part in shares.split(","):
        name, _, share = part.partition("=")
        try:
            wanted[name.strip()] = float(share)
        except ValueError:
            raise ConfigError(f"no share: {part!r}", "--shares", "such as train=0.9,dev=0.1") from None
    counts = cut(records, output, wanted, [kind.strip() for kind in by.split(",")], seed)
    for name, count in counts.items():
        typer.echo(f"{output / name}.jsonl: {count} records ({count / sum(counts.values()):.1%})")


def dedupe(
    records: Records,
    output: Annotated[Path, typer.Option("-o", "--output", help="Records file to write (JSONL).")],
    fingerprints: Annotated[
        bool, typer.Option("--fingerprints", help="Decode all media and compare how they sound and look (slow).")
    ] = False,
) -> None:
    """Keep the first of records that are the same clip, and say which ones went."""
    from emollm.data.leaks import dedupe as clean

    found = clean(records, output, fingerprints=fingerprints)
    for match in found.matches:
        typer.echo(f"  {match.test}: {match.kind} as {match.train}{match.detail and f' ({match.detail})'}")
    for note in found.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"{output}: {found.kept} records kept, {found.dropped} taken out")


def export(
    records: Records,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make; its name is the data set's name.")],
    to: Annotated[str, typer.Option("--to", help="hf, trl, ms-swift, llama-factory, llava, verl or lmms-eval.")],
    task: Annotated[
        str, typer.Option("--task", help="labels, cues, explain, or ask (the records' questions).")
    ] = "labels",
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Preferred and rejected text of each record, for DPO.")
    ] = False,
    sound: Annotated[bool, typer.Option("--sound-files", help="Name a video's file as its sound file, too.")] = False,
) -> None:
    """Write records for another trainer or evaluator; ids go along."""
    from emollm.data.export import export as write

    made = write(records, to, output, task, pairs=pairs, sound=sound)
    for reason, count in made.left_out.items():
        typer.echo(f"  left out: {count} {reason}")
    typer.echo(f"{output}: {made.rows} rows for {to}")
