"""The report of `emollm score` as text: a table for a terminal, each value with its interval, and what must be read beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emollm.report.tables import plain

Cells = tuple[str, ...]


def score_text(report: Mapping[str, Any]) -> str:
    """Return the report of `emollm.evaluation.score` as text; `*` marks the value that ranks."""
    drawn = report["intervals"]
    empty = report["gold"]["left_out"]
    head = [
        f"{report['clips']} clips of {report['gold']['path']}"
        + (f"; {empty} with empty gold left out" if empty else "")
    ]
    head += [_source(one) for one in report["predictions"]]
    if drawn["clusters"] > 1:
        what = f"{drawn['level']:.0%} over {drawn['clusters']} {drawn['by']}s, {drawn['draws']} draws, seed {drawn['seed']}"
        head.append(f"intervals: {what}")
    else:
        head.append(f"no intervals: {drawn['clusters']} {drawn['by']}")
    parts = ["\n".join(head)]
    for row in report["scores"]:
        parts.append(_columns([("metric", "value", "", "interval", ""), *_values(row)]))
        parts += [_columns([*_compared(row)])] if "compare" in row else []
        parts += details_text(row["details"])
    return "\n\n".join(plain_lines(part) for part in parts)


def plain_lines(text: str) -> str:
    """Return text without control characters, lines kept."""
    return "\n".join(plain(line) for line in text.split("\n"))


def _source(one: Mapping[str, Any]) -> str:
    """Return what was read, and what in it was no label."""
    counts = [
        (one["errors"], "error row(s)"),
        (one["insufficient_evidence"], "without labels"),
        (one["unreadable"], "unreadable"),
        (one["left_out"], "left out"),
    ]
    told = ", ".join(f"{n} {what}" for n, what in counts if n) or "all with labels"
    return f"{one['path']} ({one['format']}): {told}"


def _values(row: Mapping[str, Any]) -> Iterator[Cells]:
    """Yield one line a value."""
    name = row["metric"]
    for value, found in row["values"].items():
        few = found.get("undefined_draws")
        note = f"undefined on {few} draws" if few else ""
        yield name, _ranked(value, row), _number(found["value"]), _interval(found), note
        name = ""


def _compared(row: Mapping[str, Any]) -> Iterator[Cells]:
    """Yield one line a value of the comparison."""
    yield "", "compared", "first", "second", "difference", "interval", "gain", "p", "p (Holm)"
    for value, found in row["compare"].items():
        gain = found.get("gain")
        yield (
            "",
            _ranked(value, row),
            _number(found["first"]),
            _number(found["second"]),
            _number(found["difference"], sign=True) if "difference" in found else "",
            _interval(found),
            "" if gain is None else f"{gain:+.1%}",
            _number(found["p"], 4) if "p" in found else "",
            _number(found["p_holm"], 4) if "p_holm" in found else "",
        )


def details_text(details: Mapping[str, Any]) -> list[str]:
    """Return what stands beside the values: a table for each group of rows, then a line for each other fact."""
    tables, facts = [], []
    for name, found in details.items():
        named = isinstance(found, Mapping) and all(isinstance(one, Mapping) for one in found.values())
        rows = [{name: key, **one} for key, one in found.items()] if named else found
        if isinstance(rows, Sequence) and rows and isinstance(rows[0], Mapping):
            head = ("", *(key if key != "name" else name for key in rows[0]))
            tables.append(_columns([head, *(("", *(_number(cell) for cell in one.values())) for one in rows)]))
        else:
            facts.append(f"  {_spaced(name)}: {_fact(rows)}")
    return [*tables, *(["\n".join(facts)] if facts else [])]


def _fact(found: Any) -> str:
    """Return a value on one line; a list or a mapping with commas between."""
    if isinstance(found, Mapping):
        return ", ".join(f"{_spaced(key)} {_fact(one)}" for key, one in found.items())
    if isinstance(found, Sequence) and not isinstance(found, str):
        return ", ".join(map(str, found))
    return _number(found)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _ranked(value: str, row: Mapping[str, Any]) -> str:
    return f"{value} *" if value == row["ranks"] else value


def _number(value: Any, digits: int = 6, *, sign: bool = False) -> str:
    """Return a number to print; what is not defined as a dash, texts and whole numbers as they are."""
    if value is None:
        return "-"
    return f"{value:{'+' if sign else ''}.{digits}f}" if isinstance(value, float) else str(value)


def _interval(found: Mapping[str, Any]) -> str:
    return f"{_number(found['low'], 4)} to {_number(found['high'], 4)}" if "low" in found else ""


def _columns(rows: Sequence[Cells]) -> str:
    """Return rows as lines whose cells stand below each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
