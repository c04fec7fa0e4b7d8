"""`emollm merge`: a run, or the LoRA adapter of one of its stages, becomes one stand-alone checkpoint.

A run's finished model is merged already: it is read, checked and written anew in the wanted number format. An adapter is put on the
model that its stage started from (the checkpoint of the stage before, or the recipe's own parts for a first stage) and merged.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import set_seed

from emollm.config import Recipe, Training, load_recipe
from emollm.config_media import FILE as CHOICE_FILE
from emollm.config_model import Saved
from emollm.config_policy import PolicyRecipe
from emollm.errors import ConfigError
from emollm.licences import INFO_FILE
from emollm.models.build import build
from emollm.models.loading import cast_weights, load
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.models.omni import family_of
from emollm.models.omni.loading import load_omni_processor
from emollm.models.processor import EmoProcessor
from emollm.train.native import spec_of

ADAPTER = "adapter_config.json"
FINAL = "final"


def merge(source: Path | str, output: Path | str, dtype: str = "bfloat16") -> Path:
    """Write a stand-alone checkpoint and return its folder.

    Args:
        source: Run folder, or the folder of an adapter inside one (`RUN/checkpoints/STAGE`).
        output: Folder to make; must be missing or empty.
        dtype: `bfloat16` or `float32`.

    Raises:
        ConfigError: `source` is neither, or `output` holds something.
    """
    source, output = Path(source), Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigError("the output folder is not empty", str(output), "name a new folder")
    if (source / ADAPTER).is_file():
        run = source.parent.parent
        adapted, processor = with_adapter(source)
        model = adapted.merge_and_unload()
    elif (source / "checkpoints" / FINAL / "config.json").is_file():
        run = source
        model, processor = load(source / "checkpoints" / FINAL)
    else:
        fix = "give a run folder that has checkpoints/final, or checkpoints/STAGE of a LoRA stage"
        raise ConfigError("neither a finished run nor an adapter", str(source), fix)
    cast_weights(model, torch.bfloat16 if dtype == "bfloat16" else torch.float32)
    model.save_pretrained(str(output))
    processor.save_pretrained(str(output))
    final = run / "checkpoints" / FINAL
    for file in (run / "README.md", final / INFO_FILE, final / CHOICE_FILE):
        if file.is_file():
            shutil.copyfile(file, output / file.name)
    return output


def with_adapter(folder: Path) -> tuple[PeftModel, EmoProcessor]:
    """Open the model that a stage started from and put the stage's adapter on it, unmerged.

    Args:
        folder: `RUN/checkpoints/STAGE`.
    """
    run = folder.parent.parent
    if not (run / "config.yaml").is_file():
        fix = "leave the adapter where `emollm sft` wrote it: RUN/checkpoints/STAGE, beside RUN/config.yaml"
        raise ConfigError("the adapter does not lie in its run folder, so its base model is unknown", str(folder), fix)
    recipe: Any = load_recipe(run / "config.yaml", kind=Training)
    processor = load_omni_processor(folder) if family_of(folder) else EmoProcessor.from_pretrained(str(folder))
    base = _base(recipe, folder, processor)
    return PeftModel.from_pretrained(base, str(folder)), processor


def _base(recipe: Recipe | PolicyRecipe, folder: Path, processor: EmoProcessor) -> EmoForConditionalGeneration:
    """Return the model that the stage of this adapter started from."""
    if isinstance(recipe, PolicyRecipe):
        return load(recipe.start)[0]
    stages = [stage.name for stage in recipe.stages]
    if folder.name not in stages:
        raise ConfigError(f"the run has no stage {folder.name!r}", str(folder), f"its stages: {', '.join(stages)}")
    index = stages.index(folder.name)
    if index:
        before = folder.parent / stages[index - 1]
        return with_adapter(before)[0].merge_and_unload() if (before / ADAPTER).is_file() else load(before)[0]
    if isinstance(recipe.model, Saved):
        return load(recipe.model.place)[0]
    set_seed(recipe.seed)
    return build(spec_of(recipe.model, tokenizer=processor.tokenizer))[0]
