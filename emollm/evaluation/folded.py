"""The mean over folds of any metric, as five-fold sets report it (DFEW, MAFW): each fold is scored alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emollm.evaluation.families import Metric, Prepared
from emollm.records import Record


def mean_over_folds(metric: Metric) -> Metric:
    """Return the metric whose values are means over the values of each `Record.fold`.

    On a draw of clips that lacks a fold, the mean is over the folds that are there.
    """

    def gold(record: Record) -> Any:
        true = metric.gold(record)
        return None if true is None or record.fold is None else (record.fold, true)

    def prepare(gold: Sequence[Any], answers: Sequence[Any]) -> Prepared:
        fold_of = np.array([fold for fold, _ in gold])
        folds = sorted(set(fold_of.tolist()))
        place = np.zeros(len(gold), np.int64)  # row -> place within its fold
        each: list[Prepared] = []
        for fold in folds:
            rows = np.flatnonzero(fold_of == fold)
            place[rows] = np.arange(len(rows))
            each.append(
                metric.prepare([gold[row][1] for row in rows.tolist()], [answers[row] for row in rows.tolist()])
            )

        def on(rows: np.ndarray) -> dict[str, float]:
            parts = [
                one.statistics(place[chosen])
                for fold, one in zip(folds, each, strict=True)
                if len(chosen := rows[fold_of[rows] == fold])
            ]
            return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}

        table = [
            {"fold": fold, "n": int((fold_of == fold).sum()), **one.statistics(np.arange((fold_of == fold).sum()))}
            for fold, one in zip(folds, each, strict=True)
        ]
        return Prepared(on, {"folds": table})

    return replace(
        metric, about=f"{metric.about}; mean over folds", truth=f"{metric.truth} and fold", gold=gold, prepare=prepare
    )
