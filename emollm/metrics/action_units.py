"""Scores of facial action units (FACS, Ekman & Friesen 1978).

`f1` is the mean over units of the F1 over clips, the measure of BP4D and DISFA papers (units that occur in neither gold nor predictions
are left out); `set_f1` the mean over clips of the F1 of the named set, which rewards in the manner of Facial-R1 are built on
(https://arxiv.org/abs/2511.10254).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from emollm.errors import EmoError
from emollm.metrics.aligned import check_aligned, mean
from emollm.metrics.multilabel import label_f1, sample_f1

_UNIT = re.compile(r"(?:AU)?[ _]?0*([1-9]\d?)(?:_[a-z])?", re.IGNORECASE)
_TOLD = re.compile(r"\bAU[ _]?0*([1-9]\d?)(?:_[a-z])?\b", re.IGNORECASE)


@dataclass(frozen=True)
class ActionUnitScores:
    """Scores of action units, 0..1."""

    f1: float
    set_f1: float


def action_unit(text: str) -> int:
    """Return the number of an action unit that is written `AU12`, `au 4`, `AU04_r` (OpenFace) or `12`.

    Raises:
        EmoError: It is none.
    """
    match = _UNIT.fullmatch(text.strip())
    if match is None:
        raise EmoError(f"{text!r} names no action unit", "action units", "write it as AU12")
    return int(match[1])


def told_units(text: str) -> set[int]:
    """Return the action units that a model's text tells: `AU6 and AU12` -> 6, 12; a text that is only a number is a unit, too."""
    alone = _UNIT.fullmatch(text.strip())
    return {int(alone[1])} if alone else {int(number) for number in _TOLD.findall(text)}


def action_unit_scores(gold: np.ndarray, predicted: np.ndarray) -> ActionUnitScores:
    """Score action units.

    Args:
        gold: Which units are active, bool (clips, units); `emollm.metrics.aligned.indicators` makes it from sets.
        predicted: Which units were named, bool (clips, units).

    Raises:
        EmoError: The two differ in length or are empty.
    """
    check_aligned(gold, predicted, "action units")
    return ActionUnitScores(mean(label_f1(gold, predicted)), float(sample_f1(gold, predicted).mean()))
