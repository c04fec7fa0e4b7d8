"""Records become what other trainers and evaluators read; ids go along, so that their answers find back to the records.

    emollm data export records.jsonl --to ms-swift --task labels -o swift/

`hf` keeps the whole record. The others hold one question and answer a row (`Row`), rendered as our own training renders it; what they
cannot hold (votes, cues, causes) rides along as one JSON text, so every format gives back the rows that were written (`read_back`).
Each format is one file in emollm/data/formats/ with `write(rows, folder, name)` and `read(folder)`.

Trainers take relative paths from wherever they are started, so media paths are absolute; only with `hf` they count from the folder.
Chat formats cannot name a part of a file: records with start, end or crop are refused, never exported as the whole file.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from emollm.config_yaml import nearest
from emollm.data.formats import Row
from emollm.data.stream import new_folder, stream
from emollm.errors import ConfigError, EmoError, collect
from emollm.prompts import TASKS, Task, answer_string, render
from emollm.prompts.tasks import Message
from emollm.records import Media, MediaRef, Modality, Record
from emollm.train.targets import lesson, teachable

FORMATS = {
    "hf": "Hugging Face datasets: parquet with the whole record, targets as Json",
    "trl": "TRL: JSONL, prompt and completion (pairs: chosen, rejected)",
    "ms-swift": "ms-swift: JSONL, messages with videos, audios, images (pairs: rejected_response)",
    "llama-factory": "LLaMA-Factory: JSONL and dataset_info.json (pairs: chosen, rejected)",
    "llava": "LLaVA, R1-Omni: JSON, conversations",
    "verl": "verl: parquet, prompt and ground truth",
    "lmms-eval": "lmms-eval: a task folder (YAML, documents, functions)",
}
PAIRS = {"trl", "ms-swift", "llama-factory"}
_LISTED = 5
_ALL: tuple[Modality, ...] = ("audio", "video", "text")


@dataclass
class Exported:
    """What was written: rows, and records left out by reason."""

    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def export(
    records: Sequence[Path | str],
    to: str,
    folder: Path,
    task: str = "labels",
    *,
    pairs: bool = False,
    sound: bool = False,
) -> Exported:
    """Write records in another format into a new folder.

    Args:
        records: Records files.
        to: One of `FORMATS`.
        folder: Folder to make; its name becomes the data set's (or lmms-eval task's) name.
        task: What the rows ask; `ask` gives a row for each question in `targets.qa`.
        pairs: Rows are the preferred and the other text of `targets.preference`; ties are left out.
        sound: Name a video's file as a sound file, too, when its sound is in the video (for trainers that read sound from `audios` only).

    Raises:
        ConfigError: An unknown format or task, pairs where the format has none, nothing to export, or the folder exists.
        EmoError: Records that the format cannot hold, all of them counted.
    """
    _check(to, task, pairs)
    made = Exported()
    with new_folder(folder) as part, _installed(to):
        if to == "hf":
            rows: Iterator[Any] = _counted(stream(records, folder), made)
        else:
            rows = _counted(_rows(stream(records), TASKS[task], pairs, sound, made.left_out), made)
        _format(to).write(rows, part, re.sub(r"\W+", "_", folder.resolve().name))
        if not made.rows:
            reasons = ", ".join(f"{count} {reason}" for reason, count in made.left_out.items())
            raise ConfigError(
                f"nothing to export ({reasons or 'no records'})", str(records[0]), "choose another --task"
            )
    return made


def read_back(folder: Path, to: str) -> Iterator[Any]:
    """Yield what `export` wrote: `Record`s of `hf`, `Row`s of the other formats."""
    _check(to, "labels", False)
    return iter(_format(to).read(folder))


def _check(to: str, task: str, pairs: bool) -> None:
    for name, known, flag in ((to, list(FORMATS), "--to"), (task, list(TASKS), "--task")):
        if name not in known:
            raise ConfigError(f"unknown: {name!r}{nearest(name, known)}", flag, f"choose from {', '.join(known)}")
    if pairs and to not in PAIRS:
        raise ConfigError(f"{to} has no place for pairs", "--pairs", f"choose from {', '.join(sorted(PAIRS))}")


@contextmanager
def _installed(to: str) -> Iterator[None]:
    """Say what to install when a format's library is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(f"{to} needs {error.name}", "--to", "pip install 'emollm[train]'") from None


def _format(to: str) -> Any:
    """Return the module that writes and reads a format."""
    return import_module(f"emollm.data.formats.{to.replace('-', '_')}")


def _counted(rows: Iterator[Any], made: Exported) -> Iterator[Any]:
    for row in rows:
        made.rows += 1
        yield row


def _rows(records: Iterator[Record], task: Task, pairs: bool, sound: bool, left_out: Counter[str]) -> Iterator[Row]:
    """Yield the rows of records; those with a part of a file are refused together at the end."""
    parts: Counter[str] = Counter()
    for record in records:
        if _is_part(record.media):
            parts[record.id] += 1
            continue
        made = list(_pair(record, sound) if pairs else _questions(record, task, sound))
        if not made:
            left_out["are not preferred either way" if pairs else f"cannot teach `{task.name}`"] += 1
        yield from made
    fix = "cut the clips into files of their own first, or export with --to hf"
    errors = [EmoError("names a part of a file (start, end or crop)", name) for name in list(parts)[:_LISTED]]
    error = collect(errors, f"{len(parts)} records that this format cannot hold; {fix}")
    if error:
        raise error


def _questions(record: Record, task: Task, sound: bool) -> Iterator[Row]:
    """Yield a row for a task, or for each free question of the record."""
    if task.style == "text":
        for number, qa in enumerate(record.targets.qa or ()):
            yield _row(record, task.with_question(qa.question), qa.answer, sound, qa.task or task.name, number)
    elif teachable(record, task, _ALL):
        yield _row(record, task, answer_string(lesson(record, task, _ALL).answer, task), sound, task.name)


def _pair(record: Record, sound: bool) -> Iterator[Row]:
    """Yield the row of a preference that has a winner."""
    preference = record.targets.preference
    if preference is not None and preference.chosen != "tie":
        chosen, rejected = preference.a, preference.b
        if preference.chosen == "b":
            chosen, rejected = rejected, chosen
        yield _row(record, TASKS["explain"], chosen, sound, "preference", rejected=rejected)


def _row(
    record: Record, task: Task, answer: str, sound: bool, name: str, question: int = 0, rejected: str | None = None
) -> Row:
    """Render one question about a record."""
    video, audio = record.media.video, record.media.audio
    in_video = video is not None and audio is None and video.has_audio is not False
    message: Message = render(record, task, audio=False, video=False)[0]
    return Row(
        id=record.id,
        text=message["content"][-1]["text"],
        answer=answer,
        video=video.path if video else None,
        audio=audio.path if audio else video.path if video and in_video and sound else None,
        images=tuple(image.path for image in record.media.images),
        sound_in_video=in_video,
        task=name,
        question=question,
        dataset=record.dataset,
        split=record.split,
        targets=json.dumps(
            record.targets.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False, separators=(",", ":")
        ),
        rejected=rejected,
    )


def _is_part(media: Media) -> bool:
    """Tell whether a clip is less than its files."""
    refs: list[MediaRef | None] = [media.video, media.audio, *media.images]
    return any(ref and (ref.start_s is not None or ref.end_s is not None or ref.crop is not None) for ref in refs)
