"""Find clips that two records files share, and clips that one file holds twice.

    found = find_leaks("train.jsonl", "test.jsonl", fingerprints=True)

Looked for, surest first: the same id; a common parent (`provenance.parents`, or the data set and native key by which others name a clip:
the MER family overlaps itself this way); the same bytes of media, at overlapping times; and, when asked for, the same sound or picture
(`fingerprint.py`). One match a test record is reported, the surest.

What a pretrained model has seen is in no records file: it is reported as unknown, never as clean. Does not: compare texts or faces.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from emollm.data.split import names_of, parents_of
from emollm.data.stream import stream
from emollm.errors import MediaError
from emollm.jsonl import write_rows
from emollm.paths import whole_file
from emollm.records import MediaRef, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["same id", "common parent", "same file", "same sound", "same picture"]
PRETRAINING = "what the base model saw in pretraining is unknown: no file tells it"


@dataclass(frozen=True)
class Clip:
    """What is compared of a record: its names, its files with their times, its speaker."""

    id: str
    names: frozenset[str]
    files: tuple[MediaRef, ...]
    speakers: frozenset[str]

    @classmethod
    def of(cls, record: Record) -> Clip:
        """Take what is compared out of a record with absolute media paths."""
        media = record.media
        files = tuple(ref for ref in (media.video, media.audio, *media.images) if ref is not None)
        return cls(record.id, frozenset(parents_of(record)), files, frozenset(names_of(record, "speaker")))


@dataclass(frozen=True)
class Match:
    """A test record that is a training record, by what, and how near."""

    test: str
    train: str
    kind: Kind
    detail: str = ""


@dataclass
class Leaks:
    """All matches, what was compared, and what could not be."""

    matches: list[Match] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trained: int = 0
    tested: int = 0

    @property
    def leaking(self) -> int:
        """Number of test records with a match."""
        return len({match.test for match in self.matches})


@dataclass
class Deduped:
    """What was taken out of a file, and why."""

    kept: int
    dropped: int
    matches: list[Match]
    notes: list[str]


def find_leaks(train: Path | str, test: Path | str, *, fingerprints: bool = False) -> Leaks:
    """Compare two records files.

    Args:
        train: Records to learn from.
        test: Records to be scored on.
        fingerprints: Decode all media, and compare how they sound and look.
    """
    ours, theirs = ([Clip.of(record) for record in stream([path])] for path in (train, test))
    found = Leaks(trained=len(ours), tested=len(theirs))
    best: dict[int, Match] = {}
    for at, match in _matches(ours, theirs, found.notes, fingerprints, itself=False):
        best.setdefault(at, match)
    found.matches = [best[at] for at in sorted(best)]
    shared = {name for clip in ours for name in clip.speakers} & {name for clip in theirs for name in clip.speakers}
    if shared:
        count = sum(bool(clip.speakers & shared) for clip in theirs)
        found.notes.append(f"{len(shared)} speakers are in both; they speak in {count} of {len(theirs)} test records")
    found.notes.append(PRETRAINING)
    return found


def dedupe(records: Sequence[Path | str], output: Path, *, fingerprints: bool = False) -> Deduped:
    """Write the records without those that are a clip which came before; media paths count from the folder of `output`."""
    clips = [Clip.of(record) for record in stream(records)]
    notes: list[str] = []
    first: dict[int, Match] = {}
    for at, match in _matches(clips, clips, notes, fingerprints, itself=True):
        first.setdefault(at, match)
    dropped = {clips[at].id for at in first}
    kept = write_rows(output, (record for record in stream(records, output.parent) if record.id not in dropped))
    return Deduped(kept, len(dropped), [first[at] for at in sorted(first)], notes)


def write_report(found: Leaks, path: Path) -> None:
    """Write everything as JSON beside `path`, then rename."""
    data = {"schema": "emollm.leaks/1", "leaking": found.leaking, "pretraining": "unknown", **asdict(found)}
    with whole_file(path) as out:
        out.write(json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def _matches(
    ours: Sequence[Clip], theirs: Sequence[Clip], notes: list[str], fingerprints: bool, itself: bool
) -> Iterator[tuple[int, Match]]:
    """Yield matches, surest kinds first, each with the place of the test clip; within one file a clip matches earlier ones only."""
    ways: list[tuple[Kind, Iterable[tuple[int, int, str]]]] = [
        ("common parent", _by_name(ours, theirs)),
        ("same file", _by_bytes(ours, theirs, notes)),
    ]
    if not itself:
        ways.insert(0, ("same id", _by_id(ours, theirs)))
    for kind, pairs in ways:
        for at, other, detail in pairs:
            if not itself or other < at:
                yield at, Match(theirs[at].id, ours[other].id, kind, detail)
    if fingerprints:
        for at, other, prints_kind, detail in _by_print(ours, theirs, notes, itself):
            if not itself or other < at:
                yield at, Match(theirs[at].id, ours[other].id, prints_kind, detail)
    else:
        notes.append("re-encoded and trimmed copies were not looked for (--fingerprints)")


def _by_id(ours: Sequence[Clip], theirs: Sequence[Clip]) -> Iterator[tuple[int, int, str]]:
    places = {clip.id: at for at, clip in enumerate(ours)}
    yield from ((at, places[clip.id], "") for at, clip in enumerate(theirs) if clip.id in places)


def _by_name(ours: Sequence[Clip], theirs: Sequence[Clip]) -> Iterator[tuple[int, int, str]]:
    """Yield clips with a parent in common, or of which one is the other's parent."""
    places: dict[str, int] = {}
    for at, clip in enumerate(ours):
        for name in (clip.id, *sorted(clip.names)):
            places.setdefault(name, at)
    for at, clip in enumerate(theirs):
        for name in (clip.id, *sorted(clip.names)):
            if places.get(name, at) != at or (name in places and ours is not theirs):
                yield at, places[name], name
                break


