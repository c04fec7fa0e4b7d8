"""What a leaf of data_prep/ is made of: `SPEC`, a `Spec`, and `rows(root: Root) -> Iterator[Record]`.

    SPEC = Spec(name="mine", title="My set", license=License(name="CC BY 4.0"), url="...", access="...", layout="...", ...)

    def rows(root: Root) -> Iterator[Record]:
        def record(line: Line) -> Record:
            label = ClassLabel(space="mer6", name=line.pick("emotion", SPEC.labels("mer6")))
            return root.record(line["name"], "train", line, video=f"video/{line['name']}.mp4", targets=Targets(label=label))

        yield from root.each(root.csv("labels.csv", "name", "emotion"), record)

`Root` reads annotation files (`emollm.data.files`), resolves media and collects what is wrong.
`emollm.data.prep` runs the leaf and checks the whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from emollm.data.files import Files
from emollm.data.spec import Spec
from emollm.data.tables import Line
from emollm.data.values import clock_s, votes, words
from emollm.errors import ConfigError, EmoError
from emollm.records import Consent, Media, MediaRef, Quality, Record, RecordProvenance

__all__ = ["Line", "Root", "Spec", "check_inside", "clock_s", "votes", "words"]

Item = TypeVar("Item")
Place = str | Sequence[str] | MediaRef | None
"""Where a media file is, relative to the root: a path, several that may hold it (the first that is there counts), or a part of one."""

LONGEST_S = 86_400.0  # no clip, and no film that clips are cut from, lasts longer than a day
_DRIVE = re.compile(r"[A-Za-z]:")


class Root(Files):
    """A copy of a data set on disk, as its leaf sees it.

    Args:
        path: The folder that the user names.
        spec: What the leaf knows.
        options: What the user gave with `--set key=value`.
        prefix: What stands before media paths in the records file.
    """

    def __init__(self, path: Path, spec: Spec, options: Mapping[str, str] | None = None, prefix: str = "") -> None:
        self.options = dict(options or {})
        super().__init__(path, spec.title, self.options.get("encoding", "utf-8-sig"))
        self.spec = spec
        self.spaces = {name: spec.labels(name) for name in spec.spaces}
        self.media_seen: Callable[[str], None] = lambda path: None
        self.version = self.options.get("version") or spec.version
        self._reader = f"data_prep.{spec.name}/1"
        self._prefix = prefix and prefix.rstrip("/") + "/"
        self._base = f"{path}/"

    def option(self, key: str, choices: Sequence[str] = (), default: str | None = None) -> str:
        """Return what the user says with `--set key=value`; without a default it must be said.

        Raises:
            ConfigError: It is not said, or not one of `choices`.
        """
        value = self.options.get(key, default)
        if value is None or (choices and value not in choices):
            what = (
                f"{self.spec.title} needs a fact that its files do not tell: {key}"
                if value is None
                else f"{key} is {value!r}"
            )
            ways = "|".join(choices) or "..."
            raise ConfigError(
                what, f"--set {key}", f"--set {key}={ways} ({self.spec.options.get(key, 'see its notes')})"
            )
        return value

    def each(self, items: Iterable[Item], make: Callable[[Item], Record | Iterable[Record] | None]) -> Iterator[Record]:
        """Yield what `make` makes of each item; an item that it refuses (EmoError, ValueError) is reported and passed over."""
        for item in items:
            try:
                made = make(item)
                if isinstance(made, Record):
                    yield made
                elif made is not None:
                    yield from made
            except ValidationError as error:
                fields = "; ".join(
                    f"{'.'.join(map(str, e['loc']))}: {e['msg']} (got {str(e['input'])[:80]!r})" for e in error.errors()
                )
                self.bad(EmoError(fields, _where(item)))
            except EmoError as error:
                self.bad(error if error.where else EmoError(error.what, _where(item), error.fix))
            except ValueError as error:
                self.bad(EmoError(str(error), _where(item)))
            except (AttributeError, LookupError, TypeError) as error:
                what = f"a row of another shape ({type(error).__name__}: {error})"
                self.bad(EmoError(what, _where(item), f"emollm data info {self.spec.name} shows the layout"))

    def on_disk(self, ref: MediaRef) -> Path:
        """Return where a media file of one of its records lies."""
        return self.path / ref.path.removeprefix(self._prefix)

    def record(
        self,
        key: str,
        split: str,
        line: Line | None = None,
        *,
        video: Place = None,
        audio: Place = None,
        face: Place = None,
        images: Iterable[Place] = (),
        parents: Sequence[str] = (),
        flags: Sequence[str] = (),
        origin: Any = None,
        quality: Quality | None = None,
        **fields: Any,
    ) -> Record:
        """Return the record `dataset:split:key`, with licence and provenance from the spec.

        Args:
            key: Native key of the clip, unique in its split.
            split: Official split, such as `train`, `dev`, `test`.
            line: The row that it comes from.
            video: Its picture (and sound, when `audio` is None).
            audio: Its sound, if in a file of its own.
            face: Cropped or measured faces.
            images: Single pictures.
            parents: Ids of the same clip in other data sets.
            flags: What is known to be wrong with it.
            origin: `Quality.label_origin`.
            quality: The whole of it, if more is known than the origin.
            **fields: Other fields of `Record`: text, speaker, context, targets, time, subject_id, fold, ...

        Raises:
            EmoError: The key is empty, a media path leaves the root, a time is absurd, or the consent has expired.
        """
        if not key:
            raise EmoError("a clip without a name", line.where if line else None, "each clip has a key")
        spec, found_flags = self.spec, list(flags)
        name = f"{split}:{key}"
        fault = spec.faults.get(name)
        media = Media(
            video=self._find(video, name, fault, found_flags),
            audio=self._find(audio, name, fault, found_flags),
            face=self._find(face, name, fault, found_flags),
            images=tuple(ref for place in images if (ref := self._find(place, name, fault, found_flags))),
        )
        _check_times(fields.get("time"), fields.get("context", ()))
        _check_consent(fields.get("consent"))
        return Record(
            id=f"{spec.name}:{name}",
            dataset=spec.name,
            dataset_version=self.version or None,
            split=split,
            native_id=key,
            media=media,
            quality=_quality(quality, origin, found_flags),
            license=fields.pop("license", spec.license),
            provenance=self._provenance(line, parents),
            **fields,
        )

    def _provenance(self, line: Line | None, parents: Sequence[str]) -> RecordProvenance:
        """Return where a record comes from."""
        row = line.number if line else None
        return RecordProvenance(source=self.spec.url or None, reader=self._reader, row=row, parents=tuple(parents))

    def _find(self, place: Place, name: str, fault: str | None, flags: list[str]) -> MediaRef | None:
        """Return the reference of a media file; None, with a flag, when it is not there."""
        if place is None:
            return None
        whole = place if isinstance(place, MediaRef) else None
        paths: Sequence[str] = (
            (place.path,) if isinstance(place, MediaRef) else (place,) if isinstance(place, str) else place
        )
        _check_times(whole, ())
        for path in paths:
            check_inside(path)
        for path in paths:
            try:
                size = os.stat(self._base + path).st_size
            except FileNotFoundError:
                continue
            except OSError as error:
                raise EmoError(
                    f"{path} cannot be read ({error.strerror})", fix="put a file, not a loop of links"
                ) from None
            self.media_seen(path)
            if fault == "corrupt" or not size:
                flags.append("corrupt_media")
                if fault is None:
                    self.problems.add("corrupt media", EmoError("an empty file", path, "copy it again"))
                return None
            joined = self._prefix + path
            return whole.model_copy(update={"path": joined}) if whole else MediaRef(path=joined)
        flags.append("missing_media")
        if fault is None:
            self.problems.add("missing media", EmoError("no such file", " or ".join(paths), f"needed by {name}"))
        return None


def _quality(quality: Quality | None, origin: Any, flags: Sequence[str]) -> Quality | None:
    """Return what is known of a record's quality, flags added; None when nothing is."""
    if not (quality or origin or flags):
        return None
    quality = quality or Quality(label_origin=origin)
    return quality.model_copy(update={"flags": tuple(dict.fromkeys((*quality.flags, *flags)))})


