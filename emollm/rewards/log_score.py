"""Stated confidence, by the log score: the reward of EmoCaliber (https://arxiv.org/abs/2512.15528).

With confidence c and i, how far the answer is right: 1 + i + 2 (i ln c + (1 - i) ln(1 - c)); -5 if the confidence is missing or not between
0 and 1. The log score is proper (Gneiting & Raftery 2007, https://doi.org/10.1198/016214506000001437): to say what one believes earns
most. Below it has no bound: to be wrong at 0.99 earns -8.2, less than no answer. `brier` is the bounded alternative.

Departure: i is the wheel F of the answer, 0..1, where EmoCaliber has right or wrong of a single word; the score stays proper for its mean.
"""

from __future__ import annotations

import math
from typing import ClassVar

from emollm.rewards.confidence import StatedConfidence

_MALFORMED = -5.0


class LogScore(StatedConfidence):
    """Log score of the confidence, at most 2."""

    citation: ClassVar[str] = """@article{wu2025emocaliber,
  title={EmoCaliber: Advancing Reliable Visual Emotion Comprehension via Confidence Verbalization and Calibration},
  author={Wu, Daiqing and Yang, Dongbao and Ma, Can and Zhou, Yu},
  journal={arXiv preprint arXiv:2512.15528}, year={2025}
}"""

    def score(self, right: float, sure: float | None) -> float:
        """Return the reward; -5 where no confidence lies between 0 and 1."""
        if sure is None or not 0 < sure < 1:
            return _MALFORMED
        return 1 + right + 2 * (right * math.log(sure) + (1 - right) * math.log(1 - sure))
