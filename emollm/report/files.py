"""Every table of a report as Markdown, LaTeX and CSV, and every figure as PNG, for papers and slides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emollm.errors import ConfigError
from emollm.paths import whole_file
from emollm.report.benchmarks import table_text
from emollm.report.figures import Chart, Figure, Matrix, Spread, Table, pieces, thin
from emollm.report.page import Report
from emollm.report.wheel import Wheel, cells, count, sectors

SUFFIXES = {"markdown": ".md", "latex": ".tex", "csv": ".csv"}
DPI = 160
MOST_MARKED = 60
_GAP = (float("nan"), float("nan"))
_HUES = ("#e3b505", "#7cb342", "#2e8b57", "#29a3b1", "#3d6fc4", "#8e5bb5", "#cf3e36", "#e67e22")


def write_files(report: Report, folder: Path) -> int:
    """Write the files into a folder, and return how many; files of the same names are replaced.

    Raises:
        ConfigError: matplotlib, which draws the pictures, is not installed.
    """
    try:
        import matplotlib.figure
    except ImportError:
        raise ConfigError("pictures need matplotlib", "--files", "pip install 'emollm[train]'") from None
    number = 0
    for section, item in _items(report):
        stem = _stem(f"{section} {item.title}")
        table = item if isinstance(item, Table) else item.table()
        for kind, suffix in SUFFIXES.items():
            with whole_file(folder / f"{stem}{suffix}") as out:
                out.write(table_text(table.head, table.rows, kind))
            number += 1
        if not isinstance(item, Table):
            figure = matplotlib.figure.Figure(figsize=(6, 4.5), layout="constrained")
            draw(item, figure)
            figure.savefig(folder / f"{stem}.png", dpi=DPI)
            number += 1
    return number


def _items(report: Report) -> Iterator[tuple[str, Figure | Table]]:
    for section in report.sections:
        for figure in section.figures:
            yield section.title, figure
        for table in section.tables:
            yield section.title, table


def _stem(title: str) -> str:
    """Return a name for files out of a title, in which a name from outside can lead nowhere."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:80] or "figure"


def draw(item: Figure, figure: Any) -> None:
    """Draw a figure of the report with matplotlib."""
    if isinstance(item, Chart):
        _chart(item, figure)
    elif isinstance(item, Spread):
        _spread(item, figure)
    elif isinstance(item, Matrix):
        _matrix(item, figure)
    elif isinstance(item, Wheel):
        _wheel(item, figure)


def _chart(item: Chart, figure: Any) -> None:
    axes = figure.add_subplot(xlabel=item.x, ylabel=item.y, title=item.title)
    for line in item.lines:
        drawn = [point for piece in pieces(line.points) for point in (*thin(piece), _GAP)]
        style = "o" if line.dots else ".-" if len(drawn) <= MOST_MARKED else "-"
        axes.plot([x for x, _ in drawn], [y for _, y in drawn], style, label=line.name)
    if item.diagonal:
        axes.plot([0, 1], [0, 1], "k:", linewidth=1)
    if item.unit_square:
        axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    if len(item.lines) > 1:
        axes.legend(fontsize="small")


def _spread(item: Spread, figure: Any) -> None:
    axes = figure.add_subplot(title=item.title)
    for row, one in enumerate(item.bounds):
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [row, row], "-", color="C0", linewidth=2)
        axes.plot([one.value], [row], "o", color="C0")
    axes.set_yticks(range(len(item.bounds)), [_plain(f"{one.name}  {one.remark}") for one in item.bounds])
    axes.invert_yaxis()
    axes.grid(alpha=0.3, axis="x")


def _matrix(item: Matrix, figure: Any) -> None:
    axes = figure.add_subplot(title=item.title)
    values = [[float("nan") if value is None else value for value in row] for row in item.values]
    axes.imshow(values, cmap="Blues", aspect="auto", vmin=0)
    axes.set_xticks(range(len(item.columns)), [_plain(name) for name in item.columns], rotation=45, ha="right")
    axes.set_yticks(range(len(item.rows)), [_plain(name) for name in item.rows])
    most = max((value for row in item.values for value in row if value), default=1.0)
    for y, row in enumerate(item.values):
        for x, value in enumerate(row):
            told = "" if value is None else f"{100 * value:.0f}" if item.percent else f"{value:.3f}"
            strong = (value or 0) > 0.55 * most
            axes.text(x, y, told, ha="center", va="center", fontsize="small", color="white" if strong else "black")


def _wheel(item: Wheel, figure: Any) -> None:
    from matplotlib.patches import Wedge

    axes = figure.add_subplot(title=item.title, aspect="equal")
    counts, _ = count(item.clips)
    whole = max(len(item.clips), 1) * item.scale
    hues = dict(zip(sectors(), _HUES, strict=True))
    for group, cell in cells().items():
        share = min(counts[group] / whole, 1.0) ** 0.5
        turns = 90 - 360 * cell.end, 90 - 360 * cell.start
        ring = {"r": cell.outer, "width": cell.outer - cell.inner, "theta1": turns[0], "theta2": turns[1]}
        axes.add_patch(Wedge((0, 0), **ring, facecolor=hues[cell.sectors[0]], alpha=0.85 * share))
        axes.add_patch(Wedge((0, 0), **ring, fill=False, edgecolor="0.6", linewidth=0.5))
        if counts[group]:
            x, y = cell.middle
            axes.text(x, -y, f"{group}\n{counts[group]}", ha="center", va="center", fontsize=6)
    axes.set(xlim=(-200, 200), ylim=(-200, 200))
    axes.axis("off")


def _plain(text: str) -> str:
    """Return a text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")
