"""An emotion wheel as SVG: Plutchik's, with our words on it (emollm/emotions/wheels/plutchik.txt tells its sources).

Eight sectors; the three rings are mild (outside), plain and strong (inside); blends of two neighbours stand around them. A word that the
wheel does not have, such as "neutral", is counted beside it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup

from emollm.emotions.lexicon import read_word
from emollm.emotions.own import Sectors, wheel
from emollm.report.figures import WIDTH, Table, drawing
from emollm.report.markup import joined, tag

NAME = "plutchik"
_RADIUS, _HOLE = 196, 16
_RINGS = (72, 118, 164)  # outer radii: strong, plain, mild
_BLENDS = (168, 192)


@dataclass(frozen=True)
class Cell:
    """A group of words: the sectors it belongs to, its place (turns from the top, clockwise) and its rings (radii)."""

    group: str
    sectors: tuple[str, ...]
    start: float
    end: float
    inner: float
    outer: float

    @property
    def path(self) -> str:
        """The outline."""
        large = int(self.end - self.start > 0.5)
        corners = [_point(turn, r) for turn, r in ((self.start, self.outer), (self.end, self.outer))]
        corners += [_point(turn, r) for turn, r in ((self.end, self.inner), (self.start, self.inner))]
        (a, b, c, d) = (f"{x:.1f} {y:.1f}" for x, y in corners)
        return f"M{a}A{self.outer} {self.outer} 0 {large} 1 {b}L{c}A{self.inner} {self.inner} 0 {large} 0 {d}Z"

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre, x to the right and y down."""
        return _point((self.start + self.end) / 2, (self.inner + self.outer) / 2)


@cache
def cells() -> dict[str, Cell]:
    """Return group -> cell."""
    groups = dict.fromkeys((sectors, group) for sectors, group in _places().values())
    names = list(dict.fromkeys(sectors[0] for sectors, _ in groups if len(sectors) == 1))
    width, seen, found = 1 / len(names), Counter[str](), dict[str, Cell]()
    for sectors, group in groups:
        at = names.index(sectors[0]) * width
        if len(sectors) > 1:
            found[group] = Cell(group, sectors, at + 0.1 * width, at + 0.9 * width, *_BLENDS)
            continue
        ring = len(_RINGS) - 1 - seen[sectors[0]]  # the wheel's file goes from mild to strong
        seen[sectors[0]] += 1
        inner = _RINGS[ring - 1] if ring else _HOLE
        found[group] = Cell(group, sectors, at - width / 2, at + width / 2, inner, _RINGS[ring])
    return found


def cell_of(label: str) -> Cell | None:
    """Return where a label stands; None: not on the wheel."""
    placed = _places().get(read_word(label).concept)
    return None if placed is None else cells()[placed[1]]


@cache
def sectors() -> tuple[str, ...]:
    """Return the names of the sectors, clockwise."""
    return tuple(dict.fromkeys(cell.sectors[0] for cell in cells().values() if len(cell.sectors) == 1))


def families(labels: Iterable[str]) -> set[str]:
    """Return the sectors of labels; a label that is not on the wheel is a family of its own."""
    found: set[str] = set()
    for label in labels:
        cell = cell_of(label)
        found |= set(cell.sectors) if cell else {read_word(label).base or label.strip().lower()}
    return found


@dataclass(frozen=True)
class Wheel:
    """How often labels fall on each cell.

    Attributes:
        title: Whose labels they are.
        clips: Labels of each clip.
        scale: The share of clips that is drawn in full colour.
    """

    title: str
    clips: Collection[Collection[str]]
    scale: float
    legend: tuple[tuple[str, str], ...] = ()

    @property
    def about(self) -> str:
        """The commonest cells in words."""
        counts, off = count(self.clips)
        most = ", ".join(f"{group} {n}" for group, n in counts.most_common(5)) or "none"
        beside = ", ".join(f"{word} {n}" for word, n in off.most_common(4))
        return f"{len(self.clips)} clips; commonest: {most}." + (f" Not on the wheel: {beside}." if beside else "")

    def table(self) -> Table:
        """Return the numbers of clips."""
        counts, off = count(self.clips)
        rows = [(" + ".join(cells()[group].sectors), group, str(n)) for group, n in counts.most_common()]
        rows += [("not on the wheel", word, str(n)) for word, n in off.most_common()]
        return Table(self.title, ("family", "group", "clips"), rows)

    def svg(self) -> Markup:
        """Return the drawing: full colour where many clips are."""
        counts, _ = count(self.clips)
        whole = max(len(self.clips), 1) * self.scale
        parts = []
        for group, cell in cells().items():
            share = min(counts[group] / whole, 1.0) ** 0.5
            parts.append(tag("path", d=cell.path, class_=f"petal {colour(cell)}", fill_opacity=0.85 * share))
        parts += [_name(cell, counts[group]) for group, cell in cells().items()]
        middle = tag("g", *parts, transform=f"translate({WIDTH / 2:g} {_RADIUS + 4})", class_="wheel")
        return drawing(self.title, self.about, 2 * _RADIUS + 8, [middle])


