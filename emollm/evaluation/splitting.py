"""Two descriptions compared statement by statement, after a language model has split both: cues of free text, as EmoCue-360 has them.

EmoCue-360 (https://arxiv.org/abs/2602.05496) lets a model list the visual, auditory and emotional statements of truth and answer, and
compares the lists by a sentence encoder. Here the judge answers in our own form (labels are the emotional statements, cues the others),
greedily and to the question of the leaf, whose hash stands beside the number; statements.py compares, by words and emotions or by an
encoder. With another model or prompt than theirs the numbers are not the published ones.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from emollm.engines import Request
from emollm.evaluation.asking import Ask
from emollm.evaluation.families import Prepared
from emollm.evaluation.matching import Similarity
from emollm.evaluation.part_scores import LEVEL
from emollm.evaluation.statements import kinds_of, soft_metrics
from emollm.metrics.bootstrap import intervals
from emollm.prompts import TASKS
from emollm.records import Prediction, Record, Turn


def split_texts(ask: Ask, name: str, question: str, texts: Mapping[str, str]) -> dict[str, Prediction]:
    """Return what a language model lists of each text: emotions as labels, signs as cues.

    Args:
        ask: Asks the model, and keeps what it says.
        name: Name of the texts.
        question: What it is asked.
        texts: Id -> text.
    """
    task = TASKS["cues"].with_question(question)
    records = [Record(id=id_, context=(Turn(speaker="Text", text=text),)) for id_, text in texts.items()]
    found = ask(name, [Request(record.id, record, task, audio=False, video=False) for record in records])
    return {one.id: one for one in found}


def compare_lists(
    true: Mapping[str, Prediction],
    named: Mapping[str, Prediction],
    clusters: Mapping[str, Hashable],
    matchers: Mapping[str, Similarity],
    draws: int,
) -> dict[str, Any]:
    """Return the numbers of clips whose truth could be split: the mean of three F by each matcher; `value` is that by the last.

    Args:
        true: Id -> the lists of its truth.
        named: Id -> the lists of its answer; a clip without one has named nothing.
        clusters: Id -> what the intervals draw.
        matchers: Name -> how alike statements are.
        draws: Bootstrap draws.
    """
    lists = [*true.values(), *named.values()]
    counts = {"errors": sum(one.status == "error" for one in lists)}
    counts["unreadable"] = sum(one.parse == "failed" for one in lists)
    bad = {one.id for one in lists if one.status == "error" or one.parse == "failed"}
    ids = [id_ for id_ in true if id_ not in bad]
    sides = [[_kinds(side.get(id_)) for id_ in ids] for side in (true, named)]
    if not any(any(kinds) for kinds in sides[0]):
        return {**counts, "n": 0, "value": None, "low": None, "high": None, "beside": {}}
    beside = {}
    for matcher, similarity in matchers.items():
        prepared = soft_metrics(similarity)["soft-cues"].prepare(*sides)
        beside[matcher] = _numbers(prepared, [clusters[id_] for id_ in ids], draws)
    last = list(beside.values())[-1]
    return {**counts, "n": len(ids), **{key: last[key] for key in ("value", "low", "high")}, "beside": beside}


def _kinds(found: Prediction | None) -> tuple[list[str], ...]:
    return kinds_of(found.cues, [label.text for label in found.labels]) if found else kinds_of((), ())


def _numbers(prepared: Prepared, clusters: Sequence[Hashable], draws: int) -> dict[str, Any]:
    """Return the mean of three F with its interval over clusters (none of fewer than two), and what it is the mean of."""
    values = prepared.statistics(np.arange(len(clusters)))
    told: dict[str, Any] = {"value": values["f1"], "low": None, "high": None, "alpha": None, "pearson": None}
    if len(set(clusters)) > 1:
        bound = intervals(lambda rows: {"f1": prepared.statistics(rows)["f1"]}, clusters, draws, LEVEL)["f1"]
        told |= {"low": bound.low, "high": bound.high}
    return {**told, "kinds": dict(values)}
