"""Emotion-cause pairs: which turns of a dialogue brought the emotion of the last one about (SemEval-2024 task 3, subtask 2).

Each utterance is asked once: the answer's labels are its emotion and the numbers of the turns (`joy`, `turn 2`). A pair is (utterance,
cause, emotion); all three must be right. The main number is the mean of each emotion's F1 weighted by its gold pairs, over six emotions
(https://aclanthology.org/2024.semeval-1.277); neutral has no pairs. A cause that is said later cannot be named, as no future turn is shown:
such pairs are counted, and missed. Their words (subtask 1) are scored by cause_spans.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from typing import Any

from emollm.evaluation.families import Metric, Prepared, clean
from emollm.metrics.causes import Pair, pair_counts, pair_scores
from emollm.prompts import Task
from emollm.records import Prediction, Record

NEUTRAL = "neutral"
_TURN = re.compile(r"turn (\d+)")


def with_turns(task: Task, record: Record) -> Task:
    """Return the task with the turns of a dialogue among its labels, counted from 1; the utterance itself is the last."""
    last = len(record.context) + 1
    told = f"Turns are counted from 1; turn {last} is what the person says. Answer with the emotion and the turns that brought it about."
    names = tuple(f"turn {number}" for number in range(1, last + 1))
    return task.with_question(f"{task.question} {told}").with_labels((*(task.label_space or ()), *names))


def _turns(record: Record) -> list[str | None]:
    return [*(turn.id for turn in record.context), record.id]


def _gold(record: Record) -> frozenset[Pair] | None:
    """Return the pairs of an utterance; its emotion must be known."""
    if record.targets.label is None:
        return None
    emotion = clean(record.targets.label.name)
    by = {cause.utterance for cause in record.targets.cause or () if cause.utterance}
    return frozenset((record.id, one, emotion) for one in by if emotion != NEUTRAL)


def told_causes(prediction: Prediction, record: Record) -> tuple[str, list[str]]:
    """Return what an answer says: its first label that is no turn, neutral without one, and the ids of its turns, in order."""
    words, turns = [clean(label.text) for label in prediction.labels], _turns(record)
    emotion = next((word for word in words if not _TURN.fullmatch(word)), NEUTRAL)
    numbers = {int(found[1]) for word in words if (found := _TURN.fullmatch(word))}
    return emotion, [turn for number, turn in enumerate(turns, 1) if number in numbers and turn is not None]


def _named(prediction: Prediction, record: Record) -> frozenset[Pair]:
    """Return the pairs that an answer names: its emotion with each of its turns."""
    emotion, by = told_causes(prediction, record)
    return frozenset((record.id, one, emotion) for one in by if emotion != NEUTRAL)


def _pairs(gold: Sequence[Set[Pair]], answers: Sequence[Set[Pair]]) -> Prepared:
    counts = pair_counts(gold, answers)
    details: dict[str, Any] = {"gold_pairs": sum(map(len, gold)), "named_pairs": sum(map(len, answers))}
    return Prepared(lambda rows: vars(pair_scores(counts[rows])), details)


CAUSES = Metric(
    "emotion-cause pairs: F1 of each emotion weighted by its pairs (SemEval-2024 task 3, subtask 2), and over all pairs",
    "weighted_f1",
    "targets.label (with targets.cause)",
    _gold,
    _named,
    _pairs,
)
