"""What each clip is asked: the part's task; its own question with its choices; which of two descriptions fits it better; or causes.

Choices are offered as texts, without letters: so their order can be changed (`permuted`) without a change of what the answer means.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emollm.engines import Request
from emollm.errors import EmoError
from emollm.evaluation.benchmarks import Part
from emollm.evaluation.causes import with_turns
from emollm.evaluation.families import Metric, Prepared, clean
from emollm.evaluation.variants import variant
from emollm.metrics.classes import class_scores, codes
from emollm.prompts import TASKS, Task
from emollm.records import QA, Prediction, Record

PERMUTED = re.compile(r"permuted-[1-9]\d*")
FIRST, SECOND, SAME = "first", "second", "same"
IN_WORDS = "Which emotions does the person appear to express, and why?"
PREFERRED = "Which of the two descriptions fits the person better?"
_LETTERED = re.compile(r"^\s*\(?([A-H])[).:]\s*")
_LETTERS = "ABCDEFGH"


def asked(part: Part, record: Record, prompt: int = 0, way: str = "") -> Task:
    """Return what a clip is asked.

    Args:
        part: The part of the benchmark.
        record: The clip.
        prompt: Which wording of the part's question.
        way: Variant; `permuted-N` lists the choices in another order.

    Raises:
        EmoError: The clip has no question of its own, or no pair of descriptions.
    """
    task = part.asked(prompt)
    if part.asks == "qa":
        question = _own(record)
        choices = choices_of(question) or part.labels
        task = task.with_question(question.question or task.question)
        task = task.with_labels(tuple(choices)) if choices else task
    elif part.asks == "preference":
        pair = record.targets.preference
        if pair is None:
            raise EmoError("no two descriptions to choose from", record.id, "targets.preference")
        task = task.with_question(f"{part.question or PREFERRED} First: {pair.a} Second: {pair.b}")
        task = task.with_labels((FIRST, SECOND, SAME))
    elif part.asks == "causes":
        task = with_turns(task, record)
    if PERMUTED.fullmatch(way) and task.label_space is not None:
        order = sorted(
            task.label_space, key=lambda label: hashlib.sha256(f"{way}|{record.id}|{label}".encode()).digest()
        )
        task = replace(task, label_space=tuple(order))
    return task


def requests_of(
    part: Part, records: Sequence[Record], given: str, seed: int, way: str, extract: str = ""
) -> list[Request] | None:
    """Return the requests of one run; None where the part has no such variant, or cannot be asked in words."""
    prompt = prompt_of(way)
    if prompt > len(part.wordings) or (extract and part.asks != "task"):
        return None
    requests = []
    for record in records:
        task = asked(part, record, prompt, way)
        task = in_words(part, task) if extract else task
        requests.append(Request(record.id, as_clip(record), task, seed, "a" in given, "v" in given, "t" in given))
    return variant(way, requests)


def as_clip(record: Record) -> Record:
    """Return the record of a single picture as that of a clip that shows it: engines read clips."""
    media = record.media
    if media.video is not None or len(media.images) != 1:
        return record
    return record.model_copy(update={"media": media.model_copy(update={"video": media.images[0], "images": ()})})


def in_words(part: Part, task: Task) -> Task:
    """Return the question as one that is answered in free words."""
    return TASKS["ask"].with_question(IN_WORDS if part.question is None else task.question)


def prompt_of(way: str) -> int:
    """Return which wording of the question a variant asks."""
    return int(way.removeprefix("prompt-")) if way.startswith("prompt-") else 0


def choices_of(question: QA) -> tuple[str, ...]:
    """Return the choices as texts, without letters before them."""
    return tuple(_LETTERED.sub("", choice) for choice in question.choices or ())


def right_choice(question: QA) -> str:
    """Return the right choice as a text; an answer may be a letter."""
    choices, answer = choices_of(question), question.answer.strip()
    if answer not in choices and len(answer) == 1 and answer in _LETTERS[: len(choices)]:
        return choices[_LETTERS.index(answer)]
    return answer


def _own(record: Record) -> QA:
    if not record.targets.qa:
        raise EmoError("no question of its own", record.id, "targets.qa")
    return record.targets.qa[0]


def _first(prediction: Prediction, record: Record) -> str:
    return clean(prediction.labels[0].text) if prediction.labels else ""


def _right(gold: Sequence[str], answers: Sequence[str]) -> Prepared:
    hits = np.array([g == a for g, a in zip(gold, answers, strict=True)], np.float64)
    kinds = sorted(set(gold)) if len(set(gold)) <= len(_LETTERS) else []
    true = np.array(gold)
    table = {kind: {"acc": float(hits[true == kind].mean()), "n": int((true == kind).sum())} for kind in kinds}
    details: dict[str, Any] = {"no_answer": sum(not answer for answer in answers)}
    if set(kinds) == {"yes", "no"}:  # EmoReAlM prints these as precision, recall and F1
        yes, no = table["yes"]["acc"], table["no"]["acc"]
        details["harmonic_mean_of_yes_and_no"] = 2 * yes * no / (yes + no) if yes + no else 0.0
    return Prepared(lambda rows: {"acc": float(hits[rows].mean())}, details | ({"answers": table} if table else {}))


def _chosen(record: Record) -> str | None:
    """Return which description people prefer; a tie is no truth."""
    pair = record.targets.preference
    return None if pair is None or pair.chosen == "tie" else {"a": FIRST, "b": SECOND}[pair.chosen]


def _pairs(gold: Sequence[str], answers: Sequence[str]) -> Prepared:
    named = [FIRST if answer == SAME else answer for answer in answers]
    true, guess = (codes(side, (FIRST, SECOND)) for side in (gold, named))
    return Prepared(lambda rows: _waf(true[rows], guess[rows]), {"said_same": sum(a == SAME for a in answers)})


def _waf(true: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    found = class_scores(true, guess)
    return {"waf": found.waf, "acc": found.acc}


METRICS = {
    "qa": Metric(
        "share of right answers to the clip's own question",
        "acc",
        "targets.qa",
        lambda record: clean(right_choice(record.targets.qa[0])) if record.targets.qa else None,
        _first,
        _right,
    ),
    "preference": Metric(
        "which of two descriptions people prefer: WAF, ACC over two classes; `same` counts as the first (MER2026 track 3)",
        "waf",
        "targets.preference that is no tie",
        _chosen,
        _first,
        _pairs,
    ),
}
