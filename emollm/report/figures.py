"""Figures of a report: each is data that can be drawn as SVG and told as a table. Colours are classes of the page's style.

All are drawn 420 units wide, so that their texts stay readable on a narrow screen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from markupsafe import Markup

from emollm.report.markup import joined, tag

WIDTH = 420
MOST_POINTS = 300
MOST_NAMES = 14
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 38
_NAME_CHARS = 22
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Table:
    """A table of texts; `note` stands below it."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


class Figure(Protocol):
    """What a figure is called, what it says in a sentence, how it is drawn, and its numbers."""

    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def about(self) -> str: ...  # noqa: D102
    @property
    def legend(self) -> Sequence[tuple[str, str]]: ...  # noqa: D102
    def svg(self) -> Markup: ...  # noqa: D102
    def table(self) -> Table: ...  # noqa: D102


@dataclass(frozen=True)
class Line:
    """A named line of a chart through points (x, y); it is broken where one is no number."""

    name: str
    points: Points
    dots: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over one axis.

    Attributes:
        title: What it shows.
        about: The same in a sentence, for those who do not see it.
        x: What is to the right.
        y: What is up.
        lines: At most six.
        unit_square: Both axes go from 0 to 1.
        diagonal: Draw the line on which both are equal.
    """

    title: str
    about: str
    x: str
    y: str
    lines: Sequence[Line]
    unit_square: bool = False
    diagonal: bool = False
    height: int = 250

    @property
    def legend(self) -> Sequence[tuple[str, str]]:
        """Class and name of each line, where there are several."""
        return [(f"line{at}", line.name) for at, line in enumerate(self.lines)] if len(self.lines) > 1 else []

    def table(self) -> Table:
        """Return the points."""
        rows = [(line.name, f"{x:g}", f"{y:.5g}") for line in self.lines for x, y in thin(finite(line.points))]
        return Table(self.title, ("line", self.x, self.y), rows)

    def svg(self) -> Markup:
        """Return the drawing."""
        points = [point for line in self.lines for point in finite(line.points)]
        low_x, high_x = (0.0, 1.0) if self.unit_square else _range([x for x, _ in points])
        low_y, high_y = (0.0, 1.0) if self.unit_square else _range([y for _, y in points])
        across, down = WIDTH - _LEFT - _RIGHT, self.height - _TOP - _BOTTOM

        def place(x: float, y: float) -> tuple[float, float]:
            return (
                _LEFT + across * (x - low_x) / (high_x - low_x),
                _TOP + down * (high_y - y) / (high_y - low_y),
            )

        parts: list[Markup] = []
        for y in ticks(low_y, high_y):
            _, at = place(low_x, y)
            parts.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=at, y2=at, class_="grid"))
            parts.append(tag("text", f"{y:g}", x=_LEFT - 6, y=at + 4, text_anchor="end"))
        for x in ticks(low_x, high_x):
            at, _ = place(x, low_y)
            parts.append(tag("text", f"{x:g}", x=at, y=self.height - _BOTTOM + 16, text_anchor="middle"))
        parts.append(tag("text", self.x, x=WIDTH - _RIGHT, y=self.height - 6, text_anchor="end", class_="axis"))
        if self.diagonal:
            (x1, y1), (x2, y2) = place(low_x, low_x), place(high_x, high_x)
            parts.append(tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="equal"))
        for at, line in enumerate(self.lines):
            for piece in pieces(line.points):
                drawn = [place(*point) for point in thin(piece)]
                path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
                if not line.dots:
                    parts.append(tag("polyline", points=path, class_=f"line line{at}"))
                if line.dots or len(drawn) < 13:
                    parts += [tag("circle", cx=x, cy=y, r=3, class_=f"dot line{at}") for x, y in drawn]
        return drawing(self.title, self.about, self.height, parts)


@dataclass(frozen=True)
class Bound:
    """A value with its interval, where there is one, and a remark."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    remark: str = ""


@dataclass(frozen=True)
class Spread:
    """Values with their intervals, one below the other."""

    title: str
    about: str
    bounds: Sequence[Bound]
    legend: Sequence[tuple[str, str]] = ()

    def table(self) -> Table:
        """Return the values."""
        rows = [(one.name, f"{one.value:.4f}", between(one.low, one.high), one.remark) for one in self.bounds]
        return Table(self.title, ("", "value", "95 %", "remark"), rows)

    def svg(self) -> Markup:
        """Return the drawing."""
        ends = [end for one in self.bounds for end in (one.value, one.low, one.high) if end is not None]
        low, high = (0.0, 1.0) if 0 <= min(ends) <= max(ends) <= 1 else _range(ends)
        left, right = 150, WIDTH - 92
        height = 26 * len(self.bounds) + 30

        def place(value: float) -> float:
            return left + (right - left) * (value - low) / (high - low)

        parts: list[Markup] = []
        for value in ticks(low, high, 3):
            at = place(value)
            parts.append(tag("line", x1=at, x2=at, y1=6, y2=height - 22, class_="grid"))
            parts.append(tag("text", f"{value:g}", x=at, y=height - 6, text_anchor="middle"))
        for row, one in enumerate(self.bounds):
            y = 6 + 26 * row + 13
            parts.append(tag("text", short(one.name), x=left - 10, y=y + 4, text_anchor="end", class_="name"))
            if one.low is not None and one.high is not None:
                parts.append(tag("line", x1=place(one.low), x2=place(one.high), y1=y, y2=y, class_="whisker"))
            parts.append(tag("circle", cx=place(one.value), cy=y, r=4.5, class_="dot line0"))
            parts.append(tag("text", f"{one.value:.3f}", x=right + 10, y=y + 4, class_="name"))
            parts.append(tag("text", short(one.remark, 8), x=right + 48, y=y + 4))
        return drawing(self.title, self.about, height, parts)


