"""Decoded clips on disk: JPEG pictures and 16-bit sound, found by the content of the file and how it was decoded.

    cache = ClipCache()
    clip = cache.decode("clip.mp4", frames=8)       # decoded, and kept
    clip = cache.decode("copy of it.mp4", frames=8) # the same bytes: read from the cache

One file a clip in `~/.cache/emollm/clips` (only its user may look into it), written beside its place and renamed, so it is
whole or not there; what turns out to be damaged is decoded again. When the folder grows over its limit, the clips that
were not used for longest go. A clip comes back through JPEG the first time, too, so that no result depends on what was in
the cache; who wants the decoder's own pictures calls `decode`.

Does not: keep errors (a file may be mended), nor what lies outside a clip such as transcripts.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emollm.media.decode import Clip, decode
from emollm.media.hashes import MediaHashes
from emollm.media.probe import check_file
from emollm.paths import cache_dir, whole_file

JPEG_QUALITY = 95
FORMAT = "emollm.clip/1"
_DECODE = inspect.signature(decode)
_HEAD = struct.Struct("<I")  # bytes of the JSON that follows
_PEAK = 32767  # int16
_DOWN_TO = 0.9  # of the limit, so that not every clip makes room for itself


@dataclass
class ClipCache:
    """A folder of decoded clips; may be used by several processes at once.

    Attributes:
        folder: Where they lie; made when it is missing.
        limit_bytes: How large it may get (each process looks after writing a twentieth of it).
    """

    folder: Path = field(default_factory=lambda: cache_dir() / "clips")
    limit_bytes: int = 20 * 10**9
    _unchecked_bytes: float = field(default=float("inf"), init=False, repr=False)

    def decode(self, path: Path | str, **settings: Any) -> Clip:
        """Return the clip as `emollm.media.decode` does, from the cache if it is there.

        Raises:
            MediaError: As `decode` does.
        """
        check_file(path)
        with MediaHashes() as hashes:
            sha256 = hashes.sha256(path)
        if sha256 is None:
            return decode(path, **settings)  # which knows why it cannot be read
        entry = self._entry(sha256, settings)
        with suppress(OSError, ValueError, KeyError, struct.error):  # missing, or damaged
            clip = _unpack(entry.read_bytes())
            os.utime(entry)
            return clip
        packed = _pack(decode(path, **settings))
        with suppress(OSError):  # a full disk slows the next run down, and doesn't stop this one
            self._write(entry, packed)
        return _unpack(packed)

    def of_file(self, sha256: str) -> list[Path]:
        """Return what is kept of a file, by the hash of its bytes."""
        return sorted((self.folder / sha256[:2]).glob(f"{sha256}.*.clip"))

    def _entry(self, sha256: str, settings: dict[str, Any]) -> Path:
        """Return the place of a clip; what it was decoded with counts, defaults included."""
        call = _DECODE.bind("", **settings)
        call.apply_defaults()
        told = json.dumps([FORMAT, JPEG_QUALITY, av.__version__, call.arguments], sort_keys=True)
        name = f"{sha256}.{hashlib.sha256(told.encode()).hexdigest()[:16]}.clip"
        return self.folder / sha256[:2] / name

    def _write(self, entry: Path, packed: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        with whole_file(entry) as out:
            cast("io.TextIOWrapper", out).buffer.write(packed)
        self._unchecked_bytes += len(packed)
        if self._unchecked_bytes > self.limit_bytes / 20:
            self._make_room()
            self._unchecked_bytes = 0

    def _make_room(self) -> None:
        """Delete the clips that were not used for longest, if there is too much."""
        entries = sorted(self._entries(), key=lambda entry: entry[1].st_mtime_ns)
        total = sum(status.st_size for _, status in entries)
        if total <= self.limit_bytes:
            return
        for path, status in entries:
            if total <= _DOWN_TO * self.limit_bytes:
                return
            path.unlink(missing_ok=True)
            total -= status.st_size

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob("*/*.clip"):
            with suppress(FileNotFoundError):  # another process makes room, too
                yield path, path.stat()


def _pack(clip: Clip) -> bytes:
    """Return the bytes of a clip: length of the head, head (JSON), pictures (JPEG), sound (int16)."""
    pictures = [] if clip.frames is None else [_jpeg(frame) for frame in clip.frames]
    sound, gain = b"", 1.0
    if clip.audio is not None:
        gain = max(1.0, float(np.abs(clip.audio).max(initial=0.0)))  # sound may be louder than full scale
        sound = np.round(clip.audio / gain * _PEAK).astype("<i2").tobytes()
    head = {
        **{name.name: getattr(clip, name.name) for name in fields(Clip) if name.name not in ("frames", "audio")},
        "frame_times_s": clip.frame_times_s.tolist(),
        "pictures": None if clip.frames is None else list(map(len, pictures)),
        "gain": None if clip.audio is None else gain,
        "crc32": zlib.crc32(b"".join((*pictures, sound))),
    }
    told = json.dumps(head).encode()
    return b"".join((_HEAD.pack(len(told)), told, *pictures, sound))


def _unpack(packed: bytes) -> Clip:
    """Return the clip that `_pack` wrote.

    Raises:
        ValueError: These bytes are none (also `KeyError`, `struct.error`).
    """
    (length,) = _HEAD.unpack_from(packed)
    start = _HEAD.size + length
    head = json.loads(packed[_HEAD.size : start])
    crc32, sizes, gain = head.pop("crc32"), head.pop("pictures"), head.pop("gain")
    body = memoryview(packed)[start:]
    if zlib.crc32(body) != crc32:
        raise ValueError("the bytes aren't those that were written")
    frames, at = None, 0
    if sizes is not None:
        ends = np.cumsum(sizes).tolist()
        frames = np.stack([_picture(body[end - size : end]) for size, end in zip(sizes, ends, strict=True)])
        at = ends[-1]
    audio = None if gain is None else np.frombuffer(body[at:], "<i2").astype(np.float32) * np.float32(gain / _PEAK)
    head.update(frame_times_s=np.array(head["frame_times_s"], np.float64), flags=tuple(head["flags"]))
    return Clip(frames=frames, audio=audio, **head)


def _jpeg(frame: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(frame).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _picture(data: memoryview) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)), np.uint8)  # (height, width, 3)
