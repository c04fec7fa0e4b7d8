"""`emollm data make-preferences`: from records with cues to pairs of better and worse, for `emollm dpo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """Examples:

  emollm data make-preferences data/synth-train/records.jsonl -o data/synth-train/pairs.jsonl

  emollm data make-preferences mine.jsonl yours.jsonl --seed 1 -o pairs.jsonl
"""


def make_preferences(
    records: Annotated[list[Path], typer.Argument(help="Records files (JSONL) with labels and cues.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File of pairs to write (JSONL).")],
    seed: Annotated[int, typer.Option("--seed", help="Same seed and records, same pairs.")] = 0,
) -> None:
    """Make pairs of a better and a worse answer, or of a right and a wrong clip, out of records that know their cues."""
    from emollm.data.preferences import make_preferences as make

    made = make(records, output, seed)
    for reason, count in made.left_out.items():
        typer.echo(f"  left out: {count} {reason}")
    kinds = ", ".join(f"{kind} {count}" for kind, count in made.kinds.items())
    typer.echo(f"{output}: {made.kinds.total()} pairs ({kinds})")
