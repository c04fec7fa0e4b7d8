"""results.json: what `emollm eval run` found, with all that is needed to find it again. The fields are told in docs/eval.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist, fmean, stdev
from typing import Any

from emollm.errors import EmoError
from emollm.evaluation.asking import read_answers
from emollm.evaluation.prose import LEXICON, read_prose
from emollm.evaluation.selecting import read_pool
from emollm.records import Prediction, Record
from emollm.run import sha256

SCHEMA = "emollm.results/1"
FILE = "results.json"
# Quantiles 0.975 of Student's t with 1, 2, ... 9 degrees of freedom
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def read_results(place: Path) -> dict[str, Any]:
    """Return the results of a file, or of the folder that holds it.

    Raises:
        EmoError: There are none, or they are of another version.
    """
    path = place / FILE if place.is_dir() else place
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EmoError(f"no results ({error})", str(path), "emollm eval run writes results.json") from None
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != SCHEMA:
        raise EmoError(f"results of version {schema!r}, not {SCHEMA!r}", str(path), "run the benchmark again")
    return dict(found, folder=str(path.parent))


def predictions_of(results: Mapping[str, Any], run: Mapping[str, Any]) -> list[Prediction]:
    """Return the answers that a run of the results was scored on, in the order in which they were.

    Raises:
        EmoError: The file is gone, or answers are missing.
    """
    path = Path(results["folder"]) / run["predictions"]
    by_id = read_answers(path)
    missing = [id_ for id_ in run["ids"] if id_ not in by_id]
    if missing:
        raise EmoError(f"{len(missing)} answer(s) are gone, such as {missing[0]}", str(path), "run the benchmark again")
    found = [by_id[id_] for id_ in run["ids"]]
    by_lexicon = run["answers"] == f"extracted:{LEXICON}"
    return [read_prose(one, run["labels"] or ()) for one in found] if by_lexicon else found


def records_of(results: Mapping[str, Any], run: Mapping[str, Any]) -> list[Record]:
    """Return the records of a run, in the order of its answers.

    Raises:
        EmoError: A records file is gone or has changed since.
    """
    for file in results["data"]:
        path = Path(file["path"])
        if not path.is_file() or sha256(path) != file["sha256"]:
            what = "has changed since the run" if path.is_file() else "is gone"
            raise EmoError(f"the records file {what}", str(path), "put it back, or run the benchmark again")
    pool = {record.id: record for record in read_pool([Path(file["path"]) for file in results["data"]])}
    return [pool[id_] for id_ in run["ids"]]


def summary(runs: Sequence[Mapping[str, Any]], parts: Sequence[str], averaged: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row for each way of asking: the parts' numbers, and the mean of those that are averaged, where all of these are there.

    With several seeds a number is the mean over them with its interval (Student's t); with one, the interval is that of the clips, and
    the mean's follows from those of the parts (independent, normal).
    """
    ways = dict.fromkeys((run["given"], run["variant"], run["answers"]) for run in runs if run["value"] is not None)
    rows = []
    for given, variant, answers in ways:
        mine = [
            run
            for run in runs
            if (run["given"], run["variant"], run["answers"]) == (given, variant, answers) and run["value"] is not None
        ]
        seeds = sorted({run["seed"] for run in mine})
        numbers = {part: [run["value"] for run in mine if run["part"] == part] for part in parts}
        there = {part: values for part, values in numbers.items() if values}
        row: dict[str, Any] = {"given": given, "variant": variant, "answers": answers, "seeds": len(seeds)}
        row["parts"] = {part: fmean(values) for part, values in there.items()}
        over = {part: numbers[part] for part in averaged}
        whole = bool(over) and all(len(values) == len(seeds) for values in over.values())
        row["value"] = fmean(row["parts"][part] for part in averaged) if whole else None
        row["low"] = row["high"] = None
        if whole:
            row["low"], row["high"] = _interval([run for run in mine if run["part"] in over], over, row["value"])
        told = averaged or parts
        counted = f"{sum(part in there for part in told)} of {len(told)} part(s), {len(seeds)} seed(s)"
        row["over"] = f"mean of {counted}" if len(parts) > 1 else counted
        rows.append(row)
    return rows


def over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of a mean over seeds, two at least."""
    freedom, mean = len(values) - 1, fmean(values)
    z = NormalDist().inv_cdf(0.975)
    # Abramowitz & Stegun 1964, 26.7.5, beyond the table
    beyond = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    half = (_T[freedom - 1] if freedom <= len(_T) else beyond) * stdev(values) / len(values) ** 0.5
    return mean - half, mean + half


def _interval(
    runs: Sequence[Mapping[str, Any]], numbers: Mapping[str, Sequence[float]], value: float
) -> tuple[float | None, float | None]:
    """Return the interval of a mean over parts: over seeds, else from the intervals of the parts."""
    per_seed = [fmean(values) for values in zip(*numbers.values(), strict=True)]
    if len(per_seed) > 1:
        return over_seeds(per_seed)
    if len(runs) == 1:
        return runs[0]["low"], runs[0]["high"]
    widths = [run["high"] - run["low"] for run in runs if run["low"] is not None and run["high"] is not None]
    if len(widths) < len(runs):
        return None, None
    half = sum((width / 2) ** 2 for width in widths) ** 0.5 / len(runs)
    return value - half, value + half
