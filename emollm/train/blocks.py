"""Proof that a stage trained what it should: every trained block changed, no frozen one did, and all processes took part.

These failures are silent in the libraries below: adapters beside LoRA that are trained and not saved, towers that drift through a
regular expression that hits too much, a launcher that starts one process instead of two.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from accelerate.utils import gather_object
from transformers import Trainer
from transformers.integrations import is_deepspeed_zero3_enabled

from emollm.config import Stage
from emollm.errors import ConfigError, EmoError
from emollm.models.modeling import BLOCKS, EmoForConditionalGeneration
from emollm.train.resume import FINISHED


def fingerprints(model: EmoForConditionalGeneration) -> dict[str, list[int]]:
    """Return one hash for each parameter of each block."""
    return {
        name: [
            int(torch.hash_tensor(parameter.detach()).item())
            for module in model.block(name)
            for parameter in module.parameters()
        ]
        for name in BLOCKS
    }


def check_blocks(
    before: Mapping[str, list[int]], after: Mapping[str, list[int]], modes: Mapping[str, str], stage: str
) -> None:
    """Compare fingerprints from before and after a stage with what the stage was to train.

    Raises:
        EmoError: A trained block is as it was, or a frozen one is not.
    """
    for name, mode in modes.items():
        if not after[name]:
            continue  # fusion `none` has no parameters
        changed = before[name] != after[name]
        if changed == (mode == "frozen"):
            raise EmoError(
                f"block {name!r} is {mode} in stage {stage!r}, but its weights {'changed' if changed else 'did not change'}",
                fix="the run is no use; check learning rate and number of steps, and report this if they are not zero",
            )


def check_world_size(wanted: int, running: int) -> None:
    """Refuse a run in which fewer processes work together than were started.

    Raises:
        EmoError: The numbers differ.
    """
    if wanted != running:
        raise EmoError(
            f"{wanted} processes were started, but {running} train together",
            fix="start with `torchrun --nproc_per_node N -m emollm.cli.main sft RECIPE`, not with `accelerate launch`",
        )


def check_same(ranks: Sequence[Mapping[str, list[int]]], stage: str) -> None:
    """Compare the fingerprints that all processes have after a stage.

    Raises:
        EmoError: They have trained different models.
    """
    for rank, one in enumerate(ranks):
        for name, weights in one.items():
            if weights != ranks[0][name]:
                raise EmoError(
                    f"process {rank} has other weights in block {name!r} after stage {stage!r} than process 0",
                    fix="the run is no use: gradients were not shared; report this",
                )


def check_spread(trainer: Trainer) -> None:
    """Refuse weights that are spread over processes: one process saves what a stage leaves.

    Raises:
        ConfigError: FSDP or DeepSpeed's ZeRO-3 was asked for.
    """
    if trainer.is_fsdp_enabled or is_deepspeed_zero3_enabled():
        raise ConfigError(
            "the weights would be spread over processes (FSDP, ZeRO-3), and a stage could not be saved",
            fix="start with torchrun alone, or spread gradients and optimizer states only (ZeRO-2)",
        )


def prove(before: dict[str, list[int]], model: EmoForConditionalGeneration, stage: Stage, place: Path) -> None:
    """Check that a stage trained what it should, in all processes alike; one that did not is not finished."""
    after = fingerprints(model)
    try:
        check_blocks(before, after, stage.blocks.model_dump(), stage.name)
        check_same(gather_object([after]), stage.name)
    except EmoError:
        for name in FINISHED if os.environ.get("RANK", "0") == "0" else ():
            (place / name).unlink(missing_ok=True)
        raise
