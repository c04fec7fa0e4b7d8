"""Open a media file safely and tell what it declares about itself.

What a file declares is a hint, never a fact: headers of stream-copied cuts give wrong frame counts and durations.
`decode` counts what it decodes; `probe` is for listings and for the comparison of declared and decoded durations.

Limits: a file of at most 64 GB (`too_large`), pictures of at most 36 megapixels (`too_many_pixels`; 8K has 33), so that a
few bytes cannot ask for all the memory. Does not: guard against hostile files in a process of its own (`workers.py`
does), read network addresses or playlists.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias, cast, overload

import av
import av.audio.stream
import av.video.stream
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame

from emollm.errors import MediaError

Kind = Literal["audio", "video"]
Stream: TypeAlias = av.video.stream.VideoStream | av.audio.stream.AudioStream

# FFmpeg's text and script formats: `tty` renders any .txt as a video, the others open further files.
REFUSED_FORMATS = frozenset({"tty", "hls", "concat", "dash", "imf", "sdp", "rtsp", "lavfi", "webm_dash_manifest"})
# Raw AAC has no header: FFmpeg guesses its duration from the bit rate of the first frames.
GUESSED_DURATION_FORMATS = frozenset({"aac"})
RE_EXPORT = "export the clip again, for example: ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4"
MICROSECONDS = 1_000_000  # container times are in microseconds (AV_TIME_BASE)
MAX_BYTES = 64 * 10**9
MAX_PIXELS = 36_000_000  # of one picture


@dataclass(frozen=True)
class VideoStream:
    """The picture as declared; width and height are before `rotation_deg` (counterclockwise) is applied."""

    width: int
    height: int
    fps: float | None
    codec: str
    rotation_deg: int
    declared_frames: int


@dataclass(frozen=True)
class AudioStream:
    """The sound as declared."""

    sample_rate_hz: int
    channels: int
    codec: str


@dataclass(frozen=True)
class Probe:
    """What a file declares; a missing stream and an undeclared duration are None."""

    path: str
    duration_s: float | None
    video: VideoStream | None
    audio: AudioStream | None


def probe(path: Path | str) -> Probe:
    """Read the headers of a file and its first picture (rotation is carried by frames).

    Raises:
        MediaError: The file is missing, is no media, or holds neither picture nor sound.
    """
    with open_media(path) as container:
        video, audio = main_stream(container, "video"), main_stream(container, "audio")
        if video is None and audio is None:
            raise no_streams(path)
        duration_s = None if container.duration is None else container.duration / MICROSECONDS
        picture = None if video is None else _video_stream(container, video, path)
        sound = None if audio is None else _audio_stream(audio)
        return Probe(str(path), duration_s, picture, sound)


def open_media(path: Path | str) -> InputContainer:
    """Open a local file for reading; the caller closes it (`with`).

    Raises:
        MediaError: `missing_file`, `not_a_file`, `empty_file`, `unreadable`, `too_large`, `not_media` or `truncated`.
    """
    file, where = Path(path), str(path)
    check_file(file)
    try:
        # `file:` keeps FFmpeg from reading a colon in the name as a protocol; the whitelist keeps it off the network.
        container = av.open(f"file:{file}", metadata_errors="replace", container_options={"protocol_whitelist": "file"})
    except PermissionError:
        raise _unreadable(where) from None
    except (av.FFmpegError, ValueError) as error:
        raise _cannot_open(file, error) from error
    if set(container.format.name.split(",")) & REFUSED_FORMATS:
        name = container.format.name
        container.close()
        raise MediaError(
            "not_media", f"the file is a text or a playlist ({name})", where, "give the audio or video file"
        )
    return container


def check_file(path: Path | str) -> None:
    """Refuse what is no regular file of a sensible size, before anything is opened: a FIFO would block for ever.

    Raises:
        MediaError: `missing_file`, `unreadable`, `not_a_file`, `empty_file` or `too_large`.
    """
    file, where = Path(path), str(path)
    try:
        status = file.stat()
    except PermissionError:
        raise _unreadable(where) from None
    except (OSError, ValueError):  # ValueError: a NUL in the name
        what = "the link leads to no file" if os.path.islink(file) else "no such file"
        fix = "check the path; relative paths start at the records file"
        raise MediaError("missing_file", what, where, fix) from None
    if not stat.S_ISREG(status.st_mode):
        what = "this is a folder, a pipe or a device, not a file"
        raise MediaError("not_a_file", what, where, "give the path of one clip")
    if status.st_size == 0:
        raise MediaError("empty_file", "the file has zero bytes", where, "fetch or export the clip again")
    if status.st_size > MAX_BYTES:
        what = f"the file has {status.st_size / 1e9:.0f} GB, more than {MAX_BYTES / 1e9:.0f} GB"
        raise MediaError("too_large", what, where, "cut it into parts")


@overload
def main_stream(container: InputContainer, kind: Literal["video"]) -> av.video.stream.VideoStream | None: ...
@overload
def main_stream(container: InputContainer, kind: Literal["audio"]) -> av.audio.stream.AudioStream | None: ...
@overload
def main_stream(container: InputContainer, kind: Kind) -> Stream | None: ...
def main_stream(container: InputContainer, kind: Kind) -> Stream | None:
    """Return the stream that a player would choose, or None; cover pictures of music files aren't video."""
    streams = container.streams.video if kind == "video" else container.streams.audio
    usable = [s for s in streams if s.codec_context is not None and not s.disposition & Disposition.attached_pic]
    best = container.streams.best(kind)
    return next((stream for stream in usable if stream is best), usable[0] if usable else None)


