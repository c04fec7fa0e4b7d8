"""How good are a run's labels? People label a sample of its clips, without being shown what the model said.

    sample = draw(Path("out.jsonl"), 200)              # strata: the first label of an answer
    report = audited(Path("out.jsonl"), read_tasks(Path("export.json")), precision=0.9)

Strata share the sample as equally as their sizes allow, so that rare labels are looked at, too; each drawn clip then stands for as many as
its stratum has for each one drawn, and what is reported is weighted by that (Cochran 1977, Sampling Techniques, chapter 5).

- Agreement: Krippendorff's alpha with MASI distance (metrics/agreement.py), of the people with each other, and of the model with them.
- Precision: share of the model's labels that at least half of a clip's raters gave.
- Threshold: the lowest score from which on the model's labels are precise enough, with the share of labels that it keeps. It is chosen
  on the sample; the interval beside it (Wilson 1927, with Kish's effective size) tells how sure that is.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emollm.errors import EmoError
from emollm.jsonl import read_rows
from emollm.metrics.agreement import krippendorff_alpha
from emollm.records import Prediction

OTHER = "(other labels)"
NONE = "(no label)"
Z = 1.96  # 95 %
_SMALLEST = 5  # clips of a stratum that is looked at by itself


@dataclass(frozen=True)
class Drawn:
    """One clip of a sample: its answer, and how many clips of the run it stands for."""

    answer: Prediction
    stratum: str
    weight: float


@dataclass(frozen=True)
class Rated:
    """What people said about one clip: one set of labels a rater."""

    key: str
    weight: float
    raters: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Audit:
    """What an audit found; a number that cannot be had is NaN.

    Attributes:
        clips: Rated clips.
        raters: Most raters of one clip.
        alpha_raters: Agreement of people with each other.
        alpha_model: Agreement of the model with each person.
        precision: Of all labels of the run.
        threshold: Lowest score from which on the wanted precision is reached; None: there is none.
        reached: Precision from there on, with its interval.
        kept: Share of the run's scored labels from there on.
    """

    clips: int
    raters: int
    alpha_raters: float
    alpha_model: float
    precision: float
    threshold: float | None
    reached: tuple[float, float, float]
    kept: float


def draw(run: Path, n: int, seed: int = 0) -> list[Drawn]:
    """Draw a stratified sample of a run's answers.

    Args:
        run: Predictions (JSONL).
        n: Number of clips; all, when there are fewer.
        seed: Same seed and run, same sample.

    Raises:
        EmoError: The run has no answers.
    """
    sizes = Counter(map(_stratum, read_rows(run, Prediction)))
    if not sizes:
        raise EmoError("there are no answers", str(run), "label clips first: emollm label ... -o out.jsonl")
    named = {name for name, _ in sizes.most_common(max(1, n // _SMALLEST))}

    def stratum_of(answer: Prediction) -> str:
        name = _stratum(answer)
        return name if name in named else OTHER

    sizes = Counter(name if name in named else OTHER for name in sizes.elements())
    shares = _shares(sizes, n)
    drawn = []
    for name, share in shares.items():
        rows = (answer for answer in read_rows(run, Prediction) if stratum_of(answer) == name)
        found = heapq.nsmallest(share, rows, key=lambda answer: _chance(seed, answer))
        drawn += [Drawn(answer, name, sizes[name] / share) for answer in found]
    return drawn


def audited(run: Path, rated: Sequence[Rated], precision: float) -> Audit:
    """Compare a run with what people said about a sample of it.

    Args:
        run: Predictions (JSONL).
        rated: What people said; the weights are the sample's.
        precision: The precision that is wanted, 0..1.

    Raises:
        EmoError: Nobody rated anything, or a rated clip is not in the run.
    """
    wanted = {one.key: one for one in rated if one.raters}
    answers = {answer.key: answer for answer in read_rows(run, Prediction) if answer.key in wanted}
    if not wanted or len(answers) < len(wanted):
        what = (
            f"{len(wanted) - len(answers)} of {len(wanted)} rated clips are not in the run" if wanted else "no ratings"
        )
        raise EmoError(what, str(run), "give the run that the sample was drawn from, and the export of its project")
    units = [(frozenset(_words(answers[key])), one.raters) for key, one in wanted.items()]
    scores, right, weight = _labels(answers.values(), wanted)
    threshold, reached, kept = _threshold(scores, right, weight, precision)
    return Audit(
        clips=len(wanted),
        raters=max(len(one.raters) for one in wanted.values()),
        alpha_raters=_alpha([raters for _, raters in units]),
        alpha_model=_alpha([(model, rater) for model, raters in units for rater in raters]),
        precision=float(right @ weight / weight.sum()) if len(weight) else math.nan,
        threshold=threshold,
        reached=reached,
        kept=kept,
    )


def wilson(right: float, n: float) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's score.

    Args:
        right: The share, 0..1.
        n: Number of (effective) trials, above 0.
    """
    middle = (right + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * math.sqrt(right * (1 - right) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def _labels(answers: Iterable[Prediction], rated: dict[str, Rated]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return score (NaN: none), whether people agree, and weight of each label of the model, (labels,) each."""
    rows = [
        (
            math.nan if (score := label.score if label.score is not None else answer.confidence) is None else score,
            sum(word(label.text) in rater for rater in one.raters) * 2 >= len(one.raters),
            one.weight,
        )
        for answer in answers
        for one in (rated[str(answer.key)],)
        for label in answer.labels
    ]
    return tuple(np.array(rows, np.float64).reshape(-1, 3).T)  # type: ignore[return-value]


def _threshold(
    scores: np.ndarray, right: np.ndarray, weight: np.ndarray, wanted: float
) -> tuple[float | None, tuple[float, float, float], float]:
    """Return the lowest score that gives the wanted precision, that precision with its interval, and the share kept."""
    scored = ~np.isnan(scores)
    order = np.argsort(-scores[scored], kind="stable")
    score, hit, w = scores[scored][order], right[scored][order], weight[scored][order]
    last = np.flatnonzero(
        np.append(score[1:] != score[:-1], True)[: len(score)]
    )  # ends of ties: all of a score, or none
    total = np.cumsum(w)[last]
    precision = np.cumsum(hit * w)[last] / total
    enough = np.flatnonzero(precision >= wanted)
    if not len(enough):
        return None, (math.nan, math.nan, math.nan), 0.0
    at = enough[-1]
    effective = total[at] ** 2 / (w[: last[at] + 1] ** 2).sum()
    share = float(precision[at])
    return float(score[last[at]]), (share, *wilson(share, float(effective))), float(total[at] / w.sum())


def _alpha(units: Sequence[Sequence[frozenset[str]]]) -> float:
    """Return alpha with MASI distance; NaN where no clip has two raters."""
    rated = [unit for unit in units if len(unit) >= 2]
    return krippendorff_alpha(rated, "masi") if rated else math.nan


def _shares(sizes: Counter[str], n: int) -> dict[str, int]:
    """Cut a sample into strata as equally as their sizes allow; the smallest come first, and what they leave goes to the others."""
    shares, left = {}, n
    for i, (name, size) in enumerate(sorted(sizes.items(), key=lambda item: item[1])):
        shares[name] = min(size, left // (len(sizes) - i))
        left -= shares[name]
    return {name: share for name, share in shares.items() if share}


def _stratum(answer: Prediction) -> str:
    return word(answer.labels[0].text) if answer.labels else NONE


def _words(answer: Prediction) -> list[str]:
    return [word(label.text) for label in answer.labels]


def word(label: str) -> str:
    """Return a label as it is compared: without case and doubled blanks."""
    return " ".join(label.casefold().split())


def _chance(seed: int, answer: Prediction) -> bytes:
    """Return what ranks an answer at random, the same for the same seed."""
    return hashlib.blake2b(f"{seed}\0{answer.key}".encode(), digest_size=8).digest()
