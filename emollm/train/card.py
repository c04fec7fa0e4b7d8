"""The card of a supervised run: what was trained, on what, how well, and whom to cite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emollm.config import Recipe, Stage
from emollm.models.modeling import EmoForConditionalGeneration, parameters_by_block
from emollm.records import Record
from emollm.run import Run
from emollm.train.citations import citations


def write_card(
    recipe: Recipe, run: Run, model: EmoForConditionalGeneration, records: Sequence[Record], results: dict[str, Any]
) -> None:
    """Write the card into the run folder."""
    synthetic = all(record.dataset == "synth" for record in records)
    run.card(
        recipe.name,
        f"Trained by `emollm sft` in {len(recipe.stages)} stage(s) on {len(records)} records.",
        seed=recipe.seed,
        data=[*recipe.data.train, *(recipe.data.dev or ()), *(recipe.data.replay.files if recipe.data.replay else ())],
        blocks=told_blocks(model, recipe.stages),
        results=results,
        citations=citations(model, lora=any(stage.lora for stage in recipe.stages)),
        valid_for="synthetic" if synthetic else None,
    )


def told_blocks(model: EmoForConditionalGeneration, stages: Sequence[Stage]) -> dict[str, str]:
    """Return what a card says of each block: its size, and how it was trained stage by stage."""
    return {
        name: f"{count:,} parameters: " + ", then ".join(stage.blocks.model_dump()[name] for stage in stages)
        for name, (count, _) in parameters_by_block(model).items()
    }
