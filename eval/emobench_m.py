"""What EmoBench-M measures besides classes: emotion and intent at once (MC-EIU), and why people laugh (SMILE).

emollm eval run emobench_m --model runs/latest --data emobench_m.jsonl

Emotion and intent are read from free text as the published script reads them: the first of its list that stands anywhere in the text, in
lower case. It passes over answers in which one is missing; here they are wrong, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emollm.evaluation.families import Metric, Prepared
from emollm.metrics.classes import class_scores, codes
from emollm.metrics.text_overlap import rouge_l, sentence_bleu
from emollm.records import Prediction, Record

EMOTIONS = ("happy", "surprise", "sad", "disgust", "anger", "fear", "neutral")
INTENTS = ("questioning", "agreeing", "acknowledging", "encouraging", "consoling", "suggesting", "wishing", "neutral")
Both = tuple[str, str]


def _read(text: str) -> Both:
    """Return emotion and intent that a text names, "" for one that is missing."""
    found = [next((name for name in names if name in text.lower()), "") for names in (EMOTIONS, INTENTS)]
    return found[0], found[1]


def _answer(record: Record) -> str | None:
    return record.targets.qa[0].answer if record.targets.qa else None


def _gold(record: Record) -> Both | None:
    both = _read(_answer(record) or "")
    return both if all(both) else None


def _said(prediction: Prediction, record: Record) -> str:
    """Return what an answer says: its labels, if it has some, and its text."""
    return " ".join([*(label.text for label in prediction.labels), prediction.explanation or ""])


def _prepared(gold: Sequence[Both], answers: Sequence[Both]) -> Prepared:
    whole = [both if all(both) else ("", "") for both in answers]
    sides = {
        "both": ([" ".join(one) for one in gold], [" ".join(one) for one in whole]),
        "emotion": ([one[0] for one in gold], [one[0] for one in answers]),
        "intent": ([one[1] for one in gold], [one[1] for one in answers]),
    }
    coded = {name: [codes(side, sorted(set(true))) for side in (true, said)] for name, (true, said) in sides.items()}

    def on(rows: np.ndarray) -> dict[str, float]:
        found = {name: class_scores(true[rows], named[rows]) for name, (true, named) in coded.items()}
        return {f"{name}_{value}": getattr(one, value) for name, one in found.items() for value in ("acc", "waf")}

    return Prepared(on, {"without_emotion_or_intent": sum(not all(both) for both in answers)})


def _overlaps(gold: Sequence[str], answers: Sequence[str]) -> Prepared:
    table = np.array([[rouge_l(*pair), sentence_bleu(*pair)] for pair in zip(gold, answers, strict=True)])  # (clips, 2)
    return Prepared(lambda rows: dict(zip(("rouge_l", "bleu_4"), table[rows].mean(axis=0).tolist(), strict=True)))


EMOTION_AND_INTENT = Metric(
    "emotion and intent at once, and each alone: accuracy, weighted F1",
    "both_acc",
    "targets.qa with an emotion and an intent",
    _gold,
    lambda prediction, record: _read(_said(prediction, record)),
    _prepared,
)
REASONS = Metric("reasons: ROUGE-L, BLEU-4 (no language model)", "rouge_l", "targets.qa", _answer, _said, _overlaps)
