"""Going on with a run that was cut, or that got further stages: `resume: auto`.

A stage that is finished, with the settings that the recipe has now, is not trained again: the next one starts from what it left. The stage
that was cut goes on from its last saved step (`save.every_steps`, checkpoints.py), or starts over without one. As each stage draws all its
chance from the recipe's seed and its own number, the rest runs as it would have run without the break. A finished run is left as it is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from emollm.config import Recipe, Stage, dump_recipe, load_recipe
from emollm.config_media import MediaChoice, save_choice
from emollm.config_policy import FINAL
from emollm.errors import ConfigError
from emollm.models.loading import load
from emollm.paths import whole_file
from emollm.run import Run, read_metrics
from emollm.train.checkpoints import PART

FREE = (
    "stages",
    "resume",
    "name",
    "output",
)  # what may differ between two parts of a run; the last two say where it lies
MADE = "made_final"  # lies in the folder of the last stage once the finished model is whole
FINISHED = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")  # written last
Decision = TypeVar("Decision")


def agreed(decide: Callable[[], Decision]) -> Decision:
    """Let the main process decide, and return what it decided in all of them."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return decide()
    state = PartialState(cpu=not torch.cuda.is_available())
    decided: list[Any] = broadcast_object_list([decide() if state.is_main_process else None])
    return decided[0]


def open_run(recipe: Recipe) -> int:
    """Make the run folder, or open that of the run to go on with, and return the number of stages that are finished."""
    if recipe.resume == "auto" and (recipe.folder / "config.yaml").is_file():
        done, same = finished_stages(recipe, recipe.folder)
        reopen(recipe, done, same)
        return done
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    Run.create(recipe.folder, dump_recipe(recipe), device)
    return 0


def finished_stages(recipe: Recipe, folder: Path) -> tuple[int, int]:
    """Return how many of the recipe's first stages a run folder holds, finished, and how many it had with these settings.

    Raises:
        ConfigError: The folder holds a run of another recipe.
    """
    before: Recipe = load_recipe(folder / "config.yaml")
    here, there = (one.model_dump(exclude=set(FREE)) for one in (recipe, before))
    different = [key for key in here if here[key] != there[key]]
    if different:
        raise ConfigError(
            f"the run folder holds a run with another {', '.join(different)}",
            str(folder),
            "give the run another name, or take the settings of its config.yaml",
        )
    same = 0
    while same < min(len(recipe.stages), len(before.stages)) and recipe.stages[same] == before.stages[same]:
        same += 1
    count = 0
    while count < same and is_finished(folder / "checkpoints" / recipe.stages[count].name):
        count += 1
    if count == len(recipe.stages) - 1 and count < same and is_made(folder, recipe.stages[count]):
        count += 1  # trained in full: its model is the finished one
    return count, same


def is_finished(folder: Path) -> bool:
    """Tell whether a stage left its model, or its adapter, whole."""
    return any((folder / name).is_file() for name in FINISHED)


def is_made(folder: Path, last: Stage) -> bool:
    """Tell whether a run's finished model is there, and is what its last stage left."""
    checkpoints = folder / "checkpoints"
    return (checkpoints / last.name / MADE).is_file() and is_finished(checkpoints / FINAL)


def mark_made(folder: Path, last: Stage) -> None:
    """Note that a run's finished model is what its last stage left."""
    place = folder / "checkpoints" / last.name
    place.mkdir(exist_ok=True)
    (place / MADE).touch()


def reopen(recipe: Recipe, done: int, same: int) -> Run:
    """Return the run of a folder, with the recipe as it is now; what the stages from `done` on have left there goes.

    Args:
        recipe: What to do.
        done: So many stages are finished.
        same: So many have the settings that they had: the one that was cut keeps its saved steps.
    """
    run = Run(recipe.folder)
    for index, stage in enumerate(recipe.stages[done:], done):
        place = run.checkpoints / stage.name
        shutil.rmtree(place / PART if index == done < same else place, ignore_errors=True)
    with whole_file(run.folder / "config.yaml") as out:
        out.write(dump_recipe(recipe))
    return run


def load_stages(run: Run, stages: Sequence[Stage], fresh: Any, merge: Callable[[Any, Stage, Path], Any]) -> Any:
    """Return the model that finished stages left.

    Args:
        run: The run.
        stages: Those that are finished.
        fresh: The model before the first stage.
        merge: Puts the adapter of a stage with LoRA, which lies in a folder, into a model.
    """
    whole = [index for index, stage in enumerate(stages) if not stage.lora]
    model = load(run.checkpoints / stages[whole[-1]].name)[0] if whole else fresh
    for stage in stages[whole[-1] + 1 :] if whole else stages:
        model = merge(model, stage, run.checkpoints / stage.name)
    return model


def save_whole(model: Any, processor: Any, folder: Path) -> None:
    """Save model (or adapter) and processor; the weights come last, their index after them, so that a folder with weights is whole."""
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    model.save_pretrained(str(beside))
    processor.save_pretrained(str(beside))
    save_choice(beside, getattr(processor, "media_choice", MediaChoice()))
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(beside.iterdir(), key=lambda path: ("safetensors" in path.name, path.suffix == ".json")):
        os.replace(path, folder / path.name)
    beside.rmdir()


def cut_metrics(run: Run, finished: Sequence[Stage], stage: Stage, step: int) -> int:
    """Take from `metrics.jsonl` what will be done again, and return the steps that the finished stages have done.

    Args:
        run: The run.
        finished: Stages whose rows stay.
        stage: The stage that goes on.
        step: Its last saved step.
    """
    if not run.metrics.is_file():
        return 0
    names = {one.name for one in finished}
    rows = read_metrics(run.folder)
    with whole_file(run.metrics) as out:
        for row in rows:
            if row["stage"] in names or (row["stage"] == stage.name and row["stage_step"] <= step):
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return max((row["step"] for row in rows if row["stage"] in names), default=0)
