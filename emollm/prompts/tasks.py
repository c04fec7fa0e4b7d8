"""Tasks and prompts: a record and a task become chat messages.

Media placeholders come first (one line each), then transcript and context, the question last. This is the string that vLLM's chat
parser makes, so that training and serving see the same prompt, and several questions about one clip share their prefix.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from emollm.errors import ConfigError
from emollm.prompts.answers import ANSWER_KEYS
from emollm.prompts.escape import escape
from emollm.records import Record

Style = Literal["json", "think", "text"]
Message = dict[str, Any]


class Exchange(NamedTuple):
    """A question of a conversation, and what was answered."""

    question: str
    answer: str


@dataclass(frozen=True)
class Task:
    """What is asked of the model.

    Attributes:
        name: Short name that predictions carry.
        question: The last part of the prompt.
        answer_keys: Prefix of `labels, cues, explanation, confidence` that the answer holds (ignored by style `text`).
        label_space: Closed set of labels, or None for open vocabulary.
        style: `json` (the answer string), `think` (reasoning before it) or `text` (free text).
        oracle_context: Show gold emotions and future turns of the dialogue. Never for evaluation.
        history: What was asked and answered about the clip before, the first exchange first.
        rules: Grammar (EBNF) that free text must follow; None: none.
    """

    name: str
    question: str
    answer_keys: tuple[str, ...] = ANSWER_KEYS
    label_space: tuple[str, ...] | None = None
    style: Style = "json"
    oracle_context: bool = False
    history: tuple[Exchange, ...] = ()
    rules: str | None = None

    def __post_init__(self) -> None:
        if (self.style != "text" and self.answer_keys != ANSWER_KEYS[: len(self.answer_keys)]) or not self.answer_keys:
            raise ConfigError(
                f"answer keys {self.answer_keys} are no prefix of {ANSWER_KEYS}",
                f"task {self.name!r}",
                "take the first 1 to 4 keys",
            )
        if self.label_space is not None and len(set(self.label_space)) != len(self.label_space):
            raise ConfigError("a label stands twice in the label space", f"task {self.name!r}", "list each label once")

    def with_labels(self, labels: tuple[str, ...]) -> Task:
        """Return the same task with a closed label space."""
        return replace(self, label_space=labels)

    def with_question(self, question: str) -> Task:
        """Return the same task with another question."""
        return replace(self, question=question)

    def after(self, history: tuple[Exchange, ...]) -> Task:
        """Return the same task as the next question of a conversation."""
        return replace(self, history=history)

    def with_rules(self, rules: str | None) -> Task:
        """Return the same task, its free text under a grammar."""
        return replace(self, rules=rules)

    def thinking(self) -> Task:
        """Return the same task with reasoning before the answer."""
        return replace(self, question=f"{self.question} Reason first.", style="think")


_LABELS = Task("labels", "Which emotions does the person appear to express? Answer with labels.", ("labels",))
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _LABELS,
        replace(_LABELS.thinking(), name="think"),
        Task("cues", "Which emotions does the person appear to express, and by which cues?", ("labels", "cues")),
        Task("explain", "Which emotions does the person appear to express, and why? Name the cues.", ANSWER_KEYS[:3]),
        Task(
            "full",
            "Which emotions does the person appear to express, and why? Name the cues and your confidence.",
            ANSWER_KEYS,
        ),
        Task("ask", "Why does the person appear this way?", style="text"),
    )
}


def render(
    record: Record,
    task: Task,
    *,
    audio: bool,
    video: bool,
    transcript: bool = True,
    special_tokens: tuple[str, ...] = (),
) -> list[Message]:
    """Return the chat messages of one question about one record, outside text escaped.

    Args:
        record: The clip.
        task: What is asked.
        audio: Whether a sound placeholder is shown (the caller has the sound).
        video: Whether a picture placeholder is shown.
        transcript: Whether words and context are shown.
        special_tokens: The tokenizer's own special tokens, escaped besides the known ones.
    """
    content: list[dict[str, str]] = []
    if audio:
        content.append({"type": "audio"})
    if video:
        content.append({"type": "video"})
    lines = _words(record, task, special_tokens) if transcript else []
    question = escape(task.question, special_tokens)
    if task.label_space is not None:
        question += " Choose from: " + ", ".join(escape(label, special_tokens) for label in task.label_space) + "."
    questions = [*(escape(exchange.question, special_tokens) for exchange in task.history), question]
    messages = [{"role": "user", "content": [*content, _text("\n".join([*lines, questions[0]]))]}]
    for exchange, following in zip(task.history, questions[1:], strict=True):
        messages.append({"role": "assistant", "content": [_text(escape(exchange.answer, special_tokens))]})
        messages.append({"role": "user", "content": [_text(following)]})
    return messages


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def prompt_sha256(messages: list[Message]) -> str:
    """Return the hash of rendered messages, as predictions carry it."""
    return hashlib.sha256(json.dumps(messages, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _words(record: Record, task: Task, special_tokens: tuple[str, ...]) -> list[str]:
    """Return the lines of dialogue and transcript. Gold emotions and future turns only with `oracle_context`."""
    lines = []
    for turn in record.context:
        if not task.oracle_context and _is_future(turn.start_s, record):
            continue
        name = escape(turn.speaker, special_tokens) if turn.speaker else "someone"
        feeling = f" ({escape(turn.emotion, special_tokens)})" if task.oracle_context and turn.emotion else ""
        lines.append(f"{name}{feeling}: {escape(turn.text, special_tokens)}")
    line = record.transcript
    if line is not None and line.text.strip():
        lines.append(f"The person says: {escape(line.text, special_tokens)}")
    return lines


def _is_future(turn_start_s: float | None, record: Record) -> bool:
    """Tell whether a turn starts at or after the clip's own start (both in the clock of `record.time`)."""
    clip_start_s = record.time.start_s if record.time else None
    return turn_start_s is not None and clip_start_s is not None and turn_start_s >= clip_start_s
