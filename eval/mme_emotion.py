"""MME-Emotion's task with several labels a clip (ML-ER): all of them and no other must be named; Jaccard's index stands beside it.

emollm eval run mme_emotion --model runs/latest --data mme_emotion.jsonl
"""

from __future__ import annotations

from collections.abc import Sequence

from emollm.evaluation.families import Metric, Prepared, clean
from emollm.metrics.aligned import indicators
from emollm.metrics.multilabel import multilabel_scores
from emollm.records import Prediction, Record


def _gold(record: Record) -> frozenset[str] | None:
    labels = record.targets.labels_ov
    return frozenset(clean(label.text) for label in labels) if labels else None


def _named(prediction: Prediction, record: Record) -> frozenset[str]:
    return frozenset(clean(label.text) for label in prediction.labels)


def _prepared(gold: Sequence[frozenset[str]], answers: Sequence[frozenset[str]]) -> Prepared:
    names = sorted(frozenset().union(*gold, *answers))
    true, named = indicators(gold, names), indicators(answers, names)
    return Prepared(lambda rows: vars(multilabel_scores(true[rows], named[rows])))


LABEL_SETS = Metric("sets of labels: exact match, Jaccard, F1s", "exact", "targets.labels_ov", _gold, _named, _prepared)
