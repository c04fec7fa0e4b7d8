"""A stage of a recipe as the arguments of TRL's trainer."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from trl import SFTConfig

from emollm.config import Recipe, Stage


def trainer_arguments(recipe: Recipe, stage: Stage, folder: Path, n_examples: int, seed: int) -> SFTConfig:
    """Translate a stage into TRL's arguments.

    The plan is in training order and holds all epochs, so the trainer reads it once, from front to back. Preparation of the data set,
    removal of columns and the length limit are TRL's and would take the media away or cut answers: the collator does all of it.
    """
    per_step = stage.batch_size * stage.gradient_accumulation
    steps = -(-n_examples // (per_step * int(os.environ.get("WORLD_SIZE", "1"))))
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=stage.batch_size,
        per_device_eval_batch_size=stage.batch_size,
        gradient_accumulation_steps=stage.gradient_accumulation,
        learning_rate=stage.learning_rate,
        lr_scheduler_type=stage.lr_scheduler,
        warmup_steps=round(stage.warmup_ratio * steps),
        weight_decay=stage.weight_decay,
        max_grad_norm=stage.max_grad_norm,
        label_smoothing_factor=stage.label_smoothing,
        optim="adamw_torch_fused",
        gradient_checkpointing=stage.gradient_checkpointing,
        bf16=use_bfloat16(recipe),
        use_cpu=not torch.cuda.is_available(),
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        max_length=None,
        dataloader_num_workers=0,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=True,  # a batch may lack a modality
        logging_steps=max(1, min(10, steps // 50)),
        logging_first_step=True,
        logging_nan_inf_filter=False,  # it would write 0 in place of a loss that is no number
        disable_tqdm=True,
        report_to="none",
        eval_strategy="no",
        save_strategy="no" if recipe.save.every_steps is None else "steps",
        save_steps=recipe.save.every_steps or 500,
        save_total_limit=recipe.save.keep,
        seed=seed,
    )


def use_bfloat16(recipe: Recipe) -> bool:
    """Tell whether the forward pass runs in bfloat16: by default only on a GPU that has it."""
    if recipe.precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return recipe.precision == "bfloat16"
