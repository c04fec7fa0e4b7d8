"""From rows of a source to answers on disk: what is not done yet is asked, one block of rows after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from emollm import __version__
from emollm.batch.ahead import decoded_ahead
from emollm.batch.keys import BlockKeys, request_key
from emollm.batch.output import Output, Settings
from emollm.engines import Engine, Request, Sampling
from emollm.errors import ConfigError, EmoError, collect
from emollm.media.hashes import MediaHashes
from emollm.paths import cache_dir
from emollm.records import Prediction, Record

BLOCK_ROWS = 256
_LISTED = 20
Keyed = Generator[tuple[str, Request], None, None]


class Row(Protocol):
    """One record as its source holds it, parsed when it is asked for more than its content."""

    @property
    def content(self) -> bytes:
        """What tells it from other rows: same content, same record."""

    @property
    def where(self) -> str:
        """File and line."""

    @property
    def id(self) -> str:
        """The record's id."""

    @property
    def files(self) -> Sequence[str]:
        """The record's media files."""

    def record(self) -> Record:
        """Return the record, checked."""


@dataclass(frozen=True)
class Todo:
    """What is asked of whom.

    Attributes:
        rows: Reads the source from its start.
        ask: The questions about one record; their request ids are unique.
        identity: The engine's model and settings, as keys hold them.
        sampling: How answers are drawn.
        keep: Decoded clips are kept in the media cache and taken from there. Their pictures have been through JPEG, so `identity` tells it.
    """

    rows: Callable[[], Iterable[Row]]
    ask: Callable[[Record], Sequence[Request]]
    identity: Settings
    sampling: Sampling
    keep: bool = False


def portion(rows: Iterable[Row], part: int, parts: int, salt: bytes = b"") -> Iterator[Row]:
    """Yield part 1 to `parts` of a source, chosen by content: the same rows wherever they stand; another salt cuts it otherwise."""
    for row in rows:
        if parts == 1 or int.from_bytes(_digest(salt + row.content), "little") % parts == part - 1:
            yield row


def count_rows(rows: Iterable[Row]) -> int:
    """Return the number of records.

    Raises:
        ConfigError: Rows cannot be read, or two different ones have the same id; the first twenty are listed.
    """
    seen: dict[int, int] = {}  # hashes of id -> of content
    problems = []
    for row in rows:
        try:
            name, content = hash(row.id), hash(row.content)
        except EmoError as error:
            problems.append(error)
        else:
            if seen.setdefault(name, content) != content:
                problems.append(EmoError(f"two different records have the id {row.id!r}", row.where, "ids are unique"))
        if len(problems) == _LISTED:
            break
    if wrong := collect(problems, "{n} problems in what should be labelled:", ConfigError):
        raise wrong
    return len(seen)


def run(
    requests: Iterable[Request], engine: Engine, identity: Settings, sampling: Sampling, output: Output
) -> Iterator[Prediction]:
    """Answer the requests that are not done yet; each prediction is on disk before it is yielded.

    Args:
        requests: What is asked; ids are unique.
        engine: Who answers.
        identity: The engine's model and settings, as keys hold them.
        sampling: How answers are drawn.
        output: Where rows are written.
    """

    def keyed() -> Keyed:
        with MediaHashes() as hashes:
            for request in requests:
                yield request_key(request, sampling, identity, hashes), request

    return _answers(keyed(), engine, sampling, output)


def run_rows(todo: Todo, engine: Engine, output: Output, workers: int = 0) -> Iterator[Prediction]:
    """Answer what is not done yet of a source of any size; as `run`, and quick to pass over what is done.

    Args:
        todo: What is asked.
        engine: Who answers.
        output: Where rows are written.
        workers: Clips decoded at once ahead of the engine; 0 leaves decoding to the engine.
    """
    return _answers(_pending(todo, output), engine, todo.sampling, output, workers, todo.keep)


def _answers(
    keyed: Keyed, engine: Engine, sampling: Sampling, output: Output, workers: int = 0, keep: bool = False
) -> Iterator[Prediction]:
    """Ask what has no row yet, and write what comes back."""
    asked: dict[str, tuple[str, str]] = {}  # of the requests on their way: id -> record, key

    def requests() -> Generator[Request, None, None]:
        with closing(keyed):
            for key, request in keyed:
                if key not in output and request.id not in asked:  # on its way: a clip that was named twice
                    asked[request.id] = (request.record.id, key)
                    yield request

    with closing(decoded_ahead(requests(), engine, workers, keep)) as ready:
        for prediction in engine.generate(ready, sampling):
            record, key = asked.pop(prediction.id)
            told: dict[str, object] = {"id": record, "key": key}
            if output.purpose is not None:
                told["provenance"] = prediction.provenance.model_copy(update={"purpose": output.purpose})
            answer = prediction.model_copy(update=told)
            output.add(answer)
            yield answer


def _pending(todo: Todo, output: Output) -> Keyed:
    """Yield the requests that have no row yet, with their keys."""
    with MediaHashes() as hashes, closing(BlockKeys(cache_dir() / "request_keys.sqlite")) as known:
        salt = _salt(todo, hashes)
        rows = iter(todo.rows())
        while block := list(islice(rows, BLOCK_ROWS)):
            digest = _digest(salt + b"".join(_digest(row.content) for row in block))
            keys = known.find(digest)
            if keys is not None and all(key in output for key in keys):
                continue
            requests = [request for row in block for request in todo.ask(row.record())]
            if keys is None:
                files = list(dict.fromkeys(file for row in block for file in row.files))
                stamp = known.stamp(files)  # before they are read: what changes meanwhile is then looked at again
                keys = [request_key(request, todo.sampling, todo.identity, hashes) for request in requests]
                known.remember(digest, files, stamp, keys)
            yield from zip(keys, requests, strict=True)


def _salt(todo: Todo, hashes: MediaHashes) -> bytes:
    """Return a hash of all that keys depend on besides the rows: version, questions, sampling, model."""
    blank = todo.ask(Record(id="-"))
    keys = [request_key(request, todo.sampling, todo.identity, hashes) for request in blank]
    return _digest(" ".join([__version__, *keys]).encode())


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
