"""What the model is taught to answer about a record, given what is left to see, hear and read.

A cue that cannot be perceived must not be taught: the model would learn to make cues up. So the answer follows the modalities:
cues of a missing one are taken out, and an explanation that leaned on them is either composed anew (clips of the generator, whose
wording is a pure function of labels and cues) or not taught at all: the question then asks for labels and cues only.

Does not: invent labels, cues or confidence that a record does not have (`teachable` tells which tasks it can teach).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from emollm.gold import gold_cues, gold_labels
from emollm.prompts import TASKS, Answer, Task
from emollm.records import QA, Cue, Description, Modality, Record
from emollm.synth.wording import explanation as compose

EXPLAINS = ("reasoning", "description")  # kinds of text that answer why; others tell of one stream, or are candidates
NO_CUE = "Nothing clear."  # reasoning about a clip that shows no cue
GENERATOR = "generator"  # author of descriptions that `emollm.synth.wording` composed


@dataclass(frozen=True)
class Lesson:
    """A question and the answer to it."""

    task: Task
    answer: Answer


def explanation_of(record: Record) -> Description | None:
    """Return the reasoning of a record (else its first description), English first."""
    told = [one for one in record.targets.description if one.kind in EXPLAINS]
    return min(told, key=lambda one: (EXPLAINS.index(one.kind), one.lang not in (None, "en")), default=None)


def questions_of(record: Record, present: Collection[Modality]) -> list[int]:
    """Return the indices of the free questions that can be answered from the modalities that are present.

    A question that does not say what it needs is asked only while no cue is lost, or when its answer can be composed anew.
    """
    cues = gold_cues(record) or ()
    whole = all(cue.modality in present for cue in cues) and bool(present)
    return [
        index
        for index, qa in enumerate(record.targets.qa or ())
        if (set(qa.needs) <= set(present) if qa.needs else whole or _is_composed(record, qa))
    ]


def teachable(record: Record, task: Task, present: Collection[Modality]) -> bool:
    """Tell whether a record knows everything that a task asks for."""
    if task.style == "text":
        return bool(questions_of(record, present))
    known = {
        "labels": gold_labels(record) is not None,
        "cues": gold_cues(record) is not None,
        "explanation": explanation_of(record) is not None,
        "confidence": False,
    }
    reasons = task.style != "think" or known["cues"] or known["explanation"]
    return reasons and all(known[key] for key in task.answer_keys)


def ask(record: Record, question: int, present: Collection[Modality]) -> Lesson:
    """Return the lesson of a record's free question; an answer that is the generator's explanation follows what is left."""
    qa = (record.targets.qa or ())[question]
    answer = lesson(record, TASKS["explain"], present).answer.explanation if _is_composed(record, qa) else qa.answer
    return Lesson(TASKS["ask"].with_question(qa.question), Answer(explanation=answer))


def lesson(record: Record, task: Task, present: Collection[Modality]) -> Lesson:
    """Return the question and the answer about a record of which the modalities `present` are left.

    Args:
        record: The clip.
        task: What is to be asked; it becomes `cues` when the record's explanation no longer holds.
        present: Modalities that carry something: silence and blackness do not.

    Raises:
        ValueError: The record does not know what the task asks for; see `teachable`.
    """
    cues = gold_cues(record) or ()
    left = tuple(cue for cue in cues if cue.modality in present)
    labels = (gold_labels(record) or ()) if present else ()
    if "explanation" not in task.answer_keys:
        return Lesson(task, Answer(labels, left, thought(record, left) if task.style == "think" else None))
    description = explanation_of(record)
    if description is None:
        raise ValueError(f"{record.id} has no explanation")
    if left == cues and present:
        return Lesson(task, Answer(labels, left, description.text))
    if description.author == GENERATOR:
        return Lesson(task, Answer(labels, left, compose(labels, left)))
    return Lesson(TASKS["cues"], Answer(labels, left))


def thought(record: Record, cues: Collection[Cue]) -> str:
    """Return the reasoning that leads to a record's labels: what is perceived, in the order of the clip.

    A record's explanation mostly begins with the labels, which reasoning must not know yet; it serves where no cue is known.

    Args:
        record: The clip.
        cues: Those of its cues that can be perceived.
    """
    if gold_cues(record) is None:
        description = explanation_of(record)
        return description.text if description else NO_CUE
    told = [cue.text for cue in sorted(cues, key=lambda cue: cue.start_s or 0.0)]
    return f"{'; '.join(told)}." if told else NO_CUE


def _is_composed(record: Record, qa: QA) -> bool:
    """Tell whether the answer to a question is the explanation that the generator composed."""
    description = explanation_of(record)
    return description is not None and description.author == GENERATOR and qa.answer == description.text
