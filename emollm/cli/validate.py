"""`emollm validate`: check a recipe before hours are spent on it. The checks are in emollm/train/validate.py."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

EXAMPLES = """Examples:

  emollm validate tiny/sft data=data/synth/records.jsonl

  emollm validate tiny/grpo data=data/synth/records.jsonl

  emollm validate my-recipe.yaml stages.0.batch_size=8
"""


def validate(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a bundled recipe (tiny/sft).")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Settings such as stages.0.epochs=2.")] = None,
    clips: Annotated[int, typer.Option("--clips", min=0, help="Decode the media of so many records.")] = 4,
) -> None:
    """Check a recipe before it runs, and list what was checked and what could not be.

    Keys, records, media of the first clips, lengths, what is taught or rewarded, parameters of each block, memory.
    """
    from emollm.config import Training, load_recipe
    from emollm.config_dpo import DpoRecipe
    from emollm.config_grpo import GrpoRecipe
    from emollm.config_label import LabelRecipe, is_label_recipe, load_label_recipe

    read: Any = load_label_recipe if is_label_recipe(recipe) else partial(load_recipe, kind=Training)
    loaded = read(recipe, overrides or [])  # before the heavy import: a wrong recipe is told at once
    from emollm.train.validate import check_recipe
    from emollm.train.validate_dpo import check_dpo
    from emollm.train.validate_grpo import check_grpo
    from emollm.train.validate_label import check_label_recipe

    failed = 0
    kinds: dict[type, Any] = {GrpoRecipe: check_grpo, DpoRecipe: check_dpo, LabelRecipe: check_label_recipe}
    checks = kinds.get(type(loaded), check_recipe)
    for check in checks(loaded, clips):
        typer.echo(check)
        failed += check.status == "wrong"
    if failed:
        raise typer.Exit(2)
