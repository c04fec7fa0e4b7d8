"""Decode one clip, or a span of it, to a few pictures and one waveform on the same clock.

    >>> clip = decode("clip.mp4", frames=8)                      # doctest: +SKIP
    >>> clip.frames.shape, clip.audio.shape, clip.states         # doctest: +SKIP
    ((8, 288, 512, 3), (80000,), {'audio': 'present', 'video': 'present'})

Sequential PyAV: as fast as decoding allows, and it gives the pictures that the ffmpeg program would show, also for
stream-copied cuts, variable frame rates and rotated phone videos. Pictures: `pictures.py`; sound: `sound.py`.

A clip that cannot be read raises `MediaError` with a code. One that can be read in part comes back with a flag:
`short_video`, `short_audio` (ends before its declared end), `truncated` (the whole file does), `damaged` (packets that
couldn't be decoded), `few_frames` (fewer shown than asked for), `no_video_in_span`, `no_audio_in_span`, `audio_gap`,
`audio_overlap`.

One call decodes at most two hours (`too_long`); give a span of what is longer. Does not: cache (`cache.py` does), run in
a process of its own (`workers.py`), fall back to another decoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from emollm.errors import MediaError
from emollm.media.backends import Backend, functions
from emollm.media.pictures import WHOLE, Crop, is_black
from emollm.media.probe import RE_EXPORT, Kind, declared_end_s, main_stream, no_streams, open_media
from emollm.media.sound import is_silent
from emollm.media.timeline import MAX_SPAN_S, Reading, Span, count_shown_packets, too_long
from emollm.records import MediaRef

State = Literal["present", "absent", "silent", "black"]

SHORT_S, SHORT_SHARE = 0.2, 0.05  # a stream is short when it misses more than both


@dataclass(frozen=True)
class Clip:
    """A decoded clip. Times count from the start of the span, and audio sample 0 is at that start, too.

    Attributes:
        frames: Pictures, uint8 (n, height, width, 3) RGB, or None.
        frame_times_s: When each picture is shown first, float64 (n,).
        audio: Waveform, float32 (samples,), mean of the channels, or None.
        sample_rate_hz: Of the waveform.
        duration_s: How long the decoded part of the span is.
        states: `audio`: present, absent or silent; `video`: present, absent or black.
        flags: What isn't as it should be; see the header of this file.
    """

    frames: NDArray[np.uint8] | None
    frame_times_s: NDArray[np.float64]
    audio: NDArray[np.float32] | None
    sample_rate_hz: int
    duration_s: float
    states: dict[Kind, State]
    flags: tuple[str, ...]


def decode(
    path: Path | str,
    frames: int = 8,
    max_side_px: int | None = 512,
    start_s: float | None = None,
    end_s: float | None = None,
    want_audio: bool = True,
    want_video: bool = True,
    sample_rate_hz: int = 16000,
    backend: Backend = "pyav",
    crop: Crop = WHOLE,
) -> Clip:
    """Decode a clip, or the part of it from `start_s` to `end_s`.

    Args:
        path: Local audio or video file.
        frames: How many pictures, chosen uniformly among those shown (centres of equal parts).
        max_side_px: Longer side of the pictures at most; None keeps the size. Nothing is enlarged.
        start_s: Start of the span in seconds from the start of the file; None: its start.
        end_s: End of the span (exclusive); None: the end of the file.
        want_audio: Read the sound.
        want_video: Read the pictures.
        sample_rate_hz: Of the waveform.
        backend: What decodes: `pyav`, `decord` or `torchcodec` (see `backends.py` before you take another than the first).
        crop: Part of the pictures, [x0, y0, x1, y1] in shares of the picture as it is shown.

    Raises:
        MediaError: `missing_file`, `not_a_file`, `empty_file`, `unreadable`, `not_media`, `truncated`, `no_streams`,
            `too_large`, `too_many_pixels`, `too_long`, `bad_span`, `bad_crop`, `empty_span`, `bad_timestamps`, `decode_failed`.
        ValueError: `frames`, `max_side_px` or `sample_rate_hz` isn't positive, or there is no such backend.
        ConfigError: The backend isn't installed.
    """
    if frames < 1 or sample_rate_hz < 1 or (max_side_px is not None and max_side_px < 1):
        raise ValueError("frames, max_side_px and sample_rate_hz must be positive")
    read = functions(backend)
    span = _span(start_s, end_s, crop, path)
    readings, expected = _survey(path, span, {"video": want_video, "audio": want_audio})
    pictures, times_s, sound, flags = None, np.zeros(0), None, set[str]()
    if "video" in readings:
        pictures, times_s = read.read_pictures(path, frames, max_side_px, span, readings["video"], expected, crop)
    if "audio" in readings:
        sound, sound_flags = read.read_sound(path, sample_rate_hz, span, readings["audio"])
        flags |= set(sound_flags)
    _check_decoded(readings, path)
    for kind, content in (("video", pictures), ("audio", sound)):
        if content is not None and not len(content):
            flags.add(f"no_{kind}_in_span")
    pictures = pictures if len(times_s) else None
    sound = sound if sound is not None and len(sound) else None
    if pictures is None and sound is None:
        raise _nothing(span, path)
    if pictures is not None and len(pictures) < frames:
        flags.add("few_frames")
    flags |= _shortness(readings, span)
    states: dict[Kind, State] = {
        "audio": "absent" if sound is None else "silent" if is_silent(sound) else "present",
        "video": "absent" if pictures is None else "black" if is_black(pictures) else "present",
    }
    duration_s = _decoded_end_s(readings, span) - span.start_s
    return Clip(pictures, times_s, sound, sample_rate_hz, duration_s, states, tuple(sorted(flags)))


def part_of(ref: MediaRef) -> dict[str, Any]:
    """Return the settings of `decode` that a record's reference to a file asks for: its span and its crop."""
    return {"start_s": ref.start_s, "end_s": ref.end_s, "crop": ref.crop or WHOLE}


