"""What answers look like as a whole: labels on the wheel, confusion over families or classes, whether confidence can be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from emollm.metrics.calibration import risk_coverage
from emollm.report.clips import VERDICTS, Answered
from emollm.report.figures import MOST_NAMES, Chart, Figure, Line, Matrix, Table
from emollm.report.wheel import Wheel, families, largest_share, sectors

BINS = 10
_LEAST = 10
OFF, NOTHING, OTHERS = "not on the wheel", "no label", "others"


def answer_figures(clips: Sequence[Answered]) -> list[Figure]:
    """Return the figures of answers to one question."""
    said = [clip.said for clip in clips]
    truth = [clip.truth for clip in clips if clip.truth is not None]
    scale = largest_share([said, truth])
    figures: list[Figure] = [Wheel("Answers", said, scale)]
    if truth:
        figures.insert(0, Wheel("Truth", truth, scale))
        known = [clip for clip in clips if clip.truth is not None]
        figures.append(class_confusion(known) if all(clip.closed for clip in known) else family_confusion(known))
        figures += confidence_figures(known)
    return figures


def answer_tables(clips: Sequence[Answered]) -> list[Table]:
    """Return how answers fared, and the commonest labels."""
    verdicts = Counter(clip.verdict for clip in clips)
    fared = [
        (name, about, f"{verdicts[name]:,}", f"{verdicts[name] / len(clips):.1%}")
        for name, about in VERDICTS.items()
        if verdicts[name]
    ]
    said = Counter(label.strip().lower() for clip in clips for label in clip.said)
    true = Counter(label.strip().lower() for clip in clips for label in clip.truth or ())
    words = [word for word, _ in (said + true).most_common(12)]
    labels = [(word, f"{true[word]:,}", f"{said[word]:,}") for word in words]
    return [
        Table("How answers fared", ("", "meaning", "clips", "share"), fared),
        Table("Commonest labels", ("label", "in truth", "in answers"), labels),
    ]


def family_confusion(clips: Sequence[Answered]) -> Matrix:
    """Return how often clips whose truth has a family are answered with each family of the wheel."""
    names = [*sectors(), OFF]
    rows = [(_on(clip.truth or ()), _on(clip.said) or {NOTHING}) for clip in clips]
    columns = [*names, NOTHING]
    totals = Counter(name for true, _ in rows for name in true)
    kept = [name for name in names if totals[name]]
    pairs = Counter((name, answer) for true, said in rows for name in true for answer in said)
    values = [[pairs[name, column] / totals[name] for column in columns] for name in kept]
    about = "Of the clips whose truth has the family of the row, how many percent are answered with that of the column."
    return Matrix("Families", about, kept, columns, values, [str(totals[name]) for name in kept])


def class_confusion(clips: Sequence[Answered]) -> Matrix:
    """Return how often clips of a class are answered with each class; rare classes are taken together."""
    pairs = [
        ((clip.truth or ("",))[0].strip().lower(), clip.said[0].strip().lower() if clip.said else NOTHING)
        for clip in clips
    ]
    totals = Counter(true for true, _ in pairs)
    named = [name for name, _ in totals.most_common(MOST_NAMES)]

    def column(name: str) -> str:
        return name if name in (*named, NOTHING) else OTHERS

    counted = Counter((true, column(said)) for true, said in pairs)
    columns = named + [name for name in (OTHERS, NOTHING) if any(counted[true, name] for true in named)]
    values = [[counted[name, one] / totals[name] for one in columns] for name in named]
    about = "Of the clips of the class of the row, how many percent are answered with that of the column."
    return Matrix("Classes", about, named, columns, values, [str(totals[name]) for name in named])


def confidence_figures(clips: Sequence[Answered]) -> list[Figure]:
    """Return the reliability and the risk-coverage diagram, where enough answers state a confidence."""
    stated = [clip for clip in clips if clip.prediction.confidence is not None and clip.prediction.status == "ok"]
    if len(stated) < _LEAST:
        return []
    sure = np.array([clip.prediction.confidence for clip in stated], np.float64)
    right = np.array([clip.verdict in ("right", "partly right") for clip in stated])
    place = np.ceil(sure * BINS).clip(1, BINS).astype(np.int64) - 1
    bins = np.flatnonzero(np.bincount(place, minlength=BINS))
    points = [(float(sure[place == one].mean()), float(right[place == one].mean())) for one in bins]
    coverage, risk = risk_coverage(right, sure)
    what = "the class is right" if stated[0].closed else "the answer shares a family with truth"
    return [
        Chart(
            "Reliability",
            f"Share of answers that are right (here: {what}) over stated confidence, in bins of a tenth; {len(stated)} answers. "
            "On the dotted line confidence can be taken at its word.",
            "confidence",
            "right",
            [Line("answers", points)],
            unit_square=True,
            diagonal=True,
        ),
        Chart(
            "Risk and coverage",
            f"Share of wrong answers when only the most confident ones are given; {len(stated)} answers, right where {what}.",
            "share of clips answered",
            "wrong",
            [Line("answers", list(zip(coverage.tolist(), risk.tolist(), strict=True)))],
            unit_square=True,
        ),
    ]


def _on(labels: Sequence[str]) -> set[str]:
    """Return families, with all that are not on the wheel as one."""
    known = set(sectors())
    return {name if name in known else OFF for name in families(labels)}
