"""Going on with a run that was cut, or that got further stages: `resume: auto`.

A stage that is finished, with the settings that the recipe has now, is not trained again: the next one starts from what it left. As each
stage draws all its chance from the recipe's seed and its own number, the rest runs as it would have run without the break.

Does not: go on inside a stage (the one that was cut starts over), pass over stages with LoRA, or go on in several processes.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from emollm.config import Recipe, Stage, dump_recipe, load_recipe
from emollm.errors import ConfigError
from emollm.models.loading import load
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.models.processor import EmoProcessor
from emollm.paths import whole_file
from emollm.run import Run, read_metrics

FREE = (
    "stages",
    "resume",
    "name",
    "output",
)  # what may differ between two parts of a run; the last two say where it lies


def finished_stages(recipe: Recipe, folder: Path) -> int:
    """Return how many of the recipe's first stages a run folder holds, finished.

    Raises:
        ConfigError: The folder holds a run of another recipe, or several processes were started.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "resume=auto with several processes", fix="go on in one process, or start anew under another name"
        )
    before: Recipe = load_recipe(folder / "config.yaml")
    here, there = (one.model_dump(exclude=set(FREE)) for one in (recipe, before))
    different = [key for key in here if here[key] != there[key]]
    if different:
        raise ConfigError(
            f"the run folder holds a run with another {', '.join(different)}",
            str(folder),
            "give the run another name, or take the settings of its config.yaml",
        )
    count = 0
    for stage, old in zip(recipe.stages, before.stages, strict=False):
        if stage != old or stage.lora or not list((folder / "checkpoints" / stage.name).glob("*.safetensors")):
            break
        count += 1
    return count


def reopen(recipe: Recipe, folder: Path) -> Run:
    """Return the run of a folder, with the recipe as it is now."""
    with whole_file(folder / "config.yaml") as out:
        out.write(dump_recipe(recipe))
    return Run(folder)


def load_stage(folder: Path) -> EmoForConditionalGeneration:
    """Return the model that a finished stage left."""
    return load(folder)[0]


def save_stage(model: EmoForConditionalGeneration, processor: EmoProcessor, folder: Path) -> None:
    """Save what a stage left; the weights come last, so that a folder with weights is whole."""
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    model.save_pretrained(str(beside))
    processor.save_pretrained(str(beside))
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(beside.iterdir(), key=lambda path: "safetensors" in path.name):
        os.replace(path, folder / path.name)
    beside.rmdir()


def steps_of(run: Run, stages: tuple[Stage, ...]) -> int:
    """Return the steps that the given stages of a run have done."""
    names = {stage.name for stage in stages}
    return max((row["step"] for row in read_metrics(run.folder) if row["stage"] in names), default=0)
