"""Other decoders behind the same function: `decode(path, backend="decord")`, `decode(path, backend="torchcodec")`.

Both choose pictures by the count that the decoder gives, resize them as ours does, and bring sound to the level of the
mean of the channels (decord: mono and stereo only), so that what differs is the decoder's own. docs/media.md shows where
they are wrong (stream-copied cuts, rotation, AV1, damage that goes unnoticed) and why PyAV is the default. They hold a
whole sound track in memory, and cannot tell damage.

- decord 0.6.0, https://github.com/dmlc/decord: no longer maintained.
- torchcodec, https://github.com/meta-pytorch/torchcodec (exact mode): needs torch, and FFmpeg's libraries on the system.
"""

from __future__ import annotations

import importlib
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import soxr
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from emollm.errors import ConfigError, MediaError
from emollm.media import pictures, sound
from emollm.media.pictures import WHOLE, Crop, fit, to_rgb, uniform_indices
from emollm.media.probe import RE_EXPORT, Kind, declared_end_s, main_stream, open_media, seconds, start_of_file_s
from emollm.media.sound import cut_to_span
from emollm.media.timeline import CLOCK_TOLERANCE_S, Reading, Span

Backend = Literal["pyav", "decord", "torchcodec"]
Pictures = tuple[NDArray[np.uint8], NDArray[np.float64]]
Sound = tuple[NDArray[np.float32], tuple[str, ...]]


class Functions(NamedTuple):
    """How a decoder reads pictures and sound; see `pictures.read_pictures` and `sound.read_sound`."""

    read_pictures: Callable[[Path | str, int, int | None, Span, Reading, int, Crop], Pictures]
    read_sound: Callable[[Path | str, int, Span, Reading], Sound]


def functions(backend: Backend) -> Functions:
    """Return the functions of a decoder.

    Raises:
        ValueError: There is no decoder of this name.
    """
    if backend not in _BACKENDS:
        raise ValueError(f"backend {backend!r} is none of {', '.join(_BACKENDS)}")
    return _BACKENDS[backend]


def _decord_pictures(
    path: Path | str,
    n: int,
    max_side_px: int | None,
    span: Span,
    reading: Reading,
    expected: int,
    crop: Crop = WHOLE,
) -> Pictures:
    decord = _imported("decord", "pip install 'emollm[media]' (x86_64 only)")
    with _coded(path, "video"):
        video = decord.VideoReader(str(path), num_threads=1)
        source = _Source(
            length=len(video),
            start_s_of=lambda at: float(video.get_frame_timestamp([at])[0][0]),
            read=lambda indices: np.asarray(video.get_batch(indices).asnumpy()),
            counts_from_stream=True,
        )
        return _chosen(path, n, max_side_px, span, reading, source, crop)


def _decord_sound(path: Path | str, sample_rate_hz: int, span: Span, reading: Reading) -> Sound:
    decord = _imported("decord", "pip install 'emollm[media]' (x86_64 only)")
    with _coded(path, "audio"):
        heard = decord.AudioReader(str(path))  # mono: with mono=False all channels but the first are random memory
        heard.add_padding()
        samples = np.asarray(heard[:].asnumpy(), np.float32)  # (1, samples)
    if _declared(path, "audio", reading).channels == 2:
        samples = samples / np.float32(np.sqrt(2))  # FFmpeg's mix in floating point is 3 dB above the mean
    return _placed(path, samples, None, sample_rate_hz, span, reading)


def _torchcodec_pictures(
    path: Path | str,
    n: int,
    max_side_px: int | None,
    span: Span,
    reading: Reading,
    expected: int,
    crop: Crop = WHOLE,
) -> Pictures:
    decoders = _imported("torchcodec.decoders", "pip install torchcodec, and FFmpeg's libraries")
    with _coded(path, "video"):
        video = decoders.VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact")
        source = _Source(
            length=len(video),
            start_s_of=lambda at: float(video.get_frame_at(at).pts_seconds),
            read=lambda indices: video.get_frames_at(indices).data.numpy(),
        )
        return _chosen(path, n, max_side_px, span, reading, source, crop)


def _torchcodec_sound(path: Path | str, sample_rate_hz: int, span: Span, reading: Reading) -> Sound:
    decoders = _imported("torchcodec.decoders", "pip install torchcodec, and FFmpeg's libraries")
    with _coded(path, "audio"):
        heard = decoders.AudioDecoder(str(path)).get_all_samples()
    return _placed(path, heard.data.numpy(), heard.pts_seconds, sample_rate_hz, span, reading)


