"""Clips that lie elsewhere (`s3://...`): found, told apart and fetched by fsspec, one at a time, and removed when they are decoded."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from emollm.engines import Request
from emollm.engines.evidence import Evidence, MediaSettings, gather
from emollm.errors import MediaError
from emollm.media import decode
from emollm.media.cache import ClipCache
from emollm.records import Media, MediaRef

MARK = "://"


def version(url: str) -> str | None:
    """Return what changes when the object at an address changes (a checksum or time, as its place tells), or None if it is not there."""
    import fsspec

    try:
        files, path = fsspec.url_to_fs(url)
        return str(files.ukey(path))
    except (OSError, ImportError, ValueError):
        return None


def gather_anywhere(request: Request, settings: MediaSettings, scratch: str, keep: bool) -> Evidence:
    """Decode what a request lets the model see; what lies elsewhere is fetched into `scratch` and removed again.

    Args:
        request: What is asked.
        settings: How clips are decoded.
        scratch: Folder.
        keep: Keep what is decoded in the media cache, and take it from there.

    Raises:
        MediaError: A file cannot be fetched or used.
    """
    media = request.record.media
    read = _cache().decode if keep else decode
    if not any(ref and MARK in ref.path for ref in (media.video, media.audio)):
        return gather(request, settings, read)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        found = Media(
            video=_fetched(media.video, Path(folder, "video")), audio=_fetched(media.audio, Path(folder, "audio"))
        )
        record = request.record.model_copy(update={"media": found})
        try:
            return gather(replace(request, record=record), settings, read)
        except MediaError as error:
            raise MediaError(error.code, error.what, request.record.id, error.fix) from None


@cache
def _cache() -> ClipCache:
    """Return the media cache of this process."""
    return ClipCache()


def _fetched(ref: MediaRef | None, folder: Path) -> MediaRef | None:
    """Fetch one file."""
    if ref is None or MARK not in ref.path:
        return ref
    import fsspec

    folder.mkdir()
    place = folder / os.path.basename(ref.path)
    try:
        files, path = fsspec.url_to_fs(ref.path)
        files.get_file(path, str(place))
    except (OSError, ImportError, ValueError) as error:
        raise MediaError("not_fetched", f"cannot be fetched ({error})", ref.path, "check address and access") from None
    return ref.model_copy(update={"path": str(place)})
