"""Statements matched softly (matching.py): cues in the manner of EmoCue-360, triggers of an emotion, and descriptions.

EmoCue-360 (https://arxiv.org/abs/2602.05496) lets a language model split two texts into visual, auditory and emotional statements, and
compares these by a sentence encoder: recall is the mean over true statements of the most alike named one, precision the other way, F per
clip, then the mean over clips. Here statements are the cues and labels that records and answers hold, so that no model takes part; kept are
the three kinds, what becomes of clips without true ones (left out of the kind), of answers without any (0), and that auditory statements
which hold "text" are dropped on both sides. There is no threshold: unrelated statements score what they have in common.

Triggers (EIBench, https://arxiv.org/abs/2504.07521, where a judge counts those found): the sentences of an answer against the true ones.
Descriptions: sentence against sentence. How alike two statements are is told by words and emotions, or by a sentence encoder of the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from emollm.evaluation.descriptions import told
from emollm.evaluation.families import Metric, Prepared
from emollm.evaluation.matching import Similarity, alike, statements
from emollm.gold import gold_labels
from emollm.metrics.aligned import mean
from emollm.metrics.explanation import statement_scores
from emollm.records import Cue, Prediction, Record

KINDS = ("visual", "auditory", "emotional")
Kinds = tuple[list[str], ...]


def kinds_of(cues: Sequence[Cue], labels: Sequence[str]) -> Kinds:
    """Return visual, auditory and emotional statements."""
    seen, heard = ([cue.text for cue in cues if cue.modality == kind] for kind in ("video", "audio"))
    return seen, [text for text in heard if "text" not in text], list(labels)


def _gold(record: Record) -> Kinds | None:
    labels, cues = gold_labels(record), record.targets.cues
    return None if cues is None or labels is None else kinds_of(cues, labels)


def _named(prediction: Prediction, record: Record) -> Kinds:
    return kinds_of(prediction.cues, [label.text for label in prediction.labels])


def _triggers(record: Record) -> Kinds | None:
    texts = [cause.text for cause in record.targets.cause or () if cause.text]
    return (texts,) if texts else None


def _described(record: Record) -> Kinds | None:
    text = told(record)
    return None if text is None else (statements(text),)


def _sentences(prediction: Prediction, record: Record) -> Kinds:
    return (statements(prediction.explanation or ""),)


def _soft(names: Sequence[str], similarity: Similarity) -> Callable[[Sequence[Kinds], Sequence[Kinds]], Prepared]:
    """Return what prepares statements of these kinds."""

    def prepare(gold: Sequence[Kinds], answers: Sequence[Kinds]) -> Prepared:
        table = np.array(
            [[_clip(*pair, similarity) for pair in zip(g, a, strict=True)] for g, a in zip(gold, answers, strict=True)]
        )

        def on(rows: np.ndarray) -> dict[str, float]:
            each = {
                f"{name}_{value}".lstrip("_"): mean(table[rows, kind, column])
                for kind, name in enumerate(names)
                for column, value in enumerate(("f1", "precision", "recall"))
            }
            return each if len(names) == 1 else {"f1": mean(np.array([each[f"{name}_f1"] for name in names]))} | each

        clips = {name or "clips": int((~np.isnan(table[:, kind, 0])).sum()) for kind, name in enumerate(names)}
        return Prepared(on, {f"{name}_scored": count for name, count in clips.items()})

    return prepare


def _clip(true: list[str], named: list[str], similarity: Similarity) -> tuple[float, float, float]:
    """Return F, precision and recall of one clip; NaN without a true statement."""
    if not true:
        return float("nan"), float("nan"), float("nan")
    found = statement_scores(similarity(true, named))
    return found.f1, found.precision, found.recall


def soft_metrics(similarity: Similarity = alike, by: str = "words and emotions") -> dict[str, Metric]:
    """Return the metrics that match statements, by name.

    Args:
        similarity: How alike statements are.
        by: The same in words.
    """
    return {
        "soft-cues": Metric(
            f"cues and labels matched softly by {by}, in the manner of EmoCue-360: mean of three F",
            "f1",
            "targets.cues and labels",
            _gold,
            _named,
            _soft(KINDS, similarity),
        ),
        "triggers": Metric(
            f"triggers of an emotion, matched softly by {by} with the sentences of the answer",
            "recall",
            "targets.cause with a text",
            _triggers,
            _sentences,
            _soft(("",), similarity),
        ),
        "soft-description": Metric(
            f"sentences of the description, matched softly by {by} with those of the answer",
            "f1",
            "targets.description",
            _described,
            _sentences,
            _soft(("",), similarity),
        ),
    }
