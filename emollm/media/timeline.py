"""Decode one stream of a file in presentation order, each frame with its time in seconds from the start of the file.

Reading is sequential. For a span deep inside a long file it starts at the keyframe before the span, and starts over
from the beginning when that seek turns out to have landed too late. A damaged packet is counted and passed over, as the
ffmpeg program does; whoever reads must look at the `Reading` afterwards: no exception doesn't mean a whole stream.

Does not: seek per frame (four times the cost on short clips), use more than one thread (one clip a core is faster).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeVar, cast, overload

import av
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from emollm.errors import MediaError
from emollm.media.probe import (
    MAX_PIXELS,
    MICROSECONDS,
    Kind,
    Stream,
    check_pixels,
    declared_end_s,
    main_stream,
    open_media,
    seconds,
    start_of_file_s,
)

SEEK_ABOVE_S = 5.0  # spans that start earlier are read from the beginning: cheaper than a seek that goes wrong
SEEK_MARGIN_S = 1.0  # for the decoder's warm-up (AAC and MP3 overlap their frames)
MAX_SPAN_S = 7200.0  # 0.5 GB of sound
CLOCK_TOLERANCE_S = 1e-3  # container times are rounded to microseconds, Matroska's to milliseconds


class Span(NamedTuple):
    """The part of a file that is wanted, in seconds from its start; end None means up to the end."""

    start_s: float = 0.0
    end_s: float | None = None

    def holds(self, time_s: float) -> bool:
        """Tell whether a frame shown at `time_s` belongs to the span (half-open, so that neighbours share no frame)."""
        return time_s >= self.start_s - CLOCK_TOLERANCE_S and not self.is_over(time_s)

    def is_over(self, time_s: float) -> bool:
        """Tell whether `time_s` lies behind the span."""
        return self.end_s is not None and time_s >= self.end_s - CLOCK_TOLERANCE_S


FrameT = TypeVar("FrameT", VideoFrame, AudioFrame)


class TimedFrame(NamedTuple, Generic[FrameT]):
    """A decoded frame and when it starts and ends."""

    start_s: float
    end_s: float
    frame: FrameT


@dataclass
class Reading:
    """What happened while a stream was read; complete once the iterator of `timed_frames` is used up."""

    declared_end_s: float | None = None
    decoded_end_s: float = 0.0
    frames: int = 0
    damaged: int = 0
    cut_off: bool = False


@overload
def timed_frames(
    path: Path | str, kind: Literal["video"], span: Span, reading: Reading
) -> Iterator[TimedFrame[VideoFrame]]: ...
@overload
def timed_frames(
    path: Path | str, kind: Literal["audio"], span: Span, reading: Reading
) -> Iterator[TimedFrame[AudioFrame]]: ...
def timed_frames(path: Path | str, kind: Kind, span: Span, reading: Reading) -> Iterator[TimedFrame]:
    """Decode the main stream of a kind up to the end of the span; frames before its start may come out, too.

    Args:
        path: The media file; it must have such a stream.
        kind: `audio` or `video`.
        span: What is wanted.
        reading: Filled while the frames come out.
    """
    if span.start_s > SEEK_ABOVE_S:
        frames = _read(path, kind, span, reading, seek=True)
        first = next(frames, None)
        if first is not None and first.start_s <= span.start_s:
            yield first
            yield from frames
            return
        reading.frames, reading.damaged, reading.cut_off = 0, 0, False
    yield from _read(path, kind, span, reading, seek=False)


def too_long(length_s: float, path: Path | str) -> MediaError:
    """The error for more than what is decoded at once."""
    what = f"{length_s / 3600:.1f} hours are more than the {MAX_SPAN_S / 3600:.0f} that are decoded at once"
    return MediaError("too_long", what, str(path), "give start_s and end_s, or label it in windows")


def count_shown_packets(container: InputContainer, span: Span) -> int:
    """Estimate, without decoding, how many pictures the span shows (exact for all but damaged and interlaced files)."""
    stream, origin_s, count = _wanted(container, "video"), start_of_file_s(container), 0
    if span.start_s > SEEK_ABOVE_S and not _seek(container, span, origin_s):
        return 0
    base = stream.time_base
    try:
        for packet in container.demux(stream):
            if packet.dts is not None and span.is_over(seconds(packet.dts, base) - origin_s):
                break
            if packet.size and not packet.is_discard:
                stamp = packet.dts if packet.pts is None else packet.pts
                count += stamp is None or span.holds(seconds(stamp, base) - origin_s)
    except av.FFmpegError:  # the decoding pass meets the same damage and reports it
        return count
    return count


def _read(path: Path | str, kind: Kind, span: Span, reading: Reading, *, seek: bool) -> Iterator[TimedFrame]:
    with open_media(path) as container:
        stream, origin_s = _wanted(container, kind), start_of_file_s(container)
        stream.codec_context.thread_count = 1
        if isinstance(stream, VideoStream):
            check_pixels(stream.codec_context.width, stream.codec_context.height, path)
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # pictures may grow on the way
        reading.declared_end_s = declared_end_s(container, stream)
        if seek and not _seek(container, span, origin_s):
            return
        end_s, base = 0.0, stream.time_base
        for packet in _packets(container, stream, reading):
            for frame in _decode(stream, packet, reading):
                stamp = frame.dts if frame.pts is None else frame.pts
                start_s = end_s if stamp is None else seconds(stamp, base) - origin_s
                if span.is_over(start_s):
                    return
                end_s = start_s + _length_s(frame, stream, base)
                reading.frames += 1
                reading.decoded_end_s = max(reading.decoded_end_s, end_s)
                yield TimedFrame(start_s, end_s, frame)


def _wanted(container: InputContainer, kind: Kind) -> Stream:
    stream = main_stream(container, kind)
    if stream is None:
        raise LookupError(f"{container.name} has no {kind} stream")  # callers have looked before
    return stream


def _seek(container: InputContainer, span: Span, origin_s: float) -> bool:
    """Go to the keyframe before the span; False where the format cannot seek."""
    try:
        container.seek(int((span.start_s - SEEK_MARGIN_S + origin_s) * MICROSECONDS), backward=True)
    except av.FFmpegError:
        return False
    return True


def _packets(container: InputContainer, stream: Stream, reading: Reading) -> Iterator[Packet | None]:
    """Yield the packets of a stream, the last one being None or empty: it drains the decoder."""
    try:
        yield from container.demux(stream)
    except av.FFmpegError:
        reading.cut_off = True
        yield None


def _decode(stream: Stream, packet: Packet | None, reading: Reading) -> list[VideoFrame | AudioFrame]:
    try:
        frames = cast("list[VideoFrame | AudioFrame]", stream.decode(packet))
    except av.FFmpegError:
        reading.damaged += 1
        return []
    reading.damaged += sum(frame.is_corrupt for frame in frames)
    return frames


def _length_s(frame: VideoFrame | AudioFrame, stream: Stream, base: Fraction | None) -> float:
    """Return how long a frame is shown or heard."""
    if isinstance(frame, AudioFrame):
        return frame.samples / frame.sample_rate
    if frame.duration:
        return seconds(frame.duration, base)
    return float(1 / stream.average_rate) if stream.average_rate else 0.0
