"""Label lists as models and label files write them, read by the rules of the published scores.

`reference_labels` is the parser behind Fs, S1/S2 and the hit rate (MER2025, MER2026, AffectGPT, OV-MER; Lian et al. 2024,
https://arxiv.org/abs/2410.01495): one bracket off each end, then quotes and commas both separate. `mer2024_labels` is the older one of the
MER2024 challenge. Neither knows `;`, `/`, "and" or a full stop; the robust reading of our own wheels is in `emollm/emotions/lexicon.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from emollm.errors import EmoError, collect

Answer = str | Sequence[str] | None
"""A label list as it comes: text as written, a list of labels, or nothing (also NaN, as tables write an empty cell)."""

FIX = "write labels as [happy, sad], or give a list of texts"


def answer_problem(answer: Any, strict: bool = True) -> str | None:
    """Return why an answer is no label list, or None when it is one. An empty list is one.

    Args:
        answer: What stands in a file or was written by a model.
        strict: Also refuse brackets that do not pair, which the published scores read somehow.
    """
    if isinstance(answer, np.ndarray):
        answer = answer.tolist()
    if _is_nothing(answer):
        return None
    if isinstance(answer, list | tuple):
        wrong = [item for item in answer if not isinstance(item, str)]
        return f"list item {wrong[0]!r} is no text" if wrong else None
    if not isinstance(answer, str):
        return f"{type(answer).__name__} {answer!r} is no label list"
    text = answer.strip()
    if answer == "[":
        return "a lone bracket is no label list"
    if not strict:
        return None
    if text.count("[") != text.count("]") or text.find("]") < text.find("["):
        return f"brackets do not pair in {_short(text)}"
    if text.startswith("[[") or (text.startswith("[") and not text.endswith("]")):
        return f"text around or doubled brackets in {_short(text)}"
    return None


def refuse_wrong(answers: Iterable[Any], side: str) -> None:
    """Raise one error that lists every answer which the published scores cannot read either.

    Raises:
        EmoError: See `answer_problem`; rows count from 1.
    """
    found = ((row, answer_problem(answer, strict=False)) for row, answer in enumerate(answers, 1))
    problems = [EmoError(what, f"{side} row {row}", FIX) for row, what in found if what]
    if error := collect(problems, "{n} label lists cannot be read:"):
        raise error


def reference_pieces(answer: Answer) -> Sequence[str]:
    """Return the labels of an answer with blanks around them and empty ones among them; see `reference_labels`.

    Raises:
        IndexError: The answer is a lone bracket.
        TypeError: The answer is a number or the like.
    """
    if isinstance(answer, str):
        if not answer:
            return []
        text = answer[1:] if answer[0] == "[" else answer
        text = text[:-1] if text[-1] == "]" else text
        return text.replace("'", ",").replace('"', ",").split(",")
    if isinstance(answer, np.ndarray):
        answer = answer.tolist()
    if isinstance(answer, list | tuple):
        return answer
    if _is_nothing(answer):
        return []
    raise TypeError(answer_problem(answer))


def reference_labels(answer: Answer) -> list[str]:
    """Return the labels of an answer by the rules of the published scores, in lower case and stripped.

    A list is taken as it stands: its items are not split. None, NaN and "" are no labels. One `[` is dropped from the start of a text
    and one `]` from its end; then quotes and commas separate, so that an ASCII apostrophe tears a word apart, as it does there.

    Raises:
        EmoError: The answer is a number, a truth value or a lone bracket.
    """
    refuse_wrong([answer], "answer")
    return [label for piece in reference_pieces(answer) if (label := piece.lower().strip())]


def mer2024_labels(answer: Answer) -> list[str]:
    """Return the labels of an answer by the rules of MER2024: what stands between the first `[` and the next `]`, split at quotes only.

    The commas between quoted labels fall away; labels without quotes stay one label.
    """
    if not isinstance(answer, str):
        return reference_labels(answer)
    start = answer.find("[")
    inside = answer[start + 1 :].split("]", 1)[0] if start >= 0 else answer
    pieces = (piece.strip().lower() for piece in re.split("['\"]", inside))
    return [piece for piece in pieces if piece not in ("", ",")]


def _is_nothing(answer: Any) -> bool:
    """Return whether the answer is None or NaN."""
    return answer is None or (isinstance(answer, float) and answer != answer)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
