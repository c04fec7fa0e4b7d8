"""Early stopping: the dev loss at every saved step; the stage ends with the best of them, and before its end when it stays away.

All that is known lies in the log that is saved with each step, so a run that was cut stops where an uninterrupted one stops.
Prechelt 1998, Early Stopping - But When?, https://doi.org/10.1007/3-540-49430-8_3
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


def dev_losses(history: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """Return the dev loss of each step that has one, from the trainer's log."""
    return {row["step"]: row["eval_loss"] for row in history if "eval_loss" in row}


def best_step(history: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the first step with the lowest dev loss, or None where none was measured."""
    losses = dev_losses(history)
    return min(losses, key=losses.__getitem__, default=None)


def is_spent(history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Tell whether the best of all dev losses lies `patience` of them back."""
    losses = list(dev_losses(history).values())
    return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= patience


class EarlyStop(TrainerCallback):
    """Measures the dev loss whenever a step is saved, and stops the stage.

    Args:
        patience: After so many dev losses without a better one.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Ask for the dev loss before the step is saved."""
        control.should_evaluate = control.should_save

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Stop once the best lies too far back."""
        control.should_training_stop |= is_spent(state.log_history, self.patience)
