"""`emollm dpo`: learn from preference pairs by a recipe. The training itself is in emollm/train/dpo.py."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """Examples:

  emollm dpo tiny/dpo data=data/synth-train/pairs.jsonl

  emollm dpo tiny/dpo text_prior=0 name=no-penalty
"""


def dpo(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a bundled recipe (tiny/dpo).")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Settings such as beta=0.2.")] = None,
) -> None:
    """Let a model learn which answer fits a clip, and which clip an answer fits.

    Learns from pairs (emollm data make-preferences). The run folder holds metrics, plots, card and checkpoints/final.
    """
    from emollm.config import load_recipe
    from emollm.config_dpo import DpoRecipe

    loaded = load_recipe(recipe, overrides or [], DpoRecipe)  # before the heavy import: a wrong recipe is told at once
    from emollm.train.dpo import train

    typer.echo(str(train(loaded)))
