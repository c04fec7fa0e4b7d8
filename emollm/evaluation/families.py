"""The metrics that `emollm score` knows by name: what each reads of a record and of a prediction, and how it scores them.

A metric turns clips into arrays whose first axis is the clip, and scores arrays: so any draw of clips is scored by the same code.
The formulas are in emollm/metrics/. Labels are compared in lower case, blanks around them left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emollm.metrics.action_units import action_unit, action_unit_scores, told_units
from emollm.metrics.aligned import indicators
from emollm.metrics.bootstrap import Statistics
from emollm.metrics.calibration import calibration_scores
from emollm.metrics.classes import class_scores, class_table, codes
from emollm.metrics.distribution import distribution_scores
from emollm.metrics.explanation import cue_counts, cue_scores
from emollm.metrics.multilabel import multilabel_scores
from emollm.metrics.presence import blend_hits, presence_scores
from emollm.metrics.regression import regression_scores
from emollm.metrics.sentiment import mosi_scores, sims_scores, word_scores, word_values
from emollm.records import Prediction, Record

TIMED_OVERLAP = 0.5


@dataclass(frozen=True)
class Prepared:
    """Clips ready to be scored: `statistics` gives the values on any rows, `details` what belongs beside them."""

    statistics: Statistics
    details: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, float] | None = None
    """All values on all rows, where `statistics` gives only some of them (those that get an interval)."""


@dataclass(frozen=True)
class Metric:
    """One entry of the table.

    Attributes:
        about: What it is, in a line.
        ranks: The value that ranks systems.
        truth: What it needs of a record, for the error.
        gold: Returns the truth of a record, or None where it has none.
        answer: Returns the answer of a prediction about a record, or None where the metric cannot do without what is missing.
        prepare: Takes gold and answers in one order.
        asks: What it needs of a prediction, for the error.
    """

    about: str
    ranks: str
    truth: str
    gold: Callable[[Record], Any]
    answer: Callable[[Prediction, Record], Any]
    prepare: Callable[[Sequence[Any], Sequence[Any]], Prepared]
    asks: str = ""


def clean(label: str) -> str:
    """Return a label as it is compared."""
    return label.strip().lower()


def _of_arrays(scores: Callable[..., Any], *arrays: np.ndarray, details: Mapping[str, Any] | None = None) -> Prepared:
    """Return what scores any rows of arrays; `scores` returns a dataclass of numbers."""
    return Prepared(lambda rows: vars(scores(*(array[rows] for array in arrays))), details or {})


# ---------------------------------------------------------------- classes and label sets


def _class(record: Record) -> str | None:
    return clean(record.targets.label.name) if record.targets.label else None


def _first_label(prediction: Prediction, record: Record) -> str:
    """Return the first label, or "" where there is none: wrong, and no class."""
    return clean(prediction.labels[0].text) if prediction.labels else ""


def _classes(gold: Sequence[str], answers: Sequence[str]) -> Prepared:
    names = sorted({*gold})
    true, named = codes(gold, names), codes(answers, names)
    table = class_table(true, named)
    each = {
        name: {"f1": table.f1[i], "precision": table.precision[i], "recall": table.recall[i], "n": int(table.n[i])}
        for i, name in enumerate(names)
    }
    return _of_arrays(class_scores, true, named, details={"classes": each, "no_class": table.no_class})


def _label_set(prediction: Prediction, record: Record) -> set[str]:
    return {clean(label.text) for label in prediction.labels}


def _gold_set(record: Record) -> set[str] | None:
    several = record.targets.labels_multi
    return None if several is None else {clean(name) for name in several.names}


def _sets(scores: Callable[..., Any]) -> Callable[[Sequence[Any], Sequence[Any]], Prepared]:
    """Return what prepares sets as tables of which clip has what."""

    def prepare(gold: Sequence[Any], answers: Sequence[Any]) -> Prepared:
        names = sorted({item for side in (gold, answers) for one in side for item in one})
        return _of_arrays(scores, indicators(gold, names), indicators(answers, names))

    return prepare


# ---------------------------------------------------------------- numbers


def _rescaled(value: float, scale: tuple[float, float], to: tuple[float, float]) -> float:
    return to[0] + (value - scale[0]) * (to[1] - to[0]) / (scale[1] - scale[0])


def _numbers(scores: Callable[..., Any]) -> Callable[[Sequence[Any], Sequence[Any]], Prepared]:
    def prepare(gold: Sequence[Any], answers: Sequence[Any]) -> Prepared:
        return _of_arrays(scores, np.array(gold, np.float64), np.array(answers, np.float64))

    return prepare


def _dimension(name: str) -> Metric:
    """Return the metric of `valence`, `arousal` or `dominance`."""

    def gold(record: Record) -> float | None:
        return getattr(record.targets.vad, name, None)

    def answer(prediction: Prediction, record: Record) -> float | None:
        value = getattr(prediction.vad, name, None)
        vad, true = prediction.vad, record.targets.vad
        return None if value is None or vad is None or true is None else _rescaled(value, vad.scale, true.scale)

    about = f"{name}: CCC, Pearson, errors on the scale of gold"
    return Metric(about, "ccc", f"targets.vad.{name}", gold, answer, _numbers(regression_scores), f"vad.{name}")


def _sentiment(end: float, about: str, ranks: str, scores: Callable[..., Any]) -> Metric:
    """Return the metric of sentiment numbers from -end to end; predicted valence is brought to this scale."""

    def gold(record: Record) -> float | None:
        true = record.targets.sentiment
        return None if true is None or true.scale not in (None, (-end, end)) else true.value

    def answer(prediction: Prediction, record: Record) -> float | None:
        vad = prediction.vad
        return None if vad is None or vad.valence is None else _rescaled(vad.valence, vad.scale, (-end, end))

    truth = f"targets.sentiment on the scale {-end:g}..{end:g}"
    return Metric(about, ranks, truth, gold, answer, _numbers(scores), "vad.valence")


def _words(gold: Sequence[Any], answers: Sequence[Any]) -> Prepared:
    return _of_arrays(word_scores, np.array(gold, np.float64), word_values(list(answers)))


# ---------------------------------------------------------------- distributions, blends, confidence


def _votes(record: Record) -> dict[str, float] | None:
    return (
        {clean(k): v for k, v in record.targets.distribution[0].probs.items()} if record.targets.distribution else None
    )


def _probabilities(prediction: Prediction, record: Record) -> dict[str, float] | None:
    found = prediction.distribution
    return None if found is None else {clean(name): share for name, share in found.probs.items()}


def _distributions(gold: Sequence[Mapping[str, float]], answers: Sequence[Mapping[str, float]]) -> Prepared:
    names = sorted({name for side in (gold, answers) for one in side for name in one})
    true, named = (np.array([[one.get(name, 0.0) for name in names] for one in side]) for side in (gold, answers))
    return _of_arrays(distribution_scores, true, named)


def _gold_blend(record: Record) -> dict[str, float] | None:
    return {clean(one.label): one.weight for one in record.targets.salience} if record.targets.salience else None


def _blend(prediction: Prediction, record: Record) -> dict[str, float]:
    if prediction.distribution is not None:
        return {clean(name): share for name, share in prediction.distribution.probs.items() if share > 0}
    return {clean(one.text): np.nan if one.score is None else one.score for one in prediction.labels}


def _blends(gold: Sequence[Any], answers: Sequence[Any]) -> Prepared:
    hits = blend_hits(gold, answers)
    return _of_arrays(presence_scores, hits, details={"blends": int((~np.isnan(hits[:, 1])).sum())})


def _confidence(prediction: Prediction, record: Record) -> tuple[bool, float] | None:
    """Return whether the first label is right, and the confidence: NaN where nothing was answered."""
    if prediction.status != "ok":
        return False, float("nan")
    right = _first_label(prediction, record) == _class(record)
    return None if prediction.confidence is None else (right, prediction.confidence)


def _confidences(gold: Sequence[Any], answers: Sequence[tuple[bool, float]]) -> Prepared:
    right, sure = (np.array(side) for side in zip(*answers, strict=True))
    return _of_arrays(calibration_scores, right.astype(bool), sure.astype(np.float64))


# ---------------------------------------------------------------- cues


def _cues(least: float) -> Callable[[Sequence[Any], Sequence[Any]], Prepared]:
    def prepare(gold: Sequence[Any], answers: Sequence[Any]) -> Prepared:
        by_modality = {}
        for modality in ("audio", "video", "text"):
            sides = [[[cue for cue in one if cue.modality == modality] for one in side] for side in (gold, answers)]
            by_modality[modality] = vars(cue_scores(cue_counts(*sides, min_overlap=least)))
        counts = cue_counts(gold, answers, min_overlap=least)
        return _of_arrays(cue_scores, counts, details={"modalities": by_modality})

    return prepare


def _gold_units(record: Record) -> set[int] | None:
    cues = record.targets.cues
    return None if cues is None else {action_unit(cue.au) for cue in cues if cue.au is not None}


def _named_units(prediction: Prediction, record: Record) -> set[int]:
    """Return the units that cues hold or tell (`AU12` in a cue's text)."""
    return {unit for cue in prediction.cues for unit in told_units(cue.au or cue.text)}


def _cue_metric(about: str, least: float) -> Metric:
    return Metric(about, "f1", "targets.cues", lambda r: r.targets.cues, lambda p, _: p.cues, _cues(least))


METRICS: Mapping[str, Metric] = {
    "classes": Metric(
        "one class a clip: WAF, ACC (= WAR), UAR, macro F1", "waf", "targets.label", _class, _first_label, _classes
    ),
    "multilabel": Metric(
        "label sets of a closed space: F1s, Jaccard, exact match, Hamming, MASI",
        "micro_f1",
        "targets.labels_multi",
        _gold_set,
        _label_set,
        _sets(multilabel_scores),
    ),
    "sentiment-mosi": _sentiment(
        3.0,
        "MOSI and MOSEI convention, -3..3: Acc-2 and F1 with and without 0, Acc-5, Acc-7, MAE, Corr",
        "non0_f1",
        mosi_scores,
    ),
    "sentiment-sims": _sentiment(
        1.0, "CH-SIMS convention, -1..1: Acc-2, F1, Acc-3, Acc-5, MAE, Corr", "f1", sims_scores
    ),
    "sentiment-words": Metric(
        "MER-UniBench convention: `positive`, `negative`, all else; clips with gold 0 left out",
        "waf",
        "targets.sentiment",
        lambda r: getattr(r.targets.sentiment, "value", None),
        lambda p, _: p.labels[0].text if p.labels else "",
        _words,
    ),
    "valence": _dimension("valence"),
    "arousal": _dimension("arousal"),
    "dominance": _dimension("dominance"),
    "distribution": Metric(
        "against the votes of raters: Bhattacharyya, KL, JS, R2, EMD",
        "bc",
        "targets.distribution",
        _votes,
        _probabilities,
        _distributions,
        "distribution",
    ),
    "presence": Metric(
        "blends: ACC_presence, ACC_salience (BLEMORE)", "acc_presence", "targets.salience", _gold_blend, _blend, _blends
    ),
    "calibration": Metric(
        "confidence in the first label: ECE, Brier, log score, AUROC, AURC, coverage",
        "ece",
        "targets.label",
        _class,
        _confidence,
        _confidences,
        "confidence",
    ),
    "cues": _cue_metric("named cues against true ones, one to one", 0.0),
    "timed-cues": _cue_metric(
        f"the same, with times that overlap by at least {TIMED_OVERLAP:g} (intersection over union)", TIMED_OVERLAP
    ),
    "action-units": Metric(
        "facial action units in cues: mean F1 over units, mean F1 of sets",
        "f1",
        "targets.cues",
        _gold_units,
        _named_units,
        _sets(action_unit_scores),
    ),
}
