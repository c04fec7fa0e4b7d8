"""Formats of other trainers and evaluators, one a file: `write(rows, folder, name)` and `read(folder)`, which gives the same rows back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Row:
    """One question about one clip.

    Attributes:
        id: Id of the record; several questions share it.
        text: The prompt without media: dialogue, words, question; outside text is escaped.
        answer: What the model should write; of a pair, the preferred text.
        video: Absolute path.
        audio: Absolute path of a sound file of its own (or of the video, when the user asked for that).
        images: Absolute paths.
        sound_in_video: The clip's sound is in the video file.
        task: Name of the task, or what the question says its task is.
        question: Number of the question among those of the record.
        dataset: Of the record.
        split: Of the record.
        targets: All that is known as truth, as JSON.
        rejected: The other text of a pair.
    """

    id: str
    text: str
    answer: str
    video: str | None
    audio: str | None
    images: tuple[str, ...]
    sound_in_video: bool
    task: str
    question: int
    dataset: str | None
    split: str | None
    targets: str
    rejected: str | None = None

    @property
    def media(self) -> dict[str, list[str]]:
        """The files by the names of columns that trainers share: images, videos, audios."""
        videos, audios = ([path] if path else [] for path in (self.video, self.audio))
        return {"images": list(self.images), "videos": videos, "audios": audios}

    @property
    def tags(self) -> str:
        """A placeholder a line for each file, in the order of `media`."""
        return "".join(f"<{column[:-1]}>\n" * len(paths) for column, paths in self.media.items())


ROWS_AT_ONCE = 10_000  # of a parquet file; what it tells of each group stays in memory to the end
PREFIX = "emo_"  # of our own columns: `answer`, `target`, `solution` and others mean something to trainers
_RIDES_ALONG = ("id", "task", "question", "dataset", "split", "sound_in_video", "targets")


def own_columns(row: Row) -> dict[str, Any]:
    """Return what the trainer does not ask for and our scoring does, under names that it leaves alone."""
    return {PREFIX + name: value for name, value in asdict(row).items() if name in _RIDES_ALONG}


def row_of(
    columns: dict[str, Any], content: str, answer: str, media: dict[str, Any], rejected: str | None = None
) -> Row:
    """Put a row together again from our own columns, the user's turn with its placeholders, the answer and the files."""
    rest = {name: columns[PREFIX + name] for name in _RIDES_ALONG}
    images, videos, audios = (media.get(column) or [] for column in ("images", "videos", "audios"))
    row = Row(
        text=content,
        answer=answer,
        video=videos[0] if videos else None,
        audio=audios[0] if audios else None,
        images=tuple(images),
        rejected=rejected,
        **rest,
    )
    return replace(row, text=content.removeprefix(row.tags))


def turns(row: Row) -> list[dict[str, str]]:
    """Return the two turns of a row as messages, placeholders in the text."""
    return [{"role": "user", "content": row.tags + row.text}, {"role": "assistant", "content": row.answer}]


def in_groups(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield items in lists of `ROWS_AT_ONCE`."""
    items = iter(items)
    while group := list(islice(items, ROWS_AT_ONCE)):
        yield group


def write_lines(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write JSONL."""
    with path.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of the one JSONL file of a folder."""
    (path,) = folder.glob("*.jsonl")
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
