"""The answer string `emollm.answer/1`: written for training, constrained at decoding, read after it.

Compact JSON, keys in this order, a task may ask for a prefix of them:

    {"labels":["furious"],"cues":[{"modality":"audio","text":"voice is loud","start_s":0.4,"end_s":2.1}],
     "explanation":"...","confidence":0.8}

Empty labels mean that the evidence is insufficient. Style `think` puts `<think>...</think>` before it: the explanation, if the answer holds
no other. The grammar constrains syntax, never vocabulary, unless the task has a closed label space.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from emollm.records import Cue

if TYPE_CHECKING:
    from emollm.prompts.tasks import Task

ANSWER_KEYS = ("labels", "cues", "explanation", "confidence")
MAX_LABELS, MAX_CUES = 8, 8
MAX_LABEL_CHARS, MAX_CUE_CHARS, MAX_EXPLANATION_CHARS = 48, 160, 1200
_THOUGHT = re.compile(r"\s*<think>(.*?)</think>", re.DOTALL)
_NOT_THOUGHT = str.maketrans("<{}", "(()")  # a thought must differ from the answer after it
ParseStatus = Literal["ok", "repaired", "failed", "truncated"]


@dataclass(frozen=True)
class Answer:
    """One answer. Empty `labels`: insufficient evidence."""

    labels: tuple[str, ...] = ()
    cues: tuple[Cue, ...] = ()
    explanation: str | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Parsed:
    """An answer read from text, and how: `ok` as written, `repaired` found in other text, `truncated` cut off, `failed` unreadable."""

    answer: Answer
    status: ParseStatus


def answer_string(answer: Answer, task: Task) -> str:
    """Return the string the model is trained to write.

    Raises:
        ValueError: The task asks for a key that the answer does not have.
    """
    if task.style == "text":
        if answer.explanation is None:
            raise ValueError(f"task {task.name!r} needs an explanation")
        return answer.explanation
    values: dict[str, Any] = {
        "labels": list(answer.labels),
        "cues": [_cue_json(cue) for cue in answer.cues],
        "explanation": answer.explanation,
        "confidence": None if answer.confidence is None else round(answer.confidence, 2),
    }
    missing = [key for key in task.answer_keys if values[key] is None]
    if missing:
        raise ValueError(f"task {task.name!r} asks for {missing}, which the answer does not have")
    text = json.dumps({key: values[key] for key in task.answer_keys}, ensure_ascii=False, separators=(",", ":"))
    return (
        f"<think>{(answer.explanation or '').translate(_NOT_THOUGHT)}</think>{text}" if task.style == "think" else text
    )


def parse(text: str, task: Task, *, truncated: bool = False) -> Parsed:
    """Read an answer from what a model wrote; never guesses a class out of unreadable text.

    Args:
        text: The model's text.
        task: What was asked.
        truncated: Whether generation stopped at its length limit.
    """
    if task.style == "text":
        return Parsed(Answer(explanation=text.strip()), "truncated" if truncated else "ok")
    thought = _THOUGHT.match(text)
    if thought is None and text.lstrip().startswith("<think>"):  # never got as far as an answer
        return Parsed(Answer(), "truncated" if truncated else "failed")
    body = (text[thought.end() :] if thought else text).strip()
    read = partial(_answer, task=task, thought=thought[1].strip() if thought and task.style == "think" else None)
    try:
        return Parsed(read(json.loads(body), strict=True), "ok")
    except (ValueError, TypeError, KeyError):
        pass
    found = _embedded_json(body)
    if found is not None:
        try:
            return Parsed(read(found, strict=False), "truncated" if truncated else "repaired")
        except (ValueError, TypeError, KeyError):
            pass
    whole_labels = re.search(r'"labels"\s*:\s*\[((?:\s*"(?:[^"\\]|\\.)*"\s*,?)*)', body)
    if truncated and whole_labels:
        labels = json.loads("[" + whole_labels.group(1).rstrip().rstrip(",") + "]")
        return Parsed(Answer(labels=_clean(labels)), "truncated")
    return Parsed(Answer(), "truncated" if truncated else "failed")


def grammar(task: Task) -> str:
    """Return the EBNF grammar (xgrammar's GBNF dialect) of the answer string of a task.

    Raises:
        ValueError: Free text has no grammar.
    """
    if task.style == "text":
        raise ValueError(f"task {task.name!r} is free text: it has no grammar")
    rules = {
        "labels": f'"[" (label ("," label){{0,{MAX_LABELS - 1}}})? "]"',
        "cues": f'"[" (cue ("," cue){{0,{MAX_CUES - 1}}})? "]"',
        "explanation": f'"\\"" char{{1,{MAX_EXPLANATION_CHARS}}} "\\""',
        "confidence": '"0" ("." [0-9]{1,2})? | "1" (".0")?',
    }
    parts = [f'"\\"{key}\\":" {key}' for key in task.answer_keys]
    think = '"<think>" [^<{}]{0,4000} "</think>" ' if task.style == "think" else ""
    lines = [f'root ::= {think}"{{" ' + ' "," '.join(parts) + ' "}"']
    lines += [f"{key} ::= {rules[key]}" for key in task.answer_keys]
    if task.label_space is not None:
        lines.append(
            "label ::= "
            + " | ".join(
                json.dumps(json.dumps(label, ensure_ascii=False), ensure_ascii=False) for label in task.label_space
            )
        )
    else:
        lines.append(f'label ::= "\\"" char{{1,{MAX_LABEL_CHARS}}} "\\""')
    lines.append(
        'cue ::= "{\\"modality\\":\\"" ("audio" | "video" | "text") "\\",\\"text\\":\\"" '
        f'char{{1,{MAX_CUE_CHARS}}} "\\"" (",\\"start_s\\":" second ",\\"end_s\\":" second)? "}}"'
    )
    lines.append('second ::= ("0" | [1-9] [0-9]{0,3}) ("." [0-9]{1,2})?')
    lines.append(r'char ::= [^"\\\x00-\x1f] | "\\" ["\\/bfnrt]')
    return "\n".join(lines)


def _cue_json(cue: Cue) -> dict[str, Any]:
    """Return a cue as the answer string holds it: times only when both are known, in tenths of a second."""
    out: dict[str, Any] = {"modality": cue.modality, "text": cue.text}
    if cue.start_s is not None and cue.end_s is not None:
        out |= {"start_s": round(cue.start_s, 1), "end_s": round(cue.end_s, 1)}
    return out


def _answer(data: Any, task: Task, thought: str | None, *, strict: bool) -> Answer:
    """Build an answer from parsed JSON; `thought` is its explanation if it has no other. Strict: exactly the task's keys in their order."""
    if not isinstance(data, dict) or "labels" not in data:
        raise ValueError("no JSON object with labels")
    if strict and tuple(data) != task.answer_keys:
        raise ValueError("other keys than asked for")
    labels = _clean(data["labels"])
    if task.label_space is not None:
        known = {label.lower(): label for label in task.label_space}
        if strict and any(label.lower() not in known for label in labels):
            raise ValueError("a label outside the label space")
        labels = tuple(known[label.lower()] for label in labels if label.lower() in known)
    explanation, confidence = data.get("explanation", thought), data.get("confidence")
    if explanation is not None and not isinstance(explanation, str):
        raise ValueError("the explanation is no text")
    if confidence is not None and not (isinstance(confidence, (int, float)) and 0 <= confidence <= 1):
        raise ValueError("the confidence lies outside 0..1")
    return Answer(
        labels, _cues(data.get("cues") or [], strict), explanation, None if confidence is None else float(confidence)
    )


def _cues(items: Any, strict: bool) -> tuple[Cue, ...]:
    """Read cues; a cue that ends before it starts loses its times, a cue that is none raises when strict, else is dropped."""
    cues = []
    for item in items:
        try:
            start_s, end_s = item.get("start_s"), item.get("end_s")
            if start_s is not None and end_s is not None and end_s < start_s:
                start_s = end_s = None
            cues.append(Cue(modality=item["modality"], text=item["text"], start_s=start_s, end_s=end_s))
        except (ValidationError, KeyError, TypeError, AttributeError):
            if strict:
                raise ValueError("a cue that cannot be read") from None
    return tuple(cues)


def _clean(labels: Any) -> tuple[str, ...]:
    """Return labels stripped, without empties and repetitions, in their order."""
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError("labels are no list of texts")
    return tuple(dict.fromkeys(stripped for label in labels if (stripped := label.strip())))


def _embedded_json(text: str) -> Any:
    """Return the first JSON object inside `text` (fences, words around it), or None."""
    decoder = json.JSONDecoder()
    for match in re.finditer(r"\{", text):
        try:
            return decoder.raw_decode(text, match.start())[0]
        except json.JSONDecodeError:
            continue
    return None
