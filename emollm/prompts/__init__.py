"""Prompts and answers: what the model is asked, the string it is trained to write, and how that string is read again.

    record, task -> render() -> messages -> model -> text -> parse() -> labels, cues, explanation, confidence

`tasks.py` holds the questions (each prompt has a hash), `answers.py` the answer string `emollm.answer/1` with its grammar,
`escape.py` the one place where text from outside is made harmless.
"""

from emollm.prompts.answers import Answer, Parsed, answer_string, grammar, parse
from emollm.prompts.escape import escape
from emollm.prompts.tasks import TASKS, Exchange, Task, prompt_sha256, render

__all__ = [
    "TASKS",
    "Answer",
    "Exchange",
    "Parsed",
    "Task",
    "answer_string",
    "escape",
    "grammar",
    "parse",
    "prompt_sha256",
    "render",
]
