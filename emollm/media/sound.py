"""Read the sound of a span as one float32 waveform: mean of the channels, resampled by soxr (HQ).

FFmpeg's own mixing to mono in floating point adds 3 dB (0.707 (L + R)); the mean doesn't. Resampling is linear, so the
mean is taken before it: the same waveform as resampling each channel first, for a fraction of the work.
Resampler: soxr, https://sourceforge.net/projects/soxr/ (also librosa's default), in one streaming pass.

Every sample keeps its place in time: a late start and gaps are filled with silence, overlaps are cut.
Does not: weigh channels (the dialogue of a 5.1 file sits in one of six), normalise loudness, remove an offset.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from emollm.errors import MediaError
from emollm.media.timeline import MAX_SPAN_S, SEEK_MARGIN_S, Reading, Span, timed_frames, too_long

GAP_S = 0.1  # smaller jumps of the time stamps are rounding
LONGEST_GAP_S = 600.0
FRAMES_AT_ONCE = 64  # resampled in one call: each call costs as much as several frames
SILENT_PEAK = 1e-3  # -60 dB of full scale


def read_sound(
    path: Path | str, sample_rate_hz: int, span: Span, reading: Reading
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Decode the span and return its waveform (samples,) and flags; sample 0 is at the span's start.

    An empty waveform means that the sound ends before the span starts.

    Raises:
        MediaError: `too_long`, `bad_timestamps` where the sound jumps by minutes, `decode_failed` where it isn't finite.
    """
    line = _Line(sample_rate_hz)
    first_s: float | None = None
    for timed in timed_frames(path, "audio", span, reading):
        first_s = timed.start_s if first_s is None else first_s
        if timed.end_s - first_s > MAX_SPAN_S + SEEK_MARGIN_S:
            raise too_long(timed.end_s - first_s, path)
        line.add(timed.start_s, timed.frame, str(path))
    if first_s is None:
        return np.zeros(0, np.float32), ()
    samples = cut_to_span(line.finish(), first_s, sample_rate_hz, span)
    if not np.isfinite(samples).all():
        raise MediaError("decode_failed", "the sound holds samples that aren't numbers", str(path), "export it again")
    return samples, tuple(sorted(line.flags))


def is_silent(samples: NDArray[np.float32]) -> bool:
    """Tell whether the peak of a waveform stays below -60 dB of full scale."""
    return not samples.size or float(np.abs(samples).max()) < SILENT_PEAK


def to_mono(frame: AudioFrame) -> NDArray[np.float32]:
    """Return the mean of a frame's channels as float32 (samples,) with full scale at 1."""
    raw = frame.to_ndarray()  # planar: (channels, samples); packed: (1, samples * channels)
    channels = raw if frame.format.is_planar else raw.reshape(-1, frame.layout.nb_channels).T  # (channels, samples)
    if raw.dtype == np.float32:
        return np.add.reduce(channels, axis=0) / np.float32(len(channels))  # (samples,)
    mono = channels.mean(axis=0, dtype=np.float64)  # (samples,)
    if raw.dtype == np.uint8:
        mono = (mono - 128) / 128
    elif raw.dtype.kind == "i":
        mono = mono / 2.0 ** (8 * raw.dtype.itemsize - 1)
    return mono.astype(np.float32)


class _Line:
    """The waveform as it grows: keeps the resampler and the time of the next sample between frames."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.flags: set[str] = set()
        self._out_hz, self._in_hz = sample_rate_hz, 0
        self._next_s: float | None = None
        self._waiting: list[NDArray[np.float32]] = []
        self._pieces: list[NDArray[np.float32]] = []
        self._resampler: soxr.ResampleStream | None = None

    def add(self, start_s: float, frame: AudioFrame, where: str) -> None:
        """Append a frame at its time."""
        if frame.sample_rate != self._in_hz:
            self._drain()
            self._in_hz = frame.sample_rate
            same = self._in_hz == self._out_hz
            self._resampler = None if same else soxr.ResampleStream(self._in_hz, self._out_hz, 1, "float32", "HQ")
        mono = self._placed(start_s, to_mono(frame), where)
        self._push(mono)

    def finish(self) -> NDArray[np.float32]:
        """Return all of it, (samples,)."""
        self._drain()
        return np.concatenate([np.zeros(0, np.float32), *self._pieces])

    def _placed(self, start_s: float, mono: NDArray[np.float32], where: str) -> NDArray[np.float32]:
        """Fill the gap before a frame, or cut what overlaps, and move the clock on."""
        next_s = start_s if self._next_s is None else self._next_s
        gap_s = start_s - next_s
        if gap_s > LONGEST_GAP_S:
            what = f"the sound stops at {next_s:.1f} s and goes on at {start_s:.1f} s"
            raise MediaError("bad_timestamps", what, where, "export the clip again with fresh time stamps")
        if gap_s > GAP_S:
            self.flags.add("audio_gap")
            mono = np.concatenate([np.zeros(round(gap_s * self._in_hz), np.float32), mono])  # (gap + samples,)
        elif gap_s < -GAP_S:
            self.flags.add("audio_overlap")
            mono = mono[round(-gap_s * self._in_hz) :]
        self._next_s = next_s + len(mono) / self._in_hz
        return mono

    def _push(self, mono: NDArray[np.float32]) -> None:
        self._waiting.append(mono)
        if len(self._waiting) >= FRAMES_AT_ONCE:
            self._resample(last=False)

    def _drain(self) -> None:
        self._resample(last=True)

    def _resample(self, last: bool) -> None:
        mono = np.concatenate([np.zeros(0, np.float32), *self._waiting])
        self._waiting.clear()
        self._pieces.append(mono if self._resampler is None else self._resampler.resample_chunk(mono, last=last))


def cut_to_span(samples: NDArray[np.float32], first_s: float, sample_rate_hz: int, span: Span) -> NDArray[np.float32]:
    """Lay a waveform that starts at `first_s` into the span: silence before a late start, nothing beyond either end."""
    offset = round((first_s - span.start_s) * sample_rate_hz)
    if span.end_s is not None:
        samples = samples[: max(0, round((span.end_s - span.start_s) * sample_rate_hz) - offset)]
    if offset < 0:
        return np.ascontiguousarray(samples[-offset:])
    return np.concatenate([np.zeros(offset if samples.size else 0, np.float32), samples])
