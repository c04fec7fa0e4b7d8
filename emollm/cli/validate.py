"""`emollm validate`: check a recipe before hours are spent on it. The checks are in emollm/train/validate.py."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """Examples:

  emollm validate tiny/sft data=data/synth/records.jsonl

  emollm validate my-recipe.yaml stages.0.batch_size=8
"""


def validate(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a bundled recipe (tiny/sft).")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Settings such as stages.0.epochs=2.")] = None,
    clips: Annotated[int, typer.Option("--clips", min=0, help="Decode the media of so many records.")] = 4,
) -> None:
    """Check a recipe before it runs, and list what was checked and what could not be.

    Keys, records, media of the first clips, lengths, what is taught, parameters of each block, memory.
    """
    from emollm.config import load_recipe

    loaded = load_recipe(recipe, overrides or [])  # before the heavy import: a wrong recipe is told at once
    from emollm.train.validate import check_recipe

    failed = 0
    for check in check_recipe(loaded, clips):
        typer.echo(check)
        failed += check.status == "wrong"
    if failed:
        raise typer.Exit(2)
