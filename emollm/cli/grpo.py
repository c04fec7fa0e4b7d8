"""`emollm grpo`: learn from rewards by a recipe. The training itself is in emollm/train/grpo.py."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """Examples:

  emollm grpo tiny/grpo data=data/synth-train/records.jsonl

  emollm grpo tiny/grpo beta=0 num_iterations=2 name=second-try

  torchrun --nproc_per_node 2 -m emollm.cli.main grpo my-recipe.yaml
"""


def grpo(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a bundled recipe (tiny/grpo).")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Settings such as learning_rate=1e-5.")] = None,
) -> None:
    """Let a model answer clips and learn from what its answers earn.

    The run folder holds metrics, every answer with its rewards (rollouts.jsonl), plots, card and checkpoints/final.
    """
    from emollm.config import load_recipe
    from emollm.config_grpo import GrpoRecipe

    loaded = load_recipe(recipe, overrides or [], GrpoRecipe)  # before the heavy import: a wrong recipe is told at once
    from emollm.train.grpo import train

    typer.echo(str(train(loaded)))