def small_wheel(truth: Collection[str] | None, answers: Collection[str]) -> Markup:
    """Return the wheel of one clip: answers are filled, truth is outlined. The page holds its outline once, as `#wheel`."""
    named = {cell.group: cell for label in answers if (cell := cell_of(label))}
    true = {cell.group: cell for label in truth or () if (cell := cell_of(label))}
    parts = [tag("use", href="#wheel")]
    parts += [tag("path", d=cell.path, class_=f"petal {colour(cell)}") for cell in named.values()]
    parts += [tag("path", d=cell.path, class_="outlined") for cell in true.values()]
    told = f"answer: {', '.join(named) or 'nothing on the wheel'}"
    told += "" if truth is None else f"; truth: {', '.join(true) or 'nothing on the wheel'}"
    side = _RADIUS + 4
    return tag("svg", tag("title", told), *parts, viewBox=f"-{side} -{side} {2 * side} {2 * side}", role="img")


def outline() -> Markup:
    """Return the outlines of all cells, to be used by `small_wheel`."""
    paths = [tag("path", d=cell.path, class_="empty") for cell in cells().values()]
    inside = tag("defs", tag("g", *paths, id="wheel"))
    return tag("svg", inside, class_="hidden", aria_hidden="true", width=0, height=0)


def colour(cell: Cell) -> str:
    """Return the class of a cell's colour: that of its first sector."""
    return f"hue{sectors().index(cell.sectors[0])}"


def count(clips: Iterable[Collection[str]]) -> tuple[Counter[str], Counter[str]]:
    """Return the number of clips of each group, and of each word that is not on the wheel."""
    counts, off = Counter[str](), Counter[str]()
    for labels in clips:
        found = {label: cell_of(label) for label in labels}
        counts.update({cell.group for cell in found.values() if cell})
        off.update({label.strip().lower() for label, cell in found.items() if not cell})
    return counts, off


def largest_share(sides: Iterable[Collection[Collection[str]]]) -> float:
    """Return the largest share of clips that any cell has on any side: the common scale of wheels."""
    return max((n / len(clips) for clips in sides if clips for n in count(clips)[0].values()), default=1.0)


@cache
def _places() -> Sectors:
    """Return concept -> (sectors, group)."""
    return wheel(NAME)


def _name(cell: Cell, n: int) -> Markup:
    """Return a cell's name and its number, turned so that it fits."""
    turn, (x, y) = (cell.start + cell.end) / 2, cell.middle
    if cell.inner == _HOLE:  # along the radius
        degrees = 360 * turn - 90 if turn % 1 < 0.5 else 360 * turn + 90
    else:  # along the arc
        degrees = 360 * turn + (180 if 0.25 < turn % 1 < 0.75 else 0)
    below = len(cell.sectors) == 1
    number = tag("tspan", str(n), x=0, dy="1.1em") if below else f" {n}"
    told = joined([cell.group, number]) if n else cell.group
    place = f"translate({x:.1f} {y:.1f}) rotate({degrees:.1f})"
    style = ("some" if n else "none") + (" inside" if cell.inner == _HOLE else "")
    return tag(
        "text", told, transform=place, dy="-0.2em" if n and below else "0.35em", text_anchor="middle", class_=style
    )


def _point(turn: float, radius: float) -> tuple[float, float]:
    """Return where a turn from the top, clockwise, is at a radius."""
    return radius * math.sin(2 * math.pi * turn), -radius * math.cos(2 * math.pi * turn)
