"""Progress of a training run: bars for people, `metrics.jsonl` for machines, the same numbers in both.

One row is written for each time the trainer logs:

    {"step": 40, "stage": "full", "stage_step": 40, "epoch": 0.31, "loss": 2.1, "learning_rate": 0.001, "grad_norm": 0.9,
     "token_accuracy": 0.51, "samples_per_s": 88.0, "seconds": 14.5}

`step` counts over all stages, `epoch` within the stage; the encoder's own losses stand as `aux/<block>/<name>`. The last row of a stage
may hold `dev_loss`. A row is written whenever a step is saved, too: a run that goes on from there has lost none of the numbers in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_RENAMED = {
    "loss": "loss",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
    "mean_token_accuracy": "token_accuracy",
    "eval_loss": "dev_loss",
    "eval_mean_token_accuracy": "dev_token_accuracy",
}
_DIGITS = 6


class StageProgress(TrainerCallback):
    """Shows and logs one stage.

    Args:
        stage: Name of the stage.
        write: Takes a row of metrics.
        first_step: Steps of the stages before.
        epochs: Epochs that the stage's plan holds.
        samples_per_step: Examples of one step, over all processes.
        console: Where to draw; None makes one.
    """

    def __init__(
        self,
        stage: str,
        write: Callable[[dict[str, Any]], None],
        first_step: int,
        epochs: float,
        samples_per_step: int,
        console: Console | None = None,
    ) -> None:
        self.stage, self.write, self.first_step = stage, write, first_step
        self.epochs, self.samples_per_step = epochs, samples_per_step
        self.console = console or Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._started = self._logged = 0.0
        self._logged_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the bar and the clock."""
        self.task = self.bar.add_task(self.stage, total=state.max_steps, numbers="")
        self.bar.start()
        self._started = self._logged = time.perf_counter()
        self._logged_step = state.global_step  # not 0 where a run goes on

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Move the bar; have a row written before a step is saved, and at the end."""
        control.should_log |= control.should_save or control.should_training_stop
        self.bar.update(self.task, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write a row and show it; the trainer's closing summary is no row."""
        numbers = {
            _RENAMED.get(key, key): round(value, _DIGITS)
            for key, value in (logs or {}).items()
            if key in _RENAMED or key.startswith("aux/")
        }
        if not state.is_world_process_zero or not {"loss", "dev_loss"} & set(numbers):
            return
        now = time.perf_counter()
        row = {
            "step": self.first_step + state.global_step,
            "stage": self.stage,
            "stage_step": state.global_step,
            "epoch": round(self.epochs * state.global_step / max(1, state.max_steps), 4),
            **numbers,
        }
        if "loss" in numbers:
            samples = (state.global_step - self._logged_step) * self.samples_per_step
            row["samples_per_s"] = round(samples / max(now - self._logged, 1e-9), 2)
            self._logged, self._logged_step = now, state.global_step
        row["seconds"] = round(now - self._started, 2)
        self.write(row)
        self._show(row, state.max_steps)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop the bar."""
        self.bar.stop()

    def _show(self, row: dict[str, Any], max_steps: int) -> None:
        """Put the row beside the bar; without a terminal, print it on a line."""
        named = (("loss", "loss"), ("dev_loss", "dev loss"), ("learning_rate", "lr"), ("samples_per_s", "samples/s"))
        numbers = "  ".join(f"{name} {row[key]:.4g}" for key, name in named if key in row)
        if self.console.is_terminal and "loss" in row:
            self.bar.update(self.task, numbers=numbers)
        else:
            self.console.print(f"{self.stage} {row['stage_step']}/{max_steps}  {numbers}", highlight=False)
