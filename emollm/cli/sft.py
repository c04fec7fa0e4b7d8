"""`emollm sft`: train by a recipe. The training itself is in emollm/train/sft.py."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """Examples:

  emollm sft tiny/sft data=data/synth/records.jsonl

  emollm sft my-recipe.yaml stages.0.epochs=2 name=second-try

  torchrun --nproc_per_node 2 -m emollm.cli.main sft my-recipe.yaml
"""


def sft(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a bundled recipe (tiny/sft).")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Settings such as stages.0.epochs=2.")] = None,
) -> None:
    """Train a model by a recipe, stage by stage; the run folder holds metrics, plot, card and checkpoints/final."""
    from emollm.config import Recipe, load_recipe

    loaded: Recipe = load_recipe(recipe, overrides or [])  # before the heavy import: a wrong recipe is told at once
    from emollm.train.sft import train

    typer.echo(str(train(loaded)))
