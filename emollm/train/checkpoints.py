"""Saved steps of all kinds of training: whole or not there; those of a stage are gone on from only by the run that they belong to.

    checkpoints/<stage>/checkpoint-40/   weights, optimiser, schedule, random states, step (transformers writes them)
                                         origin.json: what the batches of a stage follow from

A step is written in `.part/` and takes its name when every process has written its share, so a run that is killed at any moment leaves
whole steps alone. `origin.json` holds a hash of the plan and the number of processes: with another of them the next batch would be another.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, get_last_checkpoint

from emollm.errors import ConfigError, EmoError
from emollm.records import Record
from emollm.train.early_stop import best_step
from emollm.train.examples import Plan

ORIGIN, PART = "origin.json", ".part"


class WholeSteps(Trainer):
    """What all trainers share: a saved step is whole, or not there.

    Attributes:
        origin: What the batches follow from (`origin_of`); empty where the run folder's settings stand for it.
    """

    model: Any  # the library's own type admits None
    origin: Mapping[str, Any] = {}

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a step beside its place, then put it there; afterwards older ones go."""
        place, name = Path(str(self.args.output_dir)), f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        beside = place / PART
        self.args.output_dir = str(beside)
        try:
            super()._save_checkpoint(model, trial)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)  # room for others, if the disk is full
            raise
        finally:
            self.args.output_dir = str(place)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            if self.origin:
                (beside / name / ORIGIN).write_text(json.dumps(dict(self.origin)), encoding="utf-8")
            shutil.rmtree(place / name, ignore_errors=True)
            os.replace(beside / name, place / name)
            shutil.rmtree(beside)
            self._remove_older(place)
        self.accelerator.wait_for_everyone()

    def _remove_older(self, place: Path) -> None:
        """Keep the newest steps (`save.keep`), and the best on the dev set."""
        steps = sorted(place.glob(f"{PREFIX_CHECKPOINT_DIR}-*"), key=step_of)
        best = best_step(self.state.log_history)
        for old in steps[: -(self.args.save_total_limit or 1)]:
            if step_of(old) != best:
                shutil.rmtree(old)

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Refuse weights that do not fit: transformers warns, and trains on from fresh ones.

        Raises:
            EmoError: Weights are missing or left over.
        """
        tied = set(getattr(self.model, "all_tied_weights_keys", None) or ())
        lost = sorted({*load_result.missing_keys, *load_result.unexpected_keys} - tied)
        if lost:
            raise EmoError(
                f"{len(lost)} weights of the saved step do not fit the model, such as {lost[0]}",
                str(self.args.output_dir),
                "remove the saved steps: the stage starts over",
            )


class StageTrainer(WholeSteps):
    """What the trainers of all objectives of supervised training share; the data set's rows are those of a plan.

    Attributes:
        dev_collator: Makes the batches of `eval_dataset`.
    """

    dev_collator: Any = None
    _batches = 0

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Return the batches of the dev set, which has a collator of its own."""
        usual, self.data_collator = self.data_collator, self.dev_collator
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator = usual

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Return the loss of a batch.

        Raises:
            FloatingPointError: It is no number. `args` are the loss and the place in the plan of the batch's first row.
        """
        args, parts = self.args, self.args.gradient_accumulation_steps
        number = (self.state.global_step * parts + self._batches % parts) * args.world_size + args.process_index
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise FloatingPointError(loss.item(), number * args.per_device_train_batch_size)
        self._batches += 1
        return loss


def origin_of(plan: Plan, records: Iterable[Record], processes: int) -> dict[str, Any]:
    """Return what the batches of a stage follow from: records and plan, as a hash, and the number of processes."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(record.model_dump_json().encode())
    digest.update(json.dumps([example.to_row() for example in plan.examples]).encode())
    return {"plan": digest.hexdigest(), "processes": processes}


def last_step(place: Path, origin: Mapping[str, Any]) -> Path | None:
    """Return the newest saved step of a stage's folder, or None.

    Raises:
        ConfigError: It follows from other records, or from another number of processes.
    """
    found = get_last_checkpoint(str(place)) if place.is_dir() else None
    if found is None:
        return None
    file = Path(found) / ORIGIN
    there = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if there == origin:
        return Path(found)
    if not there:
        what, fix = "the step was saved by another version of emollm", ""
    elif there["processes"] != origin["processes"]:
        what = f"the step was saved by {there['processes']} process(es), not {origin['processes']}"
        fix = f"start with torchrun --nproc_per_node {there['processes']}, or "
    else:
        what, fix = (
            "the step was saved with other records, or by another version of emollm",
            "bring the records back, or ",
        )
    raise ConfigError(what, found, fix + "remove the folder: the stage starts over")


def step_of(path: Path) -> int:
    """Return the number in the name of a saved step."""
    return int(path.name.rpartition("-")[2])
