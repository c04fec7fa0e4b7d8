"""The plan of a training stage: which record is asked what, with which modalities, in which order. All chance lies here.

A stage of `epochs` epochs is planned as a whole before it starts: for each epoch and record the modality dropout is drawn, then a task
among those that the record can teach with what is left, all from (seed, stage, epoch, record). The plan is in training order (shuffled, and
grouped by length into batches when asked for), so the trainer reads it from front to back and the same recipe gives the same batches. Chats
that are replayed (replay.py) are drawn anew for each epoch. A curriculum sorts each epoch by a number that the records carry (Bengio et al.
2009, https://doi.org/10.1145/1553374.1553380).

Examples that are too long are left out and counted, never cut: a cut answer teaches to stop in the middle.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from emollm.config import Curriculum, ModalityDropout, Stage
from emollm.errors import EmoError
from emollm.prompts import TASKS
from emollm.records import Modality, Record
from emollm.train.replay import CHAT, Chat
from emollm.train.targets import questions_of, teachable

SoundState = Literal["present", "silent", "absent"]
PictureState = Literal["present", "black", "absent"]
BATCHES_TO_GROUP = 50  # so many batches are drawn at random, then sorted by length among themselves


@dataclass(frozen=True)
class Example:
    """One row of the plan; the collator makes the tensors.

    Attributes:
        record: Index of the record.
        task: Name of the task.
        question: Index of the record's question for task `ask`, else -1.
        audio: What is left of the sound.
        video: What is left of the picture.
        text: Whether words and context are shown.
    """

    record: int
    task: str
    question: int = -1
    audio: SoundState = "present"
    video: PictureState = "present"
    text: bool = True

    @property
    def present(self) -> tuple[Modality, ...]:
        """The modalities that carry something."""
        left = {"audio": self.audio == "present", "video": self.video == "present", "text": self.text}
        return tuple(modality for modality, there in left.items() if there)  # type: ignore[misc]

    def to_row(self) -> dict[str, Any]:
        """Return the columns of the data set that the trainer sees."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """Examples in training order, and what was left out by reason."""

    examples: list[Example]
    lengths: list[int]
    left_out: Counter[str] = field(default_factory=Counter)


def plan_stage(
    records: Sequence[Record],
    stage: Stage,
    dropout: ModalityDropout,
    seed: Sequence[int],
    length_of: Callable[[Example], int],
    world_size: int = 1,
    replay: float = 0.0,
) -> Plan:
    """Plan a stage of training.

    Args:
        records: The training records, and chats to replay among them.
        stage: Tasks, batch size, epochs or steps, longest length.
        dropout: How often a modality is taken away.
        seed: Numbers that all chance of this stage follows from.
        length_of: Length of an example in tokens, soft prompt included.
        world_size: Number of processes that share the batches.
        replay: Share of the examples that are chats.

    Raises:
        EmoError: Nothing is left to train on, or records do not carry what the curriculum sorts by.
    """
    batch = stage.batch_size * world_size
    step = batch * stage.gradient_accumulation
    plan = Plan([], [])
    hardness = hardness_of(records, stage.curriculum) if stage.curriculum else None
    clips = [(index, record) for index, record in enumerate(records) if not isinstance(record, Chat)]
    epoch = 0
    while epoch < math.ceil(stage.epochs) if stage.max_steps is None else len(plan.examples) < stage.max_steps * step:
        rng = np.random.default_rng([*seed, epoch])
        drawn = [draw(record, index, stage, dropout, [*seed, epoch, index]) for index, record in clips]
        examples, lengths = _fitting([one for one in drawn if one], length_of, stage.max_length, plan.left_out)
        plan.left_out["teaches none of the tasks"] += drawn.count(None)
        if examples and replay:
            chats = draw_chats(records, round(len(examples) * replay / (1 - replay)), [*seed, epoch, len(records)])
            fitting = _fitting(chats, length_of, stage.max_length, plan.left_out)
            examples, lengths = examples + fitting[0], lengths + fitting[1]
        if not examples:
            raise EmoError(
                f"no training example is left for stage {stage.name!r} ({_reasons(plan.left_out)})",
                fix="give records with the targets that the tasks ask for, or raise max_length",
            )
        ranks = None if hardness is None else [hardness[example.record] for example in examples]
        order = _order(lengths, batch, stage.group_by_length, rng, ranks)
        if stage.max_steps is None and epoch + 1 > stage.epochs:
            order = order[: math.ceil(len(order) * (stage.epochs - epoch))]
        plan.examples.extend(examples[i] for i in order)
        plan.lengths.extend(lengths[i] for i in order)
        epoch += 1
    if stage.max_steps is not None:
        del plan.examples[stage.max_steps * step :], plan.lengths[stage.max_steps * step :]
    return plan


def plan_dev(records: Sequence[Record], stage: Stage, seed: Sequence[int], length_of: Callable[[Example], int]) -> Plan:
    """Plan the dev loss: each record once, nothing dropped, in the order of the file."""
    plan = Plan([], [])
    drawn = [draw(record, index, stage, ModalityDropout(), [*seed, index]) for index, record in enumerate(records)]
    examples, lengths = _fitting([one for one in drawn if one], length_of, stage.max_length, plan.left_out)
    plan.left_out["teaches none of the tasks"] += drawn.count(None)
    return Plan(examples, lengths, plan.left_out)


def draw(record: Record, index: int, stage: Stage, dropout: ModalityDropout, seed: Sequence[int]) -> Example | None:
    """Draw the modalities, then the task, for one record; None when it can teach none of the stage's tasks."""
    rng = np.random.default_rng(list(seed))
    chance = rng.random(4)  # always four numbers: a changed rate does not change the other draws
    whole = Example(
        index,
        task="",
        audio=_left(has_sound(record), chance[0], dropout.audio_absent, dropout.audio_silent, "silent"),
        video=_left(record.media.video is not None, chance[1], dropout.video_absent, dropout.video_black, "black"),
        text=has_words(record) and bool(chance[2] >= dropout.text_absent),
    )
    tasks = [name for name in stage.tasks if teachable(record, TASKS[name], whole.present)]
    if not tasks:
        return None
    weights = np.cumsum([stage.tasks[name] for name in tasks])
    task = tasks[int(np.searchsorted(weights, chance[3] * weights[-1], side="right"))]
    question = -1
    if TASKS[task].style == "text":
        questions = questions_of(record, whole.present)
        question = questions[int(rng.integers(len(questions)))]
    return Example(index, task, question, whole.audio, whole.video, whole.text)


