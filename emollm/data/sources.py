"""What a user names on the command line becomes records: media files, folders, globs, records files (JSONL or parquet).

    for row in find_rows(["clips/", "more/*.wav", "records.jsonl", "s3://bucket/clips/*.mp4"]):
        record = row.record()

- A file of another kind than known is taken all the same: it becomes an error row when it turns out to be no media.
- A folder gives the media files in it and below it, sorted; hidden ones and other kinds are left out.
- A file's id is its path as given. A file that is named twice is taken once.
- Parquet holds records as `emollm data export --to hf` writes them, or the columns `id`, `video`, `audio`, `text` (see docs/label.md).
- A name with `://` lies elsewhere, where fsspec finds it (its package for that place must be installed): folders, globs and files.

Rows are read as they are needed. Only what is named is read: a `clip.txt` beside `clip.mp4` is not a transcript until `--transcript` says
so. Does not: open media.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from emollm.errors import ConfigError, EmoError, MediaError
from emollm.jsonl import readable, to_line
from emollm.records import Media, MediaRef, Record, TextLine

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp", ".ts"}
)
AUDIO_SUFFIXES = frozenset({".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".opus", ".wma"})
RECORDS_SUFFIXES = (".jsonl", ".parquet")
ELSEWHERE = "://"
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class RawRecord:
    """A record as its source holds it: parsed when it is asked for more than its content, checked by `record`.

    Attributes:
        line: The record as JSON.
        folder: Where its relative media paths count from; empty: from here.
        where: File and line.
    """

    line: bytes
    folder: str
    where: str

    @property
    def content(self) -> bytes:
        """What tells it from other rows."""
        return b"%b\0%b" % (self.folder.encode(), self.line)

    @cached_property
    def data(self) -> dict[str, Any]:
        """The parsed line, its media paths joined to the folder.

        Raises:
            EmoError: It is no JSON object with an id.
        """
        try:
            data = json.loads(self.line)
        except ValueError as error:
            raise EmoError(f"not a JSON object ({error})", self.where, "one JSON object a line") from None
        if not isinstance(data, dict) or not isinstance(data.get("id"), str):
            raise EmoError("no record with an id", self.where, 'such as {"id": "a", "media": {"video": {...}}}')
        for ref in _refs(data):
            if isinstance(path := ref.get("path"), str):
                ref["path"] = _join(self.folder, path)
        return data

    @property
    def id(self) -> str:
        """The record's id."""
        return str(self.data["id"])

    @property
    def files(self) -> list[str]:
        """The record's media files."""
        return [str(ref["path"]) for ref in _refs(self.data) if "path" in ref]

    def record(self) -> Record:
        """Return the record.

        Raises:
            EmoError: Fields are wrong; all of them are told.
        """
        try:
            return Record.model_validate(self.data)
        except ValidationError as error:
            raise EmoError(readable(error), self.where, "fields of a record: see docs/predictions.md") from None


def find_rows(sources: Iterable[str | Path]) -> Iterator[RawRecord]:
    """Yield what `sources` name, in their order, unchecked.

    Raises:
        ConfigError: A glob or folder gives nothing, or a place elsewhere cannot be reached.
        EmoError: A records file cannot be read.
    """
    for source in sources:
        yield from _elsewhere(str(source)) if ELSEWHERE in str(source) else _here(source)


def find_records(sources: Iterable[str | Path]) -> Iterator[Record]:
    """Yield the records that `sources` name, in their order.

    Raises:
        ConfigError: A glob or folder gives nothing, or two different records share an id.
        EmoError: A records file cannot be read.
    """
    by_id: dict[str, Record] = {}
    for row in find_rows(sources):
        record = row.record()
        if record.id not in by_id:
            by_id[record.id] = record
            yield record
        elif record != by_id[record.id]:
            raise ConfigError(f"two different records have the id {record.id!r}", row.where, "ids must be unique")


def windowed(rows: Iterable[RawRecord], window_s: float, hop_s: float) -> Iterator[RawRecord]:
    """Yield a row for each window of each recording; one that cannot be read stays whole, and becomes an error row.

    Raises:
        ConfigError: Parts of the recordings would lie in no window.
    """
    from emollm.data.windows import window_records

    for row in rows:
        try:
            windows = window_records(row.record(), window_s, hop_s)
        except MediaError:
            yield row
        else:
            yield from map(raw, windows)


def raw(record: Record) -> RawRecord:
    """Return a record as a row."""
    return RawRecord(to_line(record).encode(), "", record.id)


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


