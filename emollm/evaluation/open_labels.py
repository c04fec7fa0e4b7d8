"""The open-vocabulary metrics of `emollm score`, with what must stand beside each (emollm/metrics/wheel.py, hits.py, mer2024.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from emollm.emotions.maps import Maps
from emollm.evaluation.families import Metric, Prepared
from emollm.metrics import wheel
from emollm.metrics.hits import hit_rate, hit_statistic
from emollm.metrics.mer2024 import mer2024_score
from emollm.records import Prediction, Record

HIT_RATE = "class of a clip among its labels, averaged over the wheels (MER-UniBench)"
MER2024 = "set precision and recall with given groups (MER2024)"
ABOUT = {name: known.about for name, known in wheel.METRICS.items()} | {"hit-rate": HIT_RATE}
_TRUTH = "targets.labels_ov with at least one label"


def wheel_metric(name: str, maps: Maps) -> Metric:
    """Return a metric of label lists over wheels."""
    if name == "hit-rate":
        return Metric(HIT_RATE, "hit", "targets.label", _class, _labels, _hits(maps))
    ranks = wheel.METRICS[name].ranks

    def prepare(gold: Sequence[Any], answers: Sequence[Any]) -> Prepared:
        found = wheel.score(name, maps, gold, answers)
        ranked = wheel.statistic(name, maps, wheel.pair_counts(maps, gold, answers))
        return Prepared(lambda rows: {ranks: ranked(rows)}, _beside(found), found.values)

    return Metric(wheel.METRICS[name].about, ranks, _TRUTH, _gold, _labels, prepare)


def mer2024_metric(groups: Mapping[str, Sequence[Sequence[str]]]) -> Metric:
    """Return the set metric of MER2024; `groups`: clip -> lists of labels that mean the same."""

    def gold(record: Record) -> tuple[list[str], Sequence[Sequence[str]]] | None:
        labels = _gold(record)
        return None if labels is None or record.id not in groups else (labels, groups[record.id])

    def prepare(gold: Sequence[Any], answers: Sequence[Any]) -> Prepared:
        def on(rows: np.ndarray) -> dict[str, float]:
            true, same = zip(*[gold[row] for row in rows], strict=True)
            found = mer2024_score(true, [answers[row] for row in rows], same)
            return {
                "avg": found.value,
                "precision": found.precision,
                "recall": found.recall,
                "labels": found.label_count,
            }

        return Prepared(on)

    return Metric(MER2024, "avg", f"{_TRUTH} and groups", gold, _labels, prepare)


def _hits(maps: Maps) -> Callable[[Sequence[Any], Sequence[Any]], Prepared]:
    def prepare(gold: Sequence[Any], answers: Sequence[Any]) -> Prepared:
        found, ranked = hit_rate(maps, gold, answers), hit_statistic(maps, gold, answers)
        values = {"hit": found.value, "mscore": found.mscore}
        return Prepared(lambda rows: {"hit": ranked(rows)}, _beside(found), values)

    return prepare


def _beside(found: Any) -> dict[str, Any]:
    """Return what a score over wheels carries besides its values."""
    return {key: value for key, value in asdict(found).items() if key not in ("metric", "value", "values", "mscore")}


def _gold(record: Record) -> list[str] | None:
    """Return the gold labels; an empty list is no gold."""
    return [label.text for label in record.targets.labels_ov] if record.targets.labels_ov else None


def _class(record: Record) -> str | None:
    return record.targets.label.name if record.targets.label else None


def _labels(prediction: Prediction, record: Record) -> list[str]:
    return [label.text for label in prediction.labels]