def epochs_of(plan: Plan, records: Sequence[Record]) -> float:
    """Return how often a plan goes through the records; chats are not counted."""
    shown = sum(example.task != CHAT for example in plan.examples)
    return shown / sum(not isinstance(record, Chat) for record in records)


def draw_chats(records: Sequence[Record], count: int, seed: Sequence[int]) -> list[Example]:
    """Draw chats; none comes twice before all have come."""
    chats = [index for index, record in enumerate(records) if isinstance(record, Chat)]
    rng = np.random.default_rng(list(seed))
    rounds = [rng.permutation(chats).tolist() for _ in range(-(-count // len(chats)))]
    drawn = [index for one in rounds for index in one][:count]
    return [Example(index, CHAT, audio="absent", video="absent", text=False) for index in drawn]


def hardness_of(records: Sequence[Record], curriculum: Curriculum) -> list[float]:
    """Return a number for each record, lower for what comes first; a chat lies in the middle.

    Raises:
        EmoError: A record lacks the column, or has no number there.
    """
    sign = -1.0 if curriculum.first == "high" else 1.0
    found: list[float] = []
    lacking = []
    for record in records:
        value: Any = record
        for key in curriculum.column.split("."):
            value = getattr(value, key, None)
        if isinstance(value, int | float):
            found.append(sign * value)
        else:
            found.append(math.nan)
            lacking += [] if isinstance(record, Chat) else [record.id]
    if lacking:
        raise EmoError(
            f"{len(lacking)} records have no number in {curriculum.column}, such as {lacking[0]}",
            "curriculum.column",
            "fill the column in, or name another one (quality.agreement, quality.n_raters)",
        )
    return np.nan_to_num(found, nan=float(np.nanmedian(found))).tolist()


def has_sound(record: Record) -> bool:
    """Tell whether a record has sound, as far as it knows (a video is taken to have it unless it says otherwise)."""
    media = record.media
    return media.audio is not None or (media.video is not None and media.video.has_audio is not False)


def has_words(record: Record) -> bool:
    """Tell whether a record has a transcript or a dialogue around it."""
    line = record.transcript
    return bool(record.context) or (line is not None and bool(line.text.strip()))


def _left(there: bool, chance: float, absent: float, emptied: float, empty: str) -> Any:
    """Return what is left of a modality when `absent` and `emptied` are the shares that lose it."""
    if not there or chance < absent:
        return "absent"
    return empty if chance < absent + emptied else "present"


def _fitting(
    examples: list[Example], length_of: Callable[[Example], int], max_length: int, left_out: Counter[str]
) -> tuple[list[Example], list[int]]:
    """Keep the examples that are short enough, with their lengths."""
    pairs = [(example, length_of(example)) for example in examples]
    kept = [(example, length) for example, length in pairs if length <= max_length]
    left_out[f"longer than {max_length} tokens"] += len(pairs) - len(kept)
    return [example for example, _ in kept], [length for _, length in kept]


def _order(
    lengths: Sequence[int],
    batch: int,
    by_length: bool,
    rng: np.random.Generator,
    ranks: Sequence[float] | None = None,
) -> list[int]:
    """Shuffle; by rank, if there are ranks; by length: sort runs of batches by length, then shuffle whole batches.

    With ranks the batches stay in their run. The incomplete batch stays last.
    """
    order = rng.permutation(len(lengths)).tolist()
    if ranks is not None:
        order.sort(key=ranks.__getitem__)
    if not by_length:
        return order
    run = batch * BATCHES_TO_GROUP
    runs = [sorted(order[i : i + run], key=lengths.__getitem__, reverse=True) for i in range(0, len(order), run)]
    batches = [one[i : i + batch] for one in runs for i in range(0, len(one), batch)]
    last = batches.pop() if len(batches[-1]) < batch else []
    together = len(batches) if ranks is None else BATCHES_TO_GROUP
    shuffled = [
        batches[first + i]
        for first in range(0, len(batches), together or 1)
        for i in rng.permutation(len(batches[first : first + together]))
    ]
    return [index for one in [*shuffled, last] for index in one]


def _reasons(left_out: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count) or "no records"