def _by_bytes(ours: Sequence[Clip], theirs: Sequence[Clip], notes: list[str]) -> Iterator[tuple[int, int, str]]:
    """Yield clips that show the same bytes at overlapping times."""
    keys = _content(
        [ref.path for clip in (*ours, *(theirs if theirs is not ours else ())) for ref in clip.files], notes
    )
    places: defaultdict[str, list[tuple[int, MediaRef]]] = defaultdict(list)
    for at, clip in enumerate(ours):
        for ref in clip.files:
            if (key := keys[ref.path]) is not None:
                places[key].append((at, ref))
    for at, clip in enumerate(theirs):
        for ref in clip.files:
            for other, theirs_ref in places.get(keys[ref.path] or "", ()):
                if _overlap(ref, theirs_ref) and not (ours is theirs and other == at):
                    yield at, other, Path(ref.path).name
                    break


def _content(paths: Iterable[str], notes: list[str]) -> dict[str, str | None]:
    """Return a key for the bytes of each file, None when it cannot be read. Only files of like size are read."""
    sizes: dict[str, int | None] = {}
    for path in dict.fromkeys(paths):
        try:
            sizes[path] = os.stat(path).st_size
        except OSError:
            sizes[path] = None
    counts = Counter(sizes.values())
    missing = counts[None]
    if missing:
        notes.append(f"{missing} media files are missing and were not compared")
    return {
        path: None if size is None else os.path.realpath(path) if counts[size] == 1 else _sha256(path)
        for path, size in sizes.items()
    }


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _overlap(one: MediaRef, other: MediaRef) -> bool:
    """Tell whether two parts of a file have time, and picture, in common."""
    start, end = (
        max(one.start_s or 0.0, other.start_s or 0.0),
        [ref.end_s for ref in (one, other) if ref.end_s is not None],
    )
    if end and start >= min(end):
        return False
    if one.crop is None or other.crop is None:
        return True
    (left, top, right, bottom), (x0, y0, x1, y1) = one.crop, other.crop
    return max(left, x0) < min(right, x1) and max(top, y0) < min(bottom, y1)


def _by_print(
    ours: Sequence[Clip], theirs: Sequence[Clip], notes: list[str], itself: bool
) -> Iterator[tuple[int, int, Kind, str]]:
    """Yield clips that sound alike, then those without sound that look alike (a speaker in front of one wall looks alike all day)."""
    import numpy as np

    from emollm.data.fingerprint import SoundIndex, same_pictures

    unread: Counter[str] = Counter()
    prints = [_prints(clip, unread) for clip in ours]
    others = prints if itself else [_prints(clip, unread) for clip in theirs]
    if unread:
        reasons = ", ".join(f"{count} {code}" for code, count in unread.items())
        notes.append(f"{sum(unread.values())} clips could not be decoded and have no fingerprint ({reasons})")
    index = SoundIndex.of([sound for sound, _ in prints])
    shown = [at for at, (_, picture) in enumerate(prints) if picture is not None]
    pictures = (
        np.stack([picture for _, picture in prints if picture is not None]) if shown else np.zeros((0, 0), np.uint8)
    )
    for at, (sound, picture) in enumerate(others):
        for other, error in sorted(index.same_as(sound).items()):
            yield at, other, "same sound", f"{error:.0%} of the bits differ"
        if picture is not None:
            for number, error in same_pictures(pictures, picture).items():
                if not len(sound) or not len(prints[shown[number]][0]):
                    yield at, shown[number], "same picture", f"{error:.0%} of the bits differ"


def _prints(clip: Clip, unread: Counter[str]) -> tuple[NDArray[np.uint32], NDArray[np.uint8] | None]:
    """Decode a clip and return how it sounds and looks."""
    import numpy as np

    from emollm.data.fingerprint import FRAMES, SAMPLE_RATE_HZ, picture_print, sound_print
    from emollm.media import decode, part_of

    sound, picture = np.zeros(0, np.uint32), None
    try:
        for ref in clip.files:
            read = decode(ref.path, FRAMES, 128, sample_rate_hz=SAMPLE_RATE_HZ, **part_of(ref))
            if read.audio is not None and read.states["audio"] == "present":
                sound = sound_print(read.audio)
            if read.frames is not None:
                shown = picture_print(read.frames)
                picture = picture if shown is None else shown
    except MediaError as error:
        unread[error.code] += 1
    return sound, picture
