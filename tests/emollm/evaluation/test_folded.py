"""The mean over folds: each fold is scored alone, however many clips it has."""

import numpy as np
import pytest

from emollm.evaluation.choose import METRICS
from emollm.evaluation.folded import mean_over_folds
from emollm.records import Record

FOLDS = [
    (1, "happy", "happy"),
    (1, "sad", "sad"),
    (2, "sad", "happy"),
    (1, "sad", "sad"),
    (2, "happy", "sad"),
    (1, "sad", ""),
]


def clip(number: int, fold: int | None, label: str) -> Record:
    row = {"id": f"c{number}", "fold": fold, "targets": {"label": {"space": "t", "name": label}}}
    return Record.model_validate(row)


def test_every_fold_weighs_the_same() -> None:
    metric = mean_over_folds(METRICS["classes"])
    gold = [metric.gold(clip(i, fold, label)) for i, (fold, label, _) in enumerate(FOLDS)]
    prepared = metric.prepare(gold, [answer for *_, answer in FOLDS])
    found = prepared.statistics(np.arange(6))
    # fold 1: 3 of 4 right, recalls 1 and 2/3; fold 2: 0 of 2
    assert (found["acc"], found["uar"]) == pytest.approx(((0.75 + 0) / 2, (5 / 6 + 0) / 2))
    assert [(one["fold"], one["n"], one["acc"]) for one in prepared.details["folds"]] == [(1, 4, 0.75), (2, 2, 0.0)]
    assert prepared.statistics(np.array([0, 1, 1]))["acc"] == 1.0, "a draw without fold 2"
    assert metric.gold(clip(9, None, "sad")) is None, "without a fold there is no truth"
    assert "fold" in metric.truth
