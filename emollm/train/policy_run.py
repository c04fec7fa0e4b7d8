"""What runs of `emollm grpo` and `emollm dpo` share: the run folder (new, or cut back to the last saved step), and TRL's arguments."""

from __future__ import annotations

import json
import shutil
from typing import Any

import torch
from transformers.trainer_utils import get_last_checkpoint

from emollm.config import dump_recipe, load_recipe
from emollm.config_policy import FINAL, STAGE, PolicyRecipe
from emollm.errors import ConfigError
from emollm.paths import whole_file
from emollm.run import Run
from emollm.train.arguments import use_bfloat16
from emollm.train.checkpoints import PART
from emollm.train.sft import is_main_process

FREE = ("resume", "name", "output")  # what may differ between two parts of a run


def last_checkpoint(recipe: PolicyRecipe) -> str | None:
    """Return the folder of the last saved step that the run can go on from, or None to start anew.

    Raises:
        ConfigError: The run folder holds a run with other settings, or a finished one.
    """
    if recipe.resume == "never" or not (recipe.folder / "config.yaml").is_file():
        return None
    before = load_recipe(recipe.folder / "config.yaml", kind=type(recipe))
    here, there = (one.model_dump(exclude=set(FREE)) for one in (recipe, before))
    different = [key for key in here if here[key] != there[key]]
    if different:
        fix = "give the run another name, or take the settings of its config.yaml"
        raise ConfigError(f"the run folder holds a run with another {', '.join(different)}", str(recipe.folder), fix)
    if (recipe.folder / "checkpoints" / FINAL).is_dir():
        raise ConfigError("the run is finished", str(recipe.folder), "give the next run another name (name=...)")
    stage = recipe.folder / "checkpoints" / STAGE
    found = get_last_checkpoint(str(stage)) if stage.is_dir() else None
    if found is None and is_main_process():  # another process may look after the main one has made the folder
        fix = "give the run another name, or remove the folder; save.every_steps saves in between"
        raise ConfigError("the run was cut before its first saved step", str(recipe.folder), fix)
    return found


def open_run(recipe: PolicyRecipe, checkpoint: str | None) -> Run:
    """Make the run folder, or cut its logs back to the saved step; once over all processes."""
    if not is_main_process():
        return Run(recipe.folder)
    if checkpoint is None:
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        return Run.create(recipe.folder, dump_recipe(recipe), device)
    shutil.rmtree(recipe.folder / "checkpoints" / STAGE / PART, ignore_errors=True)
    step = int(checkpoint.rpartition("-")[2])
    for path in (recipe.folder / "metrics.jsonl", recipe.folder / "rollouts.jsonl"):
        if path.is_file():
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a torn last line is no line
            with whole_file(path) as out:
                out.writelines(line + "\n" for line in lines if json.loads(line)["step"] <= step)
    return Run(recipe.folder)


def common_arguments(recipe: PolicyRecipe, run: Run, steps: int) -> dict[str, Any]:
    """Return the arguments that TRL's trainers have in common, for a data set that is in training order and holds all epochs."""
    return {
        "output_dir": str(run.checkpoints / STAGE),
        "max_steps": steps,
        "per_device_train_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        "disable_dropout": True,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.lr_scheduler,
        "warmup_steps": round(recipe.warmup_ratio * steps),
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "optim": "adamw_torch_fused",
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "bf16": use_bfloat16(recipe.as_sft),
        "use_cpu": not torch.cuda.is_available(),
        "remove_unused_columns": False,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "ddp_find_unused_parameters": True,  # a batch may lack a modality
        "logging_steps": max(1, min(10, steps // 50)),
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": "none",
        "eval_strategy": "no",
        "save_strategy": "no" if recipe.save.every_steps is None else "steps",
        "save_steps": recipe.save.every_steps or 500,
        "save_total_limit": recipe.save.keep,
        "seed": recipe.seed,
    }
