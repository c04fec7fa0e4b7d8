"""The answer string as a JSON Schema, for servers that hold a model to one (`response_format`)."""

from __future__ import annotations

from typing import Any

from emollm.prompts.answers import MAX_CUES, MAX_LABELS
from emollm.prompts.tasks import Task

_CUE = {
    "type": "object",
    "properties": {
        "modality": {"type": "string", "enum": ["audio", "video", "text"]},
        "text": {"type": "string"},
        "start_s": {"type": "number"},
        "end_s": {"type": "number"},
    },
    "required": ["modality", "text", "start_s", "end_s"],
    "additionalProperties": False,
}


def answer_schema(task: Task) -> dict[str, Any]:
    """Return the schema of the answer of a task: its keys, all of them, in their order.

    It is looser than `grammar` (lengths of texts, whitespace), and stricter in one thing: cues have times, because servers demand that
    every key is required.

    Raises:
        ValueError: Free text has no schema.
    """
    if task.style == "text":
        raise ValueError(f"task {task.name!r} is free text: it has no schema")
    label: dict[str, Any] = {"type": "string"}
    if task.label_space is not None:
        label["enum"] = list(task.label_space)
    properties: dict[str, Any] = {
        "labels": {"type": "array", "items": label, "maxItems": MAX_LABELS},
        "cues": {"type": "array", "items": _CUE, "maxItems": MAX_CUES},
        "explanation": {"type": "string"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    }
    return {
        "type": "object",
        "properties": {key: properties[key] for key in task.answer_keys},
        "required": list(task.answer_keys),
        "additionalProperties": False,
    }
