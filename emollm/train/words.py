"""The words that a run learns with: the records' own, what a recogniser hears in their place, or none (`media.transcript`).

What was heard is appended to `words.jsonl` in the run folder, one row a clip: a run that goes on listens to no clip twice, and people can
read what the model was taught with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from emollm.config import Recipe
from emollm.config_media import MediaChoice, saved_choice
from emollm.config_model import Saved
from emollm.errors import MediaError
from emollm.jsonl import Row, read_rows, to_line
from emollm.media import decode, part_of
from emollm.media.transcribe import Recogniser, transcribe, whisper, with_words, without_words
from emollm.paths import whole_file
from emollm.records import Media, Record, TextLine
from emollm.train.resume import agreed

FILE = "words.jsonl"


class Words(Row):
    """What a recogniser heard in a record's clip; None where nobody speaks, or nothing can be heard."""

    id: str
    line: TextLine | None


def media_of(recipe: Recipe) -> MediaChoice:
    """Return which words and pictures a run learns from: the recipe's choice, else that of the model that it starts from."""
    return recipe.media or (saved_choice(recipe.model.place) if isinstance(recipe.model, Saved) else MediaChoice())


def chosen_words(recipe: Recipe, parts: Sequence[Sequence[Record]], console: Console) -> list[list[Record]]:
    """Return lists of records with the words that are learned from; the run folder is there.

    Args:
        recipe: What is trained.
        parts: The records, such as those of train and dev.
        console: Where people read.
    """
    choice = media_of(recipe)
    if choice.transcript == "none":
        return [[without_words(record) for record in records] for records in parts]
    name = choice.recogniser
    if name is None:
        return [list(records) for records in parts]
    every = [record for records in parts for record in records]
    heard = agreed(lambda: _listen(every, whisper(name), recipe.folder / FILE, console))
    return [[with_words(record, heard[record.id]) for record in records] for records in parts]


def _listen(
    records: Sequence[Record], recogniser: Recogniser, file: Path, console: Console
) -> dict[str, TextLine | None]:
    """Return what is said in the records' clips, by id."""
    known = _known(file)
    rest = [record for record in records if record.id not in known]
    console.print(f"listening to {len(rest)} clips with {recogniser.name}")
    with file.open("a", encoding="utf-8") as out:
        for record in rest:
            known[record.id] = _heard(record.media, recogniser)
            out.write(to_line(Words(id=record.id, line=known[record.id])) + "\n")
            out.flush()
    return known


def _known(file: Path) -> dict[str, TextLine | None]:
    """Read what was heard before; a last line that is torn goes."""
    if not file.is_file():
        return {}
    text = file.read_text(encoding="utf-8")
    with whole_file(file) as out:
        out.write(text[: text.rfind("\n") + 1])
    return {row.id: row.line for row in read_rows(file, Words)}


def _heard(media: Media, recogniser: Recogniser) -> TextLine | None:
    """Listen to one clip; one that cannot be decoded is told of when it is to be learned from."""
    ref = media.audio or media.video
    if ref is None:
        return None
    try:
        clip = decode(ref.path, want_video=False, **part_of(ref))
    except MediaError:
        return None
    return None if clip.audio is None else transcribe(clip.audio, clip.sample_rate_hz, recogniser)