_BACKENDS = {
    "pyav": Functions(pictures.read_pictures, sound.read_sound),
    "decord": Functions(_decord_pictures, _decord_sound),
    "torchcodec": Functions(_torchcodec_pictures, _torchcodec_sound),
}


class _Source(NamedTuple):
    """A video as an indexed sequence: its length, when a picture is shown, and the pictures.

    Times are the file's own time stamps, or count from the first picture (`counts_from_stream`).
    """

    length: int
    start_s_of: Callable[[int], float]
    read: Callable[[list[int]], NDArray[np.uint8]]
    counts_from_stream: bool = False


def _chosen(
    path: Path | str, n: int, max_side_px: int | None, span: Span, reading: Reading, source: _Source, crop: Crop
) -> Pictures:
    """Read n pictures of the span and scale them; the reading is filled with what the decoder claims."""
    declared = _declared(path, "video", reading)
    origin_s = declared.origin_s - (declared.start_s if source.counts_from_stream else 0.0)

    def start_s_of(at: int) -> float:
        return source.start_s_of(at) - origin_s

    every = range(source.length)
    first = bisect_left(every, span.start_s - CLOCK_TOLERANCE_S, key=start_s_of) if span.start_s else 0
    end = source.length if span.end_s is None else bisect_left(every, span.end_s - CLOCK_TOLERANCE_S, key=start_s_of)
    wanted = [first + at for at in uniform_indices(max(0, end - first), n)]
    if not wanted:
        return np.zeros((0, 0, 0, 3), np.uint8), np.zeros(0)
    reading.frames = end - first
    reading.decoded_end_s = start_s_of(end - 1) + declared.frame_s
    raw = source.read(wanted)  # (n, height, width, 3)
    whole = [VideoFrame.from_ndarray(picture, "rgb24") for picture in raw]
    size = fit(whole[0], max_side_px, crop)
    frames = np.stack([to_rgb(frame, size, crop) for frame in whole])
    return frames, np.maximum([start_s_of(at) - span.start_s for at in wanted], 0.0)


def _placed(
    path: Path | str,
    samples: NDArray[np.float32],
    start_s: float | None,
    sample_rate_hz: int,
    span: Span,
    reading: Reading,
) -> Sound:
    """Mix (channels, samples) that start at `start_s` (None: with the file), resample them, and cut the span out."""
    declared = _declared(path, "audio", reading)
    first_s = 0.0 if start_s is None else start_s - declared.origin_s
    rate_hz = declared.rate_hz
    mono = samples.mean(axis=0, dtype=np.float64).astype(np.float32)  # (samples,)
    reading.frames, reading.decoded_end_s = len(mono), first_s + len(mono) / rate_hz
    resampled = mono if rate_hz == sample_rate_hz else soxr.resample(mono, rate_hz, sample_rate_hz, "HQ")
    return cut_to_span(resampled, first_s, sample_rate_hz, span), ()


class _Declared(NamedTuple):
    """Plain values of a stream, which itself is gone with its container: starts in the file's own clock, lengths in seconds."""

    origin_s: float
    start_s: float
    frame_s: float = 0.0
    rate_hz: int = 0
    channels: int = 0


def _declared(path: Path | str, kind: Kind, reading: Reading) -> _Declared:
    """Return what the file says about its stream, and note when this should end."""
    with open_media(path) as container:
        stream: Any = main_stream(container, kind)
        if stream is None:
            raise LookupError(f"{path} has no {kind} stream")  # callers have looked before
        reading.declared_end_s = declared_end_s(container, stream)
        starts = start_of_file_s(container), seconds(stream.start_time or 0, stream.time_base)
        if kind == "video":
            return _Declared(*starts, frame_s=float(1 / stream.average_rate) if stream.average_rate else 0.0)
        context = stream.codec_context
        return _Declared(*starts, rate_hz=context.sample_rate, channels=context.channels)


def _imported(module: str, fix: str) -> Any:
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as error:  # torchcodec raises RuntimeError without FFmpeg's libraries
        what = f"{module.split('.')[0]} cannot be imported ({str(error).splitlines()[0]})"
        raise ConfigError(what, "backend", f"{fix}, or take backend pyav") from None


@contextmanager
def _coded(path: Path | str, kind: Kind) -> Iterator[None]:
    """Give a decoder's error our code."""
    try:
        yield
    except Exception as error:  # decord has classes of its own
        reason = " ".join(str(error).split())[-200:]
        raise MediaError(
            "decode_failed", f"the {kind} stream cannot be decoded ({reason})", str(path), RE_EXPORT
        ) from error