def start_of_file_s(container: InputContainer) -> float:
    """Return the time stamp that counts as second 0 of the file (the earliest start of its streams, as ffmpeg has it)."""
    return (container.start_time or 0) / MICROSECONDS


def seconds(stamp: int, base: Fraction | None) -> float:
    """Return a time stamp in seconds; `base` is the stream's time base (fetch it once: it is made anew by each access)."""
    return stamp * base.numerator / base.denominator if base else 0.0


def declared_end_s(container: InputContainer, stream: Stream) -> float | None:
    """Return when a stream should end, in seconds from the start of the file; None where the file doesn't say."""
    if container.format.name in GUESSED_DURATION_FORMATS:
        return None
    if stream.duration is not None:
        return seconds((stream.start_time or 0) + stream.duration, stream.time_base) - start_of_file_s(container)
    if "DURATION" in stream.metadata:  # Matroska: "00:00:05.120000000", the time stamp of the end
        hours, minutes, rest = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(rest) - start_of_file_s(container)
    only_one = len(container.streams) == 1  # else the container's duration may be that of another stream
    return container.duration / MICROSECONDS if only_one and container.duration is not None else None


def no_streams(path: Path | str) -> MediaError:
    """The error for a file that opens and holds nothing to see or hear."""
    return MediaError(
        "no_streams", "the file holds neither picture nor sound", str(path), "give an audio or video file"
    )


def check_pixels(width: int, height: int, path: Path | str) -> None:
    """Refuse pictures that would not fit a sensible memory.

    Raises:
        MediaError: `too_many_pixels`.
    """
    if width * height > MAX_PIXELS:
        what = f"pictures of {width} x {height} are larger than {MAX_PIXELS / 1e6:.0f} megapixels"
        raise MediaError(
            "too_many_pixels", what, str(path), "scale the video down, for example: ffmpeg -vf scale=1920:-2"
        )


def _unreadable(where: str) -> MediaError:
    return MediaError("unreadable", "no permission to read the file", where, "change its permissions")


def _cannot_open(file: Path, error: Exception) -> MediaError:
    """Tell a cut-off MP4 (its index is at the end) from something that never was media."""
    with file.open("rb") as raw:
        head = raw.read(12)
    if head[4:8] == b"ftyp":
        what, fix = (
            "the index of this MP4 is missing: the file is cut off or unfinished",
            "fetch or export the clip again",
        )
        return MediaError("truncated", what, str(file), fix)
    what = f"no audio or video format is recognised ({_reason(error)})"
    return MediaError("not_media", what, str(file), "give an audio or video file; a download may be an error page")


def _reason(error: Exception) -> str:
    """Return FFmpeg's words without its number and the path."""
    return error.strerror or str(error) if isinstance(error, av.FFmpegError) else str(error)


def _audio_stream(stream: av.audio.stream.AudioStream) -> AudioStream:
    codec = stream.codec_context
    return AudioStream(codec.sample_rate, codec.channels, codec.name)


def _video_stream(container: InputContainer, stream: av.video.stream.VideoStream, path: Path | str) -> VideoStream:
    check_pixels(stream.codec_context.width, stream.codec_context.height, path)
    try:
        frame = cast("VideoFrame | None", next(container.decode(stream), None))
    except av.FFmpegError as error:
        raise MediaError(
            "decode_failed", f"the first picture cannot be decoded ({_reason(error)})", str(path), RE_EXPORT
        ) from error
    if frame is None:
        raise MediaError("decode_failed", "the video stream holds no picture", str(path), RE_EXPORT)
    fps = stream.average_rate
    codec = stream.codec_context.name
    return VideoStream(frame.width, frame.height, float(fps) if fps else None, codec, frame.rotation, stream.frames)
