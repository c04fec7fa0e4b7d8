"""What is done with results: compare two, check one, plan how many clips another needs, put several into one table."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from statistics import NormalDist, fmean
from typing import Any

from emollm.errors import EmoError
from emollm.evaluation.asking import Ask
from emollm.evaluation.benchmarks import Benchmark, Part, load_benchmark
from emollm.evaluation.choose import Chosen
from emollm.evaluation.part_scores import chosen_of, score_answers
from emollm.evaluation.prose import LEXICON, read_prose
from emollm.evaluation.questions import requests_of
from emollm.evaluation.results import over_seeds, predictions_of, records_of
from emollm.evaluation.score import clusters_of
from emollm.metrics.bootstrap import holm, paired
from emollm.records import Prediction

Results = Mapping[str, Any]
Key = tuple[str, str, str, str, int]
_Z = NormalDist().inv_cdf(0.975)


def compare(first: Results, second: Results, draws: int = 1000) -> list[dict[str, Any]]:
    """Return, for each way of asking that both results have, what the second gains over the first on the same clips.

    Every row has `part`, `given`, `variant`, `seed`, `metric`, `n`, `first`, `second`, `difference`, `low`, `high`, `p` and `p_holm`
    (Holm's correction for the number of rows).

    Raises:
        EmoError: They are of different benchmarks or versions, share nothing, or were asked about different clips.
    """
    for fact in ("name", "version"):
        if first["benchmark"][fact] != second["benchmark"][fact]:
            what = f"{fact} {first['benchmark'][fact]} against {second['benchmark'][fact]}"
            raise EmoError(f"results of different benchmarks ({what})", second["folder"], "run one of them again")
    benchmark = load_benchmark(first["benchmark"]["source"])
    ours, theirs = ({_key(run): run for run in one["runs"]} for one in (first, second))
    shared = [key for key in ours if key in theirs]
    if not shared:
        raise EmoError("no part was run in the same way in both", second["folder"], "see --ablate and --variants")
    rows = []
    for key in shared:
        rows.append(_compared(benchmark, first, second, ours[key], theirs[key], draws))
    corrected = holm({str(i): row["p"] for i, row in enumerate(rows)})
    return [{**row, "p_holm": corrected[str(i)]} for i, row in enumerate(rows)]


def verify(results: Results, ask: Ask, n: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield what a second look at each plain run finds: is its number the same again, and do `n` of its clips get the same labels.

    Every row has `part`, `given`, `seed`, `value`, `again`, `asked` and `other` (clip -> labels then, labels now).

    Raises:
        EmoError: Records or answers are gone.
    """
    benchmark = load_benchmark(results["benchmark"]["source"])
    if results["call"]["extract"] not in (None, LEXICON):
        fix = "verify the evaluation that the texts come from (extractor.texts)"
        raise EmoError(f"labels were read by {results['call']['extract']}", results["folder"], fix)
    for run in results["runs"]:
        if run["variant"] != "plain":
            continue
        part, records = benchmark.spec.parts[run["part"]], records_of(results, run)
        before = predictions_of(results, run)
        chosen = _chosen(benchmark, part, results)
        again = score_answers(part, chosen[:1], records, before, draws=1, tables=False)["value"]
        rows = random.Random(seed).sample(range(len(records)), min(n, len(records)))  # noqa: S311 - which clips, no secret
        requests = requests_of(
            part, [records[row] for row in rows], run["given"], run["seed"], run["variant"], results["call"]["extract"]
        )
        now = ask(f"verify.{run['part']}.{run['given']}.s{run['seed']}", requests or [])
        if run["answers"] != "native":
            now = [read_prose(answer, part.labels) for answer in now]
        pairs = [(before[row], answer) for row, answer in zip(rows, now, strict=True)]
        other = {old.id: (_labels(old), _labels(new)) for old, new in pairs if _labels(old) != _labels(new)}
        told = {key: run[key] for key in ("part", "given", "seed", "value")}
        yield {**told, "again": again, "asked": len(pairs), "other": other}


def plan(first: Results, second: Results | None, gain: float, power: float) -> list[dict[str, Any]]:
    """Return how many clips each part needs to show a gain, two-sided at 5 %.

    With a second system the spread of the paired difference is what was measured; without one, that of the first times the square
    root of 2, as if the two erred independently: on the same clips fewer are enough. Spreads shrink with the square root of the clips.

    Args:
        first: Results that spreads come from.
        second: Another system's, on the same clips.
        gain: Difference to be shown, such as 0.02.
        power: Chance to show it if it is there, such as 0.8.

    Raises:
        EmoError: No run has an interval, or see `compare`.
    """
    if second is None:
        found = [
            {**{key: run[key] for key in ("part", "given")}, "n": run["clips"], "spread": 2**0.5 * _spread(run)}
            for run in first["runs"]
            if run["variant"] == "plain" and run["low"] is not None
        ]
    else:
        found = [
            {**{key: row[key] for key in ("part", "given", "n")}, "spread": _spread(row)}
            for row in compare(first, second)
            if row["low"] is not None
        ]
    if not found:
        raise EmoError("no interval to plan with", first["folder"], "run the benchmark with at least two speakers")
    factor = (_Z + NormalDist().inv_cdf(power)) / gain
    return [{**row, "clips": ceil(row["n"] * (row["spread"] * factor) ** 2)} for row in found]


def table(all_results: Sequence[Results]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the head and the rows of one table: a row a model and way of asking, a column a part, and the mean.

    Results of one model name are taken as its seeds (trainings or samplings): mean and 95 % interval over them. A model with one has
    the interval over clips, and the column `seeds` says so.

    Raises:
        EmoError: They are of different benchmarks or versions.
    """
    kinds = {(one["benchmark"]["name"], one["benchmark"]["version"]) for one in all_results}
    if len(kinds) > 1:
        told = ", ".join(f"{name} {version}" for name, version in sorted(kinds))
        raise EmoError(f"results of several benchmarks ({told})", "emollm eval table", "name those of one")
    parts = list(dict.fromkeys(run["part"] for one in all_results for run in one["runs"]))
    mean_too = len(parts) > 1 and any(row["value"] is not None for one in all_results for row in one["summary"])
    groups: dict[tuple[str, str, str, str], list[tuple[Results, Mapping[str, Any]]]] = {}
    for one in all_results:
        for row in one["summary"]:
            key = (str(one["model"]["model"]), row["given"], row["variant"], row["answers"])
            groups.setdefault(key, []).append((one, row))
    rows = []
    for key, found in groups.items():
        cells = [_cell([_numbers(one, row, part) for one, row in found]) for part in parts]
        mean = [[(row["value"], row["low"], row["high"])] if row["value"] is not None else [] for _, row in found]
        seeds = sum(row["seeds"] for _, row in found)
        rows.append((*key, str(seeds), *cells, *([_cell(mean)] if mean_too else [])))
    return ("model", "given", "variant", "answers", "seeds", *parts, *(["mean"] if mean_too else [])), rows


Number = tuple[float, float | None, float | None]


def _numbers(one: Results, row: Mapping[str, Any], part: str) -> list[Number]:
    """Return the part's number of each seed, with its interval over clips."""
    way = (row["given"], row["variant"], row["answers"])
    return [
        (run["value"], run["low"], run["high"])
        for run in one["runs"]
        if run["part"] == part and (run["given"], run["variant"], run["answers"]) == way
    ]


def _cell(found: Sequence[Sequence[Number]]) -> str:
    """Return mean and interval, in hundredths: over seeds where there are several, else over clips."""
    numbers = [number for some in found for number in some]
    values = [value for value, _, _ in numbers if value is not None]
    if not values:
        return ""
    low, high = over_seeds(values) if len(values) > 1 else numbers[0][1:]
    mean = f"{100 * fmean(values):.2f}"
    return mean if low is None or high is None else f"{mean} ({100 * low:.2f} to {100 * high:.2f})"


def _compared(
    benchmark: Benchmark,
    first: Results,
    second: Results,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    draws: int,
) -> dict[str, Any]:
    """Return one row of `compare`."""
    if ours["ids"] != theirs["ids"]:
        what = f"part {ours['part']} was asked about other clips ({ours['clips']} and {theirs['clips']})"
        raise EmoError(what, second["folder"], "run both on the same records, with the same --limit")
    if ours["primary"] != theirs["primary"]:
        what = f"part {ours['part']} was scored by other metrics ({ours['primary']} and {theirs['primary']})"
        raise EmoError(what, second["folder"], "run both with the same --wheels and --embeddings")
    part, records = benchmark.spec.parts[ours["part"]], records_of(first, ours)
    chosen = _chosen(benchmark, part, first)[0]
    gold = [chosen.metric.gold(record) for record in records]
    one, two = (
        chosen.metric.prepare(gold, [chosen.metric.answer(a, r) for a, r in zip(answers, records, strict=True)])
        for answers in (predictions_of(first, ours), predictions_of(second, theirs))
    )
    clusters = clusters_of(records, part.cluster)[1]
    row = {"part": ours["part"], "given": ours["given"], "variant": ours["variant"], "seed": ours["seed"]}
    row |= {"metric": chosen.name, "n": len(records), "first": ours["value"], "second": theirs["value"]}
    if len(set(clusters)) < 2:
        return {**row, "difference": theirs["value"] - ours["value"], "low": None, "high": None, "p": float("nan")}
    found = paired(one.statistics, two.statistics, clusters, draws)[chosen.metric.ranks]
    difference = found.difference
    return {**row, "difference": difference.value, "low": difference.low, "high": difference.high, "p": found.p}


def _chosen(benchmark: Benchmark, part: Part, results: Results) -> list[Chosen]:
    """Return the metrics that a part was scored by."""
    call = results["call"]
    return chosen_of(benchmark, part, call["wheels"], call.get("embeddings", ""))


def _key(run: Mapping[str, Any]) -> Key:
    return run["part"], run["given"], run["variant"], run["answers"], run["seed"]


def _labels(answer: Prediction) -> tuple[str, ...]:
    return tuple(label.text for label in answer.labels)


def _spread(row: Mapping[str, Any]) -> float:
    """Return the standard error that an interval tells."""
    return float(row["high"] - row["low"]) / (2 * _Z)
