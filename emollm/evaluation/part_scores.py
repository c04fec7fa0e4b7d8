"""The scores of one run of a benchmark: the part's number with its interval, other metrics, the best constant answer, tables by subset."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emollm.errors import EmoError
from emollm.evaluation.benchmarks import Benchmark, Part
from emollm.evaluation.choose import Chosen, choose
from emollm.evaluation.families import Prepared
from emollm.evaluation.folded import mean_over_folds
from emollm.evaluation.score import clusters_of, metric_row
from emollm.evaluation.subsets import Scored, subset_tables
from emollm.metrics.bootstrap import intervals
from emollm.records import PredictedLabel, Prediction, Record

LEVEL = 0.95


def chosen_of(benchmark: Benchmark, part: Part, wheels: Sequence[str], embeddings: str = "") -> list[Chosen]:
    """Return the metrics of a part, those of the leaf's own file included."""
    found: list[Chosen] = []
    for name in part.metrics:
        if ":" in name:
            found.append(Chosen(name.rpartition(":")[2].lower(), benchmark.named(name)))
        else:
            found += choose([name], wheels or part.wheels, embeddings=embeddings)
    if part.ranks is not None:
        found[0] = replace(found[0], metric=replace(found[0].metric, ranks=part.ranks))
    return [replace(one, metric=mean_over_folds(one.metric)) for one in found] if part.folds else found


def score_answers(
    part: Part,
    chosen: Sequence[Chosen],
    records: Sequence[Record],
    answers: Sequence[Prediction],
    draws: int = 1000,
    tables: bool = True,
) -> dict[str, Any]:
    """Return a run's scores, the part's number with its interval, and tables by subset.

    A metric beside the first that needs what answers lack (a confidence, a distribution) is told as not measured.

    Raises:
        EmoError: The first metric cannot be scored.
    """
    by, clusters = clusters_of(records, part.cluster)
    drawn = {"draws": draws, "level": LEVEL, "seed": 0}
    rows: list[dict[str, Any]] = []
    lacking: dict[str, str] = {}
    for number, each in enumerate(chosen):
        gold = [each.metric.gold(record) for record in records]
        found = [each.metric.answer(a, r) for a, r in zip(answers, records, strict=True)]
        lacks = (each.metric.truth if None in gold else "") or (each.metric.asks if None in found else "")
        if lacks and number:
            lacking[each.name] = f"no {lacks} for some clips"
            continue
        if lacks:
            raise EmoError(f"some answers have no {lacks}", each.name, "this metric has no score for a missing one")
        try:
            prepared = each.metric.prepare(gold, found)
        except EmoError as error:
            if not number:
                raise
            lacking[each.name] = error.what
            continue
        if not number:
            first = prepared
            constant = _constant(part, each, records, gold, answers[0])
            prepared = replace(prepared, details={**prepared.details, **constant})
        rows.append(metric_row(each, [prepared], clusters, drawn))
    ranks = chosen[0].metric.ranks
    number_of = rows[0]["values"][ranks]
    scored: dict[str, Any] = {
        "intervals": {"by": by, "clusters": len(set(clusters)), **drawn},
        "primary": chosen[0].name,
        **{key: number_of.get(key) for key in ("value", "low", "high")},
        "scores": rows,
        "not_measured": lacking,
    }
    return scored | (subset_tables(records, _of_rows(first, ranks, clusters, draws)) if tables else {})


def _of_rows(prepared: Prepared, ranks: str, clusters: Sequence[Hashable], draws: int) -> Scored:
    """Return what scores some of the clips, with an interval where they are of two clusters at least."""

    def on(rows: np.ndarray) -> tuple[float, float | None, float | None]:
        names = [clusters[row] for row in rows.tolist()]
        if len(set(names)) < 2:
            return prepared.statistics(rows)[ranks], None, None
        bound = intervals(lambda drawn: {ranks: prepared.statistics(rows[drawn])[ranks]}, names, draws, LEVEL)[ranks]
        return bound.value, bound.low, bound.high

    return on


def _constant(
    part: Part, each: Chosen, records: Sequence[Record], gold: Sequence[Any], answer: Prediction
) -> dict[str, Any]:
    """Return the one label of a closed set that would score best if it were every answer, and its score."""
    if part.asks != "task" or not part.labels:
        return {}  # metrics over wheels bring their own
    everything = np.arange(len(records))
    best: dict[str, float] = {}
    for label in part.labels:
        always = answer.model_copy(update={"status": "ok", "labels": (PredictedLabel(text=label),)})
        found = each.metric.prepare(gold, [each.metric.answer(always, record) for record in records])
        best[label] = (found.values or found.statistics(everything))[each.metric.ranks]
    label = max(best, key=best.__getitem__)
    return {"constant": [label], "constant_value": best[label]}
