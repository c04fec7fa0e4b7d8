"""Score predictions against gold: what `emollm score` does, as functions.

    metrics = choose(["fs", "classes"], wheels=["mer2025"])
    report = score(join(gold_path, [read_outputs(path)], metrics), metrics)

Each metric is prepared once (families.py, open_labels.py) and then scored on all clips and on every draw of the bootstrap.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emollm.errors import EmoError
from emollm.evaluation.choose import Chosen
from emollm.evaluation.extraction import Outputs
from emollm.evaluation.families import Prepared
from emollm.evaluation.joining import Joined
from emollm.metrics.bootstrap import Comparison, Interval, holm, intervals, paired
from emollm.paths import whole_file
from emollm.records import Prediction, Record
from emollm.run import environment, sha256

SCHEMA = "emollm.scores/1"


def score(
    joined: Joined,
    chosen: Sequence[Chosen],
    *,
    cluster: str | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the report: values with intervals, what belongs beside them, comparison of a second file with the first, provenance.

    Args:
        joined: One or two files of answers, joined with gold.
        chosen: Metrics.
        cluster: What the bootstrap draws, `speaker`, `dialogue` or `clip`; None: speakers where each clip has
            one, else clips. Of fewer than two there are no intervals.
        draws: Number of bootstrap draws.
        level: Coverage of the intervals.
        seed: Seed of the draws.

    Raises:
        EmoError: A metric refuses its input, or clips have no such cluster.
    """
    by, clusters = clusters_of(joined.records, cluster)
    drawn = {"draws": draws, "level": level, "seed": seed}
    rows = []
    for each in chosen:
        gold = [each.metric.gold(record) for record in joined.records]
        systems = [
            each.metric.prepare(gold, [each.metric.answer(p, r) for p, r in zip(found, joined.records, strict=True)])
            for found in joined.predictions
        ]
        rows.append(metric_row(each, systems, clusters, drawn))
    if len(joined.outputs) > 1 and len(set(clusters)) > 1:
        corrected = holm({str(i): row["compare"][row["ranks"]]["p"] for i, row in enumerate(rows)})
        for i, row in enumerate(rows):
            row["compare"][row["ranks"]]["p_holm"] = corrected[str(i)]
    report = {
        "schema": SCHEMA,
        "clips": len(joined.records),
        "intervals": {"by": by, "clusters": len(set(clusters)), **drawn},
        "gold": {"path": str(joined.gold), "sha256": sha256(joined.gold), "left_out": joined.left_out},
        "predictions": [_source(one, found) for one, found in zip(joined.outputs, joined.predictions, strict=True)],
        "scores": rows,
        "provenance": environment("cpu"),
    }
    return plain(report)


def save(report: Mapping[str, Any], path: Path) -> None:
    """Write a report as JSON, beside the place and then renamed: the file is whole or not there."""
    with whole_file(path) as out:
        out.write(json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: numpy numbers as Python's, what is not finite as null, tuples as lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def metric_row(
    each: Chosen, systems: Sequence[Prepared], clusters: Sequence[Hashable], drawn: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one metric's part of the report."""
    first, *others = systems
    everything = np.arange(len(clusters))
    bounds: dict[str, Interval] = {}
    comparisons: dict[str, Comparison] = {}
    if len(set(clusters)) > 1:
        bounds = intervals(first.statistics, clusters, **drawn)
        for other in others:
            comparisons = paired(first.statistics, other.statistics, clusters, **drawn)
    values = {name: {"value": value} for name, value in (first.values or first.statistics(everything)).items()}
    for name, bound in bounds.items():
        values[name] |= {"low": bound.low, "high": bound.high, "undefined_draws": bound.undefined}
    row = {
        "metric": each.name,
        "about": each.metric.about,
        "ranks": each.metric.ranks,
        "wheels": each.maps and {"version": each.maps.version, "sha256": each.maps.sha256},
        "encoder": each.encoder,
        "values": values,
        "details": first.details,
    }
    if others:
        second = others[0].values or others[0].statistics(everything)
        row["compare"] = {
            name: {"first": one["value"], "second": second[name], **_gained(comparisons.get(name))}
            for name, one in values.items()
        }
        row["compare_details"] = others[0].details
    return row


def _gained(found: Comparison | None) -> dict[str, Any]:
    """Return difference, interval, p and relative gain of a comparison."""
    if found is None:
        return {}
    difference = found.difference
    return {
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "p": found.p,
        "gain": found.gain,
    }


def _source(one: Outputs, found: Sequence[Prediction]) -> dict[str, Any]:
    """Return what is known of a file of answers."""
    made_by = [prediction.provenance.model_dump(mode="json", exclude={"prompt_sha256"}) for prediction in found]
    return {
        "path": str(one.path),
        "sha256": sha256(one.path),
        "format": one.format,
        "errors": sum(prediction.status == "error" for prediction in found),
        "insufficient_evidence": sum(prediction.status == "insufficient_evidence" for prediction in found),
        "unreadable": sum(prediction.parse == "failed" for prediction in found),
        "left_out": len(one.predictions) - len(found),
        "made_by": [json.loads(maker) for maker in dict.fromkeys(map(json.dumps, made_by))],
    }


def clusters_of(records: Sequence[Record], wanted: str | None) -> tuple[str, list[Hashable]]:
    """Return what is drawn, and that of each clip."""
    speakers = [record.subject_id or (record.speaker.id if record.speaker else None) for record in records]
    # the first of the turns before names a dialogue; where turns are told, a clip without any is itself the first
    turns = [record.context[0].id if record.context else None for record in records]
    alone = [record.id if any(turns) else None for record in records]
    found: dict[str, list[Any]] = {
        "speaker": speakers,
        "dialogue": [r.root_id or turn or own for r, turn, own in zip(records, turns, alone, strict=True)],
        "clip": [record.id for record in records],
    }
    by = wanted or ("speaker" if all(speakers) else "clip")
    lacking = [record.id for record, name in zip(records, found[by], strict=True) if not name]
    if lacking:
        what = f"{len(lacking)} clip(s) without a {by}, such as {lacking[0]}"
        raise EmoError(what, "--cluster", "leave the option out, or draw clips")
    return by, found[by]
