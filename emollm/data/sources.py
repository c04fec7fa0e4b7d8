"""What a user names on the command line becomes records: media files, folders, globs, records files (JSONL).

    for record in find_records(["clips/", "more/*.wav", "records.jsonl"]):
        ...

- A file of another kind than known is taken all the same: it becomes an error row when it turns out to be no media.
- A folder gives the media files in it and below it, sorted; hidden ones and other kinds are left out.
- A file's id is its path as given. A file that is named twice is taken once.

Only what is named is read: a `clip.txt` beside `clip.mp4` is not a transcript until `--transcript` says so. Does not: open media, fetch
from the network.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from emollm.errors import ConfigError
from emollm.records import Media, MediaRef, Record, TextLine, read_records

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp", ".ts"}
)
AUDIO_SUFFIXES = frozenset({".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".opus", ".wma"})
RECORDS_SUFFIX = ".jsonl"


def find_records(sources: Iterable[str | Path]) -> Iterator[Record]:
    """Yield the records that `sources` name, in their order.

    Raises:
        ConfigError: A glob or folder gives nothing, or two different records share an id.
        EmoError: A records file cannot be read.
    """
    by_id: dict[str, Record] = {}
    for source in sources:
        for record in _records_of(source):
            if record.id not in by_id:
                by_id[record.id] = record
                yield record
            elif record != by_id[record.id]:
                raise ConfigError(f"two different records have the id {record.id!r}", str(source), "ids must be unique")


def record_of(path: str | Path) -> Record:
    """Return the record of one media file; its id is the path as given."""
    ref = MediaRef(path=str(Path(path)))
    is_audio = Path(path).suffix.lower() in AUDIO_SUFFIXES
    return Record(id=Path(path).as_posix(), media=Media(audio=ref) if is_audio else Media(video=ref))


def with_transcript(records: Iterable[Record], file: str | Path) -> list[Record]:
    """Return the records with the words of one clip, read from a text file.

    Raises:
        ConfigError: There is not exactly one clip, or the file is no text.
    """
    records = list(records)
    if len(records) != 1:
        fix = "name one clip, or write the words of several into a records file (field `text`)"
        raise ConfigError(f"a transcript belongs to one clip, not to {len(records)}", str(file), fix)
    try:
        text = Path(file).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"the transcript cannot be read ({reason})", str(file), "name a UTF-8 text file") from None
    others = tuple(line for line in records[0].text if line.kind != "transcript")
    line = TextLine(text=text, kind="transcript", source=Path(file).name)
    return [records[0].model_copy(update={"text": (line, *others)})]


def _records_of(source: str | Path) -> Iterator[Record]:
    """Yield the records of one source."""
    path = Path(source)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if _is_media(file, path)]
        if not files:
            raise ConfigError(
                "no media files in this folder", str(source), "name the files, or a records file (.jsonl)"
            )
        yield from map(record_of, files)
    elif path.suffix.lower() == RECORDS_SUFFIX:
        yield from read_records(path)
    elif not path.exists() and glob.has_magic(str(source)):
        found = sorted(glob.glob(str(source), recursive=True))
        if not found:
            raise ConfigError("nothing matches this pattern", str(source), "check it with ls, and quote it")
        for match in found:
            yield from _records_of(match)
    else:
        yield record_of(source)


def _is_media(file: Path, folder: Path) -> bool:
    """Tell whether a file below a folder is a media file by its suffix, and not hidden."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.suffix.lower() in VIDEO_SUFFIXES | AUDIO_SUFFIXES and file.is_file()
