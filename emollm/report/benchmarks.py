"""The results of `emollm eval run` as text: a table for a terminal, every number with its clips and its interval."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emollm.report.scores import details_text, plain_lines
from emollm.report.tables import csv_line, plain

Cells = tuple[str, ...]
_LATEX = re.compile(r"[&%$#_{}]")
_FAILED = (("error", "error row(s)"), ("insufficient_evidence", "without labels"), ("unreadable", "unreadable"))


def results_text(results: Mapping[str, Any]) -> str:
    """Return results as text."""
    benchmark, model = results["benchmark"], results["model"]
    head = [
        f"{benchmark['title']} (version {benchmark['version']}), {model.get('model')}"
        + (f": answers are valid for {model['valid_for']} clips only" if model.get("valid_for") else ""),
        f"does not measure: {benchmark['measures_not']}",
    ]
    if results["state"] != "done":
        head.append("NOT DONE: some parts are missing; the same command goes on")
    if results["call"]["limit"]:
        head.append(f"at most {results['call']['limit']} clips a part: not the published set")
    parts = ["\n".join(head), columns([HEAD, *run_cells(results["runs"])])]
    means = [row for row in results["summary"] if row["value"] is not None and len(row["parts"]) > 1]
    if means:
        parts.append(columns([("mean", "given", "variant", "value", "95 %"), *mean_cells(means)]))
    for run in results["runs"]:
        if "extra" in run:
            parts += [f"{run['part']}, measured by the leaf:", *details_text(run["extra"])]
    parts += [line for run in results["runs"] if (line := failures(run))]
    if rows := results["reported"]:
        table = [(row["system"], row["part"] or "mean", f"{row['value']:g}", row["paper"]) for row in rows]
        parts.append(columns([("reported by papers, not measured here", "part", "value", "source"), *table]))
    return "\n\n".join(plain_lines(part) for part in parts)


HEAD = ("part", "given", "variant", "answers", "score", "value", "95 %", "n", "constant")


def columns(rows: Sequence[Cells]) -> str:
    """Return rows as lines whose cells stand below each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number to print, a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"


def interval(row: Mapping[str, Any]) -> str:
    """Return an interval to print, nothing for none."""
    return "" if row.get("low") is None else f"{row['low']:.4f} to {row['high']:.4f}"


def run_cells(runs: Sequence[Mapping[str, Any]]) -> Iterator[Cells]:
    """Yield one row a run, in the order of `HEAD`."""
    for run in runs:
        way = run["variant"] + (f" s{run['seed']}" if run["seed"] else "")
        first = run["scores"][0]
        score = f"{first['metric']} {first['ranks']}"
        constant = number(first["details"].get("constant_value"))
        yield (
            run["part"],
            run["given"],
            way,
            run["answers"],
            score,
            number(run["value"]),
            interval(run),
            _n(run),
            constant,
        )


def _n(run: Mapping[str, Any]) -> str:
    expected = run["expected"]
    return f"{run['clips']:,}" + (f" of {expected:,}" if expected not in (None, run["clips"]) else "")


def mean_cells(rows: Sequence[Mapping[str, Any]]) -> Iterator[Cells]:
    """Yield one row a mean over parts."""
    for row in rows:
        yield row["over"], row["given"], row["variant"], number(row["value"]), interval(row)


JUDGED = ("part", "given", "rubric", "by", "value", "95 %", "n", "alpha", "r", "prompt")


def judged_cells(runs: Sequence[Mapping[str, Any]]) -> Iterator[Cells]:
    """Yield what judges said, in the order of `JUDGED`: a row for each judge and rubric, one below for each matcher."""
    for run in runs:
        for row in run.get("judged", ()):
            place = (run["part"], run["given"], row["rubric"])
            by = f"{row['judge']} ({row['scale'][0]:g}..{row['scale'][1]:g})"
            n, prompt = f"{row['n']:,}", row["prompt_sha256"][:8]
            yield *place, by, number(row["value"]), interval(row), n, "", "", prompt
            for name, one in row["beside"].items():
                agreed = (number(one[key], 3) for key in ("alpha", "pearson"))
                yield *place, f"{name} (0..1)", number(one["value"]), interval(one), n, *agreed, ""


def failures(run: Mapping[str, Any]) -> str:
    """Return what went wrong in a run, or nothing."""
    told = ", ".join(f"{run['counts'][key]} {what}" for key, what in _FAILED if run["counts"][key])
    if run["unseen"]:
        told = f"{told}; no clip's {' or '.join(run['unseen'])} reached the model: the benchmark gives it".lstrip("; ")
    return f"{run['part']} {run['given']} {run['variant']}: {told}" if told else ""


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str) -> str:
    """Return a table as `markdown`, `latex` or `csv`; texts from outside are made harmless in each."""
    if kind == "csv":
        return "".join(map(csv_line, [head, *rows]))
    if kind == "latex":
        lines = [" & ".join(_LATEX.sub(r"\\\g<0>", cell) for cell in row) + r" \\" for row in (head, *rows)]
        body = "\n".join([lines[0], r"\midrule", *lines[1:]])
        columns_ = "l" * len(head)
        return f"\\begin{{tabular}}{{{columns_}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
    lines = ["| " + " | ".join(plain(cell).replace("|", "\\|") for cell in row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"
