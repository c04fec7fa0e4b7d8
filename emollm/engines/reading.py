"""What a model's text becomes in a prediction: the same for every engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from emollm.engines import Request
from emollm.errors import EmoError
from emollm.prompts import Parsed, Task, parse
from emollm.records import Failure, PredictedLabel

NOTHING_TO_SEE = (
    "There is nothing to see, to hear or to read in this clip, "
    "so nothing can be said about what the person appears to express."
)

# JSON escapes of UTF-16 halves: alone they are no text, and models have no need of them.
_HALF_CHARACTER = re.compile(r"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def answer_fields(
    raw: str,
    task: Task,
    *,
    before_cut: str | None = None,
    scores: Mapping[str, float] | None = None,
    confidence: float | None = None,
) -> dict[str, Any]:
    """Return the fields of a prediction that follow from what a model wrote.

    Args:
        raw: Its text.
        task: What was asked.
        before_cut: What it wrote before the budget cut or closed the answer; None when that did not happen.
        scores: Each label's score, where there are token probabilities.
        confidence: The answer's confidence by token probabilities; one that the model states itself goes before it.
    """
    cut = before_cut is not None
    parsed = parse(_HALF_CHARACTER.sub(r"\1\\ufffd", raw), task, truncated=cut)
    answer = parsed.answer
    source = None if confidence is None else "token"
    if answer.confidence is not None and not cut:
        confidence, source = answer.confidence, "verbalised"
    status, failure = _status(parsed, before_cut, task.style == "text")
    return {
        "status": status,
        "labels": tuple(PredictedLabel(text=label, score=(scores or {}).get(label)) for label in answer.labels),
        "explanation": answer.explanation or None,
        "cues": answer.cues,
        "confidence": confidence if answer.labels else None,
        "confidence_source": source if answer.labels else None,
        "raw": raw,
        "parse": "truncated" if cut and parsed.status == "ok" else parsed.status,
        "error": failure,
    }


def failure_fields(error: EmoError, request: Request) -> dict[str, Any]:
    """Return the fields of an error row; the place is told where the request's id does not tell it."""
    what = error.what if error.where in (None, request.id) else f"{error.where}: {error.what}"
    return {"status": "error", "error": Failure(code=error.code, what=what, fix=error.fix)}


def _status(parsed: Parsed, before_cut: str | None, free_text: bool) -> tuple[str, Failure | None]:
    """Tell whether there is an answer: no labels mean insufficient evidence only when the model itself said so.

    Args:
        parsed: What was read.
        before_cut: What the model wrote before it was cut; None when it was not.
        free_text: The answer is words, not labels.
    """
    if parsed.answer.labels or (free_text and parsed.answer.explanation):
        return "ok", None
    if before_cut is not None and '"labels":[]' not in before_cut:
        fix = "raise the budget of tokens (max_new_tokens)"
        return "error", Failure(code="truncated", what="the answer was cut off before it held a label", fix=fix)
    if parsed.status == "failed":
        return "error", Failure(code="unreadable_answer", what="the model's text holds no answer", fix="see `raw`")
    return "insufficient_evidence", None