def check_inside(path: str) -> None:
    """Refuse a path out of an annotation file that does not stay below the root.

    Raises:
        EmoError: It is absolute, has `..`, a drive, a back slash or a control character.
    """
    if path.startswith("/") or "\\" in path or _DRIVE.match(path) or not path.isprintable() or ".." in path.split("/"):
        raise EmoError(
            f"the path {path[:120]!r} leaves the root", fix="paths are relative to the root, with forward slashes"
        )


def _where(item: Any) -> str | None:
    first = item[0] if isinstance(item, list) and item else item
    return first.where if isinstance(first, Line) else None


def _check_times(span: Any, turns: Iterable[Any]) -> None:
    for part in (span, *turns):
        for time_s in (part.start_s, part.end_s) if part else ():
            if time_s is not None and time_s > LONGEST_S:
                raise EmoError(f"a time of {time_s:g} s", fix="seconds within a day")


def _check_consent(consent: Consent | None) -> None:
    if consent is None or consent.expires is None:
        return
    try:
        expires = date.fromisoformat(consent.expires[:10])
    except ValueError:
        raise EmoError(f"consent expires {consent.expires!r}", fix="a date such as 2027-01-31") from None
    if expires < date.today():
        raise EmoError(f"the consent expired on {expires}", fix="remove the clip and what was made of it")
