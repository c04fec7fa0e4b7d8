"""What stops a training run, told with what to do: a loss that is no number, memory or disk that is full, a hub that gives nothing.

Libraries below tell these in their own words, at the wrong place, or only as a traceback.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

from emollm.config import Stage
from emollm.config_model import Parts, Saved
from emollm.errors import EmoError
from emollm.paths import whole_file
from emollm.records import Record
from emollm.train.examples import Plan
from emollm.train.outline import NotReachedError, part_names, reach

ODD_BATCH = "odd_batch.json"
CPU_MEMORY = "can't allocate memory"  # torch's allocator for CPUs has no error class of its own
_FULL = ("No space left on device", "PytorchStreamWriter failed writing", "file write failed")


@contextmanager
def odd_loss_told(stage: Stage, plan: Plan, records: Sequence[Record], folder: Path) -> Iterator[None]:
    """Keep the batch whose loss is no number (`StageTrainer.training_step`) in the run folder, and say so.

    Raises:
        EmoError: In place of FloatingPointError.
    """
    try:
        yield
    except FloatingPointError as error:
        loss, first = error.args
        rows = plan.examples[first : first + stage.batch_size]
        with whole_file(folder / ODD_BATCH) as out:
            batch = [{"id": records[row.record].id, **row.to_row()} for row in rows]
            json.dump({"stage": stage.name, "loss": str(loss), "batch": batch}, out, indent=2, ensure_ascii=False)
        ids = ", ".join(dict.fromkeys(records[row.record].id for row in rows))
        raise EmoError(
            f"the loss is {loss} in stage {stage.name!r}; the batch is {ids}",
            str(folder / ODD_BATCH),
            "look at these clips; lower learning_rate or max_grad_norm, or train in float32 (precision=float32)",
        ) from error


@contextmanager
def memory_told(index: int, stage: Stage, plan: Plan) -> Iterator[None]:
    """Say what to lower, in numbers, when memory runs out.

    Args:
        index: Number of the stage in the recipe.
        stage: What was to be trained.
        plan: Tells how long the examples are.

    Raises:
        EmoError: In place of torch's error.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and CPU_MEMORY not in str(error):
            raise
        key, half = f"stages.{index}", stage.batch_size // 2
        longest, most = max(plan.lengths), sorted(plan.lengths)[int(0.95 * (len(plan.lengths) - 1))]
        advice = []
        if half:
            parts = -(-stage.batch_size * stage.gradient_accumulation // half)
            advice.append(
                f"{key}.batch_size={half} {key}.gradient_accumulation={parts} (the same step in smaller parts)"
            )
        if not stage.gradient_checkpointing:
            advice.append(f"{key}.gradient_checkpointing=true (recomputes activations)")
        if most < longest:
            advice.append(
                f"{key}.max_length={most} (leaves out the longest 5 %; the longest example has {longest} tokens)"
            )
        advice.append("`emollm validate` on the recipe tells what takes how much")
        raise EmoError(
            f"memory ran out: {stage.batch_size} examples of up to {longest} tokens at a time",
            f"stage {stage.name!r}",
            "one of:\n    " + "\n    ".join(advice),
        ) from error


@contextmanager
def disk_told(folder: Path, model: torch.nn.Module) -> Iterator[None]:
    """Say how much room a saved step needs when there is none.

    Raises:
        EmoError: In place of the error of whoever wrote.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if getattr(error, "errno", None) != errno.ENOSPC and not any(text in str(error) for text in _FULL):
            raise
        need = sum(
            parameter.nbytes + (8 * parameter.numel() if parameter.requires_grad else 0)  # two moments in float32
            for parameter in model.parameters()
        )
        raise EmoError(
            f"the disk is full: {shutil.disk_usage(folder).free / 1e9:.2f} GB are free, a saved step takes up to {need / 1e9:.2f} GB",
            str(folder),
            "make room and go on with resume=auto, or save less often and keep fewer (save.every_steps, save.keep)",
        ) from error


@contextmanager
def parts_told(model: Parts | Saved) -> Iterator[None]:
    """Say which part of a model cannot be had, and why.

    Raises:
        ConfigError: A hub name is wrong or asks for permission.
        EmoError: The hub does not answer.
    """
    try:
        yield
    except OSError as error:
        for where, name in part_names(model).items():
            try:
                reach(name, where)
            except NotReachedError:
                fix = f"where there is a network: emollm models fetch {name}"
                raise EmoError(
                    "the hub does not answer, and this is not on the disk", f"{where}: {name}", fix
                ) from error
        raise
