"""The loss curve of a run, drawn from its `metrics.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def plot_loss(metrics: Path, out: Path) -> None:
    """Draw training loss (and dev loss where there is any) over steps, one colour a stage, as PNG."""
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="step", ylabel="loss", title="Training loss")
    for number, stage in enumerate(dict.fromkeys(row["stage"] for row in rows)):
        for key, style in (("loss", "-"), ("dev_loss", "o")):
            points = [(row["step"], row[key]) for row in rows if row["stage"] == stage and key in row]
            if points:
                label = stage if key == "loss" else f"{stage}, dev"
                axes.plot(*zip(*points, strict=True), style, color=f"C{number}", label=label)
    axes.grid(alpha=0.3)
    axes.legend()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