def _nothing(span: Span, path: Path | str) -> MediaError:
    """Return the error of a file, or a span of one, in which nothing is shown or heard."""
    if span == Span():
        return no_streams(path)
    what = f"nothing is shown or heard from {span.start_s:g} s on"
    return MediaError("empty_span", what, str(path), "compare start_s and end_s with the length of the file")


def _span(start_s: float | None, end_s: float | None, crop: Crop, path: Path | str) -> Span:
    """Return the span; refuse one, or a crop, that is no part of anything."""
    span = Span(start_s or 0.0, end_s)
    numbers = [time for time in span if time is not None]
    if not all(map(math.isfinite, numbers)) or span.start_s < 0 or (end_s is not None and end_s <= span.start_s):
        what = f"the span from {start_s} to {end_s} is no part of a file"
        raise MediaError("bad_span", what, str(path), "give 0 <= start_s < end_s, in seconds")
    x0, y0, x1, y1 = crop
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        what = f"the crop {list(crop)} is no part of a picture"
        raise MediaError("bad_crop", what, str(path), "give [x0, y0, x1, y1] in shares of it, x0 < x1 and y0 < y1")
    return span


def _survey(path: Path | str, span: Span, wanted: dict[Kind, bool]) -> tuple[dict[Kind, Reading], int]:
    """Return an empty `Reading` for each stream that the file has and the caller wants, and how many pictures to expect."""
    with open_media(path) as container:
        found = [kind for kind in wanted if main_stream(container, kind) is not None]
        if not found:
            raise no_streams(path)
        readings = {kind: Reading() for kind in found if wanted[kind]}
        if not readings:
            what = "the file has none of the streams that were asked for"
            raise MediaError("no_streams", what, str(path), "allow audio or video, whichever the file has")
        _check_length(container, list(readings), span, path)
        return readings, count_shown_packets(container, span) if "video" in readings else 0


def _check_length(container: InputContainer, kinds: list[Kind], span: Span, path: Path | str) -> None:
    """Refuse a span that is declared to last for hours."""
    ends = [declared_end_s(container, stream) for kind in kinds if (stream := main_stream(container, kind)) is not None]
    end_s = max((end_s for end_s in ends if end_s is not None), default=0.0)
    if span.end_s is not None:
        end_s = min(end_s, span.end_s)
    if end_s - span.start_s > MAX_SPAN_S:
        raise too_long(end_s - span.start_s, path)


def _check_decoded(readings: dict[Kind, Reading], path: Path | str) -> None:
    """Refuse a file of which a whole stream cannot be decoded."""
    for kind, reading in readings.items():
        if not reading.frames and (reading.damaged or reading.cut_off):
            raise MediaError("decode_failed", f"nothing of the {kind} stream can be decoded", str(path), RE_EXPORT)


def _decoded_end_s(readings: dict[Kind, Reading], span: Span) -> float:
    end_s = max(reading.decoded_end_s for reading in readings.values())
    return end_s if span.end_s is None else min(end_s, span.end_s)


def _shortness(readings: dict[Kind, Reading], span: Span) -> set[str]:
    """Compare declared and decoded ends, as far as they lie in the span, and report damage."""
    flags = {"damaged" for reading in readings.values() if reading.damaged}
    short = {kind for kind, reading in readings.items() if _is_short(reading, span)}
    flags |= {f"short_{kind}" for kind in short}
    if len(short) == len(readings) or any(reading.cut_off for reading in readings.values()):
        flags.add("truncated")
    return flags


def _is_short(reading: Reading, span: Span) -> bool:
    if reading.declared_end_s is None:
        return False
    end_s = reading.declared_end_s if span.end_s is None else min(span.end_s, reading.declared_end_s)
    missing_s = end_s - max(reading.decoded_end_s, span.start_s)
    return missing_s > SHORT_S and missing_s > SHORT_SHARE * (end_s - span.start_s)