@dataclass(frozen=True)
class Matrix:
    """Numbers from 0 to `most` in rows and columns; None: not there.

    Attributes:
        title: What it shows.
        about: The same in a sentence.
        rows: Names of the rows.
        columns: Names of the columns.
        values: (rows, columns).
        remarks: What stands behind each row, such as its number of clips.
        percent: Values are shares, shown in percent.
    """

    title: str
    about: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float | None]]
    remarks: Sequence[str] = ()
    percent: bool = True
    legend: Sequence[tuple[str, str]] = ()

    def table(self) -> Table:
        """Return the numbers."""
        remarks = self.remarks or [""] * len(self.rows)
        rows = [
            (name, *(self._told(value) for value in values), remark)
            for name, values, remark in zip(self.rows, self.values, remarks, strict=True)
        ]
        return Table(self.title, ("", *self.columns, "clips"), rows)

    def svg(self) -> Markup:
        """Return the drawing."""
        left, above = 112, 84
        behind = 40 if self.remarks else 8
        wide = min((WIDTH - left - behind) / len(self.columns), 64)
        high = min(wide, 30)
        most = max((value for values in self.values for value in values if value), default=1.0)
        parts: list[Markup] = []
        for column, name in enumerate(self.columns):
            x = left + wide * (column + 0.5)
            turned = f"translate({x:.1f} {above - 8}) rotate(-45)"
            parts.append(tag("text", short(name, 14), transform=turned, class_="name"))
        for row, (name, values) in enumerate(zip(self.rows, self.values, strict=True)):
            y = above + high * row
            parts.append(tag("text", short(name, 17), x=left - 8, y=y + high / 2 + 4, text_anchor="end", class_="name"))
            for column, value in enumerate(values):
                parts += self._cell(left + wide * column, y, wide, high, value, most)
            if self.remarks:
                parts.append(tag("text", self.remarks[row], x=left + wide * len(values) + 6, y=y + high / 2 + 4))
        return drawing(self.title, self.about, round(above + high * len(self.rows) + 8), parts)

    def _cell(self, x: float, y: float, wide: float, high: float, value: float | None, most: float) -> Iterator[Markup]:
        share = 0.0 if value is None else max(value, 0.0) / most
        yield tag("rect", x=x + 1, y=y + 1, width=wide - 2, height=high - 2, rx=2, fill_opacity=share, class_="cell")
        if value is not None and (wide >= 24 or value):
            over = "cell-text strong" if share > 0.55 else "cell-text"
            told = self._told(value)
            yield tag("text", told, x=x + wide / 2, y=y + high / 2 + 4, text_anchor="middle", class_=over)

    def _told(self, value: float | None) -> str:
        return "" if value is None else f"{100 * value:.0f}" if self.percent else f"{value:.3f}"


def drawing(title: str, about: str, height: float, parts: Sequence[Markup], width: float = WIDTH) -> Markup:
    """Return an SVG picture with its title and description."""
    head = joined([tag("title", title), tag("desc", about)])
    return tag("svg", head, *parts, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=f"{title}. {about}")


def short(text: str, most: int = _NAME_CHARS) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def between(low: float | None, high: float | None) -> str:
    """Return an interval as text."""
    return "" if low is None or high is None else f"{low:.4f} to {high:.4f}"


def finite(points: Points) -> list[tuple[float, float]]:
    """Return the points that are numbers."""
    return [point for point in points if all(map(math.isfinite, point))]


def pieces(points: Points) -> Iterator[list[tuple[float, float]]]:
    """Yield the runs of points that are numbers: a line is broken where one is none."""
    for known, run in groupby(points, key=lambda point: all(map(math.isfinite, point))):
        if known:
            yield list(run)


def thin(points: Points) -> list[tuple[float, float]]:
    """Return at most `MOST_POINTS` points: means of neighbours where there are more."""
    size = -(-len(points) // MOST_POINTS)
    chunks = [points[at : at + size] for at in range(0, len(points), size)] if size > 1 else [[one] for one in points]
    return [(sum(x for x, _ in some) / len(some), sum(y for _, y in some) / len(some)) for some in chunks]


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return some round numbers between two numbers."""
    step = 10.0 ** math.floor(math.log10((high - low) / about))
    step *= next((by for by in (1, 2, 5) if (high - low) / (step * by) <= about + 0.5), 10)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return a range that holds all values and is not empty."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        return (low - abs(low) / 2, high + abs(low) / 2) if low else (-0.5, 0.5)
    return (0.0, high) if 0 < low < high / 2 else (low, high)
