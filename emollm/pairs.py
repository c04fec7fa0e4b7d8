"""Preference pairs: a better and a worse answer about one clip, or a clip that an answer fits and one that it does not fit. JSONL.

    {"schema":"emollm.pair/1","id":"synth:train:7#swapped","kind":"swapped","record":{...},"task":"explain","chosen":"{...}",
     "rejected":"{...}","rejected_media":{...}}

Over answers, the clip is the same and the texts differ; over media, the text is the same and the clip differs:

    hallucinated_cue   names a cue that the clip does not show
    spurious_link      names a cue that the clip shows, and that speaks for none of its labels
    swapped            sound and picture are those of another clip (`rejected_media`); the words stay
    muted              the sound is silence
    frozen             all pictures are the first one

`emollm data make-preferences` writes them, `emollm dpo` learns from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from emollm.config_yaml import nearest
from emollm.errors import EmoError
from emollm.jsonl import Row, read_rows
from emollm.prompts import TASKS
from emollm.records import Media, Record, resolve

Kind = Literal["hallucinated_cue", "spurious_link", "swapped", "muted", "frozen"]
KINDS: tuple[Kind, ...] = ("hallucinated_cue", "spurious_link", "swapped", "muted", "frozen")
OVER_MEDIA = frozenset(KINDS[2:])


class Pair(Row):
    """One pair (`emollm.pair/1`)."""

    leaves_out_defaults: ClassVar[bool] = True

    schema_: Literal["emollm.pair/1"] = Field(default="emollm.pair/1", alias="schema")
    id: str = Field(min_length=1)
    kind: Kind
    record: Record
    """The clip that `chosen` is about, without its truth."""
    task: str
    """What was asked: a task of emollm.prompts."""
    chosen: str = Field(min_length=1)
    rejected: str = Field(min_length=1)
    rejected_media: Media | None = None
    """With `swapped`, and only then: the other clip."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.task not in TASKS:
            raise ValueError(f"unknown task {self.task!r}{nearest(self.task, TASKS)}")
        if (self.kind in OVER_MEDIA) != (self.chosen == self.rejected):
            raise ValueError(f"a pair of kind {self.kind!r} has {'one answer' if self.kind in OVER_MEDIA else 'two'}")
        if (self.kind == "swapped") != (self.rejected_media is not None):
            raise ValueError("`rejected_media` goes with kind 'swapped': give both or neither")
        return self


def read_pairs(path: Path | str) -> Iterator[Pair]:
    """Read pairs; relative media paths are taken from the folder of the file. Duplicate ids raise.

    Raises:
        EmoError: See `emollm.jsonl.read_rows`; also when an id occurs twice.
    """
    folder = Path(path).parent
    seen: set[str] = set()
    for pair in read_rows(path, Pair):
        if pair.id in seen:
            raise EmoError(f"id {pair.id!r} occurs twice", str(path), "ids are unique in a file of pairs")
        seen.add(pair.id)
        other = pair.rejected_media and resolve(Record(id=pair.id, media=pair.rejected_media), folder).media
        yield pair.model_copy(update={"record": resolve(pair.record, folder), "rejected_media": other})
