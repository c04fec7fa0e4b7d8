"""The report of a training run: loss, rewards, what was sampled, the recipe, the card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emollm.errors import EmoError
from emollm.report.figures import Chart, Figure, Line, Table, finite
from emollm.report.page import Report, Section
from emollm.run import read_metrics

_SHOWN_CLIPS, _MOST_PARTS = 3, 6
_PANELS = (
    ("completion_length", "Length of answers", "Mean length of a sampled answer.", "tokens"),
    ("entropy", "Entropy", "Mean entropy of the next token.", "nats a token"),
    ("kl", "KL", "Mean divergence from the model that training started from.", "nats a token"),
    (
        "groups_without_spread",
        "Groups without spread",
        "Share of clips whose answers all earn the same: they teach nothing.",
        "share",
    ),
    ("token_accuracy", "Token accuracy", "Share of the target's tokens that the model puts first.", "share"),
    ("learning_rate", "Learning rate", "The rate over the run.", "rate"),
)
Rows = Sequence[Mapping[str, Any]]


def is_training_run(folder: Path) -> bool:
    """Tell whether a folder is one that `emollm sft` or `grpo` writes."""
    return (folder / "metrics.jsonl").is_file() and (folder / "config.yaml").is_file()


def training_report(folder: Path) -> Report:
    """Return the report of a run folder.

    Raises:
        EmoError: Nothing was logged, or a file of it is damaged.
    """
    try:
        rows = read_metrics(folder)
    except ValueError as error:
        raise EmoError(f"damaged ({error})", str(folder / "metrics.jsonl"), "remove the line that is no JSON") from None
    if not rows:
        raise EmoError("nothing has been logged yet", str(folder / "metrics.jsonl"), "come back after some steps")
    sections = [Section("Training", "Means over the steps between two rows of metrics.jsonl.", list(_curves(rows)))]
    sections += _rollouts(folder / "rollouts.jsonl")
    sections.append(Section("How it was made", texts=list(_texts(folder))))
    last = rows[-1]
    facts = [("run", folder.name), ("steps", f"{last.get('step', '?')}")]
    facts += [(f"last {key}", f"{float(last[key]):.4g}") for key in ("loss", "reward", "dev_loss") if key in last]
    done = (folder / "checkpoints" / "final").exists()
    return Report(f"Training: {folder.name}", facts, sections, "" if done else "This run has not ended yet.")


def _curves(rows: Rows) -> Iterator[Figure]:
    """Yield what was logged over steps."""
    stages = list(dict.fromkeys(row["stage"] for row in rows if "stage" in row))
    if stages:
        lines = [
            _line(rows, "loss", stage, [row for row in rows if row.get("stage") == stage])
            for stage in stages[: _MOST_PARTS - 1]
        ]
        lines.append(_line(rows, "dev_loss", "dev", rows, dots=True))
    else:
        lines = [_line(rows, "loss", "loss", rows)]
    yield from _chart("Loss", "Training loss over steps, by stage.", "loss", lines)
    parts = sorted({name for row in rows for name in row if name.startswith("rewards/")})[: _MOST_PARTS - 1]
    rewards = [_line(rows, "reward", "weighted sum", rows)]
    rewards += [_line(rows, name, name.removeprefix("rewards/"), rows) for name in parts]
    yield from _chart("Reward", "Mean reward over steps, in all and by part.", "reward", rewards)
    for key, title, about, unit in _PANELS:
        yield from _chart(title, about, unit, [_line(rows, key, key, rows)])


def _line(rows: Rows, key: str, name: str, mine: Rows, *, dots: bool = False) -> Line:
    return Line(name, [(float(row["step"]), float(row[key])) for row in mine if key in row and "step" in row], dots)


def _chart(title: str, about: str, unit: str, lines: Sequence[Line]) -> Iterator[Figure]:
    """Yield the chart of the lines that have points, if any has."""
    kept = [line for line in lines if finite(line.points)]
    if kept:
        ends = "; ".join(f"{line.name} ends at {finite(line.points)[-1][1]:.4g}" for line in kept[:3])
        yield Chart(title, f"{about} {ends}.", "step", unit, kept)


def _rollouts(path: Path) -> Iterator[Section]:
    """Yield the answers of the last step, the best and the worst of some clips."""
    if not path.is_file():
        return
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1] if line]
    if not lines:
        return
    last = [line for line in lines if line["step"] == lines[-1]["step"]]
    rows: list[tuple[str, ...]] = []
    for clip in list(dict.fromkeys(line["id"] for line in last))[:_SHOWN_CLIPS]:
        answers = sorted((line for line in last if line["id"] == clip), key=lambda line: -line["reward"])
        rows += [_answer(line) for line in ([answers[0], answers[-1]] if len(answers) > 1 else answers)]
    head = ("clip", "reward", "advantage", "answer", "why")
    about = (
        f"Of {len(last):,} answers of step {lines[-1]['step']}: the best and the worst of {_SHOWN_CLIPS} clips at most."
    )
    yield Section("What was sampled", about, (), [Table("Answers and what they earned", head, rows)])


def _answer(line: Mapping[str, Any]) -> tuple[str, ...]:
    why = "; ".join(f"{name}: {reason}" for name, reason in (line.get("reasons") or {}).items())
    return line["id"], f"{line['reward']:.3f}", f"{line['advantage']:+.2f}", line["text"], why


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for name, title in (("README.md", "Card"), ("config.yaml", "Recipe"), ("env.json", "Environment")):
        if (folder / name).is_file():
            yield title, (folder / name).read_text(encoding="utf-8")