def _here(source: str | Path) -> Iterator[RawRecord]:
    """Yield the rows of a source on this machine."""
    path = Path(source)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if _is_media(file, path)]
        if not files:
            raise ConfigError(
                "no media files in this folder", str(source), "name the files, or a records file (.jsonl)"
            )
        yield from map(_media_row, files)
    elif path.suffix.lower() in RECORDS_SUFFIXES:
        if not path.is_file():
            raise EmoError("no such file", str(path), "give a records file (.jsonl or .parquet)")
        with path.open("rb") as file:
            yield from _rows(file, str(path), str(path.parent))
    elif not path.exists() and glob.has_magic(str(source)):
        found = sorted(glob.glob(str(source), recursive=True))
        if not found:
            raise ConfigError("nothing matches this pattern", str(source), "check it with ls, and quote it")
        for match in found:
            yield from _here(match)
    else:
        yield _media_row(path)


def _elsewhere(source: str) -> Iterator[RawRecord]:
    """Yield the rows of a source that fsspec finds."""
    import fsspec

    try:
        files, path = fsspec.url_to_fs(source)
        if files.isdir(path):
            names = [name for name in sorted(files.find(path)) if _has_media_suffix(name)]
        else:
            names = sorted(files.glob(path)) if glob.has_magic(path) else [path]
    except (ImportError, OSError, ValueError) as error:
        raise ConfigError(f"cannot be reached ({error})", source, "see docs/label.md, places elsewhere") from None
    if not names:
        raise ConfigError("no media files there", source, "name the files, or a records file (.jsonl)")
    for name in names:
        url = files.unstrip_protocol(name)
        if url.lower().endswith(RECORDS_SUFFIXES):
            with files.open(name, "rb") as file:
                yield from _rows(file, url, url.rpartition("/")[0])
        else:
            yield _media_row(url)


def _rows(file: BinaryIO, where: str, folder: str) -> Iterator[RawRecord]:
    """Yield the rows of a records file."""
    if where.lower().endswith(".parquet"):
        for number, row in enumerate(_parquet_rows(file, where)):
            row.setdefault("id", f"{where}:{number}")
            yield RawRecord(json.dumps(row, ensure_ascii=False).encode(), folder, f"{where}:{number}")
        return
    for number, line in enumerate(file, 1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if text:
            yield RawRecord(text, folder, f"{where}:{number}")


def _parquet_rows(file: BinaryIO, where: str) -> Iterator[dict[str, Any]]:
    """Yield records out of parquet: ours, or rows with the columns `id`, `video`, `audio`, `text`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from emollm.data.formats.hf import known_fields

    try:
        table = pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise EmoError(f"no parquet file ({error})", where, "write it again") from None
    columns = table.schema_arrow.names
    if "media" not in columns and not {"video", "audio", "text"} & set(columns):
        fix = "columns of emollm data export --to hf, or some of: id, video, audio (paths), text"
        raise EmoError(f"no records: the columns are {', '.join(columns)}", where, fix)
    for batch in table.iter_batches(_ROWS_AT_ONCE):
        yield from (known_fields(row) if "media" in columns else _plain_columns(row) for row in batch.to_pylist())


def _plain_columns(row: dict[str, Any]) -> dict[str, Any]:
    """Return a record out of plain columns; what is embedded in the file instead of named is not taken."""
    media = {}
    for kind in ("video", "audio"):
        value = row.get(kind)
        path = value.get("path") if isinstance(value, dict) else value
        if path is not None:
            media[kind] = {"path": str(path)}
    record: dict[str, Any] = {"media": media}
    if row.get("id") is not None:
        record["id"] = str(row["id"])
    if row.get("text"):
        record["text"] = [{"text": str(row["text"])}]
    return record


def _media_row(path: str | Path) -> RawRecord:
    """Return the row of one media file; its id is the path as given."""
    name = path if isinstance(path, str) else path.as_posix()
    kind = "audio" if os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES else "video"
    data = {"id": name, "media": {kind: {"path": str(path)}}}
    return RawRecord(json.dumps(data, ensure_ascii=False).encode(), "", name)


def _refs(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the files in an unchecked record."""
    media = data.get("media")
    if not isinstance(media, dict):
        return []
    images = media.get("images")
    found = [media.get("video"), media.get("audio"), media.get("face"), *(images if isinstance(images, list) else ())]
    return [ref for ref in found if isinstance(ref, dict)]


def _join(folder: str, path: str) -> str:
    if not folder or ELSEWHERE in path or os.path.isabs(path):
        return path
    return f"{folder}/{path}" if ELSEWHERE in folder else os.path.join(folder, path)


def _has_media_suffix(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES | AUDIO_SUFFIXES


def _is_media(file: Path, folder: Path) -> bool:
    """Tell whether a file below a folder is a media file by its suffix, and not hidden."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and _has_media_suffix(file.name) and not file.is_dir()
