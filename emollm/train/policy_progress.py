"""What a run tells while it runs: rows of `metrics.jsonl`, a line (and of GRPO the table of answers) on the console, `plots/policy.png`.

Of GRPO:

    {"step": 40, "epoch": 0.31, "loss": 0.01, "reward": 0.52, "reward_std": 0.3, "groups_without_spread": 0.1, "rewards/format": 1.0,
     "completion_length": 21.0, "cut": 0.0, "entropy": 0.8, "kl": 0.002, "clipped": 0.0, "labels": 1.9, "parse/ok": 1.0,
     "generation_s": 1.1, "step_s": 2.0, "tokens_per_s": 340.0, "learning_rate": 1e-6, "grad_norm": 0.4, "seconds": 81.2}

All numbers are means over the steps since the row before. `groups_without_spread` is the share of clips whose answers all earn the same:
they teach nothing. `cut` is the share of answers that stopped at the length limit, `clipped` that of tokens outside the clip range.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from rich.text import Text
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from emollm.errors import EmoError

NAMES = {
    "loss": "loss",
    "reward": "reward",
    "reward_std": "reward_std",
    "frac_reward_zero_std": "groups_without_spread",
    "completions/mean_length": "completion_length",
    "completions/clipped_ratio": "cut",
    "entropy": "entropy",
    "kl": "kl",
    "clip_ratio/region_mean": "clipped",
    "labels": "labels",
    "parse/ok": "parse/ok",
    "generation_s": "generation_s",
    "step_time": "step_s",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
}
SHOWN_ANSWERS = 4
SHOWN = {"reward": "reward", "completion_length": "tokens", "entropy": "entropy", "kl": "KL"}
PANELS = (
    ("reward", "reward", "rewards/"),
    ("completion_length", "tokens of an answer", ""),
    ("entropy", "entropy, nats a token", ""),
    ("kl", "KL", ""),
)


class StepProgress(TrainerCallback):
    """Logs and shows the steps of a run.

    Args:
        write: Takes a row of metrics.
        row_of: Returns what TRL logs under our names.
        shown: Keys of a row that go to the console, with their names there.
        epochs: Epochs that the plan holds.
        console: Where to draw.
    """

    def __init__(
        self,
        write: Callable[[dict[str, Any]], None],
        row_of: Callable[[Mapping[str, Any]], dict[str, Any]],
        shown: Mapping[str, str],
        epochs: float,
        console: Console,
    ) -> None:
        self.write, self.row_of, self.shown, self.epochs, self.console = write, row_of, shown, epochs, console
        self._started = self._logged = time.perf_counter()
        self._tokens = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock."""
        self._started = self._logged = time.perf_counter()
        self._tokens = state.num_input_tokens_seen

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write a row and show it; the trainer's closing summary is no row.

        Raises:
            EmoError: The loss is no number.
        """
        if not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        row = self.row_of(logs or {})
        if not math.isfinite(row["loss"]):
            raise EmoError(
                f"the loss is {row['loss']} at step {state.global_step}",
                fix="lower learning_rate, or train in float32 (precision=float32)",
            )
        now = time.perf_counter()
        tokens = state.num_input_tokens_seen
        speed = {"tokens_per_s": round((tokens - self._tokens) / max(now - self._logged, 1e-9), 1)} if tokens else {}
        row = {
            "step": state.global_step,
            "epoch": round(self.epochs * state.global_step / max(1, state.max_steps), 4),
            **row,
            **speed,
            "seconds": round(now - self._started, 2),
        }
        self._logged, self._tokens = now, tokens
        self.write(row)
        self.show(row, state.max_steps)

    def show(self, row: Mapping[str, Any], steps: int) -> None:
        """Print the row on a line."""
        numbers = "  ".join(f"{name} {row[key]:.4g}" for key, name in self.shown.items() if row.get(key) is not None)
        self.console.print(f"step {row['step']}/{steps}  {numbers}", highlight=False)


class PolicyProgress(StepProgress):
    """Logs and shows a run of GRPO.

    Args:
        write: Takes a row of metrics.
        latest: Returns the lines of `rollouts.jsonl` of the step that was made last.
        gold: Returns the true labels of a clip, by its id.
        epochs: Epochs that the plan holds.
        console: Where to draw.
    """

    def __init__(
        self,
        write: Callable[[dict[str, Any]], None],
        latest: Callable[[], Sequence[Mapping[str, Any]]],
        gold: Callable[[str], Sequence[str]],
        epochs: float,
        console: Console,
    ) -> None:
        super().__init__(write, row_of, SHOWN, epochs, console)
        self.latest, self.gold = latest, gold

    def show(self, row: Mapping[str, Any], steps: int) -> None:
        """Print the row on a line, and answers to one clip of the last step, best first."""
        super().show(row, steps)
        lines = self.latest()
        if lines:
            self.console.print(answers_to(lines[0]["id"], lines, self.gold(lines[0]["id"])))


def row_of(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what TRL logs under our names, rewards by theirs."""
    row = {name: logs[key] for key, name in NAMES.items() if logs.get(key) is not None}
    row |= {
        key.removesuffix("/mean"): value
        for key, value in logs.items()
        if key.startswith("rewards/") and key.endswith("/mean") and value is not None
    }
    return {key: round(float(value), 8) for key, value in row.items()}


def answers_to(clip: str, lines: Sequence[Mapping[str, Any]], gold: Sequence[str]) -> Table:
    """Return a table of the different answers to one clip, best and worst first."""
    title = Text(f"{clip}: {', '.join(gold) or 'no labels'}")  # Text: what stands in it may look like rich's markup
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("reward", justify="right")
    table.add_column("advantage", justify="right")
    table.add_column("answer", overflow="ellipsis", no_wrap=True, ratio=1)
    texts: dict[str, Mapping[str, Any]] = {line["text"]: line for line in lines if line["id"] == clip}
    ordered = sorted(texts.values(), key=lambda line: -line["reward"])
    if len(ordered) > SHOWN_ANSWERS:
        ordered = ordered[: SHOWN_ANSWERS // 2] + ordered[-(SHOWN_ANSWERS // 2) :]
    for line in ordered:
        answer = Text(line["text"].replace("\n", " "))
        table.add_row(f"{line['reward']:.3f}", f"{line['advantage']:+.2f}", answer)
    return table


def plot_panels(metrics: Path, out: Path, panels: Sequence[tuple[str, str, str]] = PANELS) -> None:
    """Draw columns of `metrics.jsonl` over steps, as PNG.

    Args:
        metrics: The file.
        out: The picture.
        panels: Column, title, and how the names of further columns begin that belong into the same panel (empty: none do).
    """
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    shown = []
    for key, title, prefix in panels:
        parts = {name for row in rows for name in row if prefix and name.startswith(prefix)}
        names = [key] * any(key in row for row in rows) + sorted(parts)
        if names:
            shown.append((title, prefix, names))
    for place, (title, prefix, names) in enumerate(shown, 1):
        axes = figure.add_subplot(2, 2, place, xlabel="step", title=title)
        for name in names:
            points = [(row["step"], float(row[name])) for row in rows if name in row]
            part = bool(prefix) and name.startswith(prefix)
            label = name.removeprefix(prefix) if part else "together"
            axes.plot(*zip(*points, strict=True), linewidth=0.8 if part else 2, label=label)
        axes.grid(alpha=0.3)
        if prefix:
            axes.legend(fontsize="x-small")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
