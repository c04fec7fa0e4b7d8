"""Tiny clips made on the spot. Picture k shows k as eight black or white blocks, so the picture that came out is provable."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

WIDTH, HEIGHT = 64, 32


def painted(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A picture uint8 (height, width, 3): eight columns, the bits of `number`, the highest one left."""
    picture = np.zeros((height, width, 3), np.uint8)
    for bit in range(8):
        if number >> (7 - bit) & 1:
            picture[:, bit * width // 8 : (bit + 1) * width // 8] = 255
    return picture


def read_number(picture: np.ndarray) -> int:
    """The number painted in a picture (height, width, 3)."""
    height, width, _ = picture.shape
    centres = [picture[height // 2, (2 * bit + 1) * width // 16].mean() for bit in range(8)]
    return sum(int(grey > 128) << (7 - bit) for bit, grey in enumerate(centres))


def sine(freq_hz: float, seconds: float, rate_hz: int, amplitude: float = 0.5) -> np.ndarray:
    """A tone float32 (samples,)."""
    return (amplitude * np.sin(2 * np.pi * freq_hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def write_clip(
    path: Path,
    pictures: Iterable[np.ndarray] | None = None,
    *,
    fps: int = 25,
    times_ms: Sequence[int] | None = None,
    video_codec: str = "libx264",
    video_options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    rotation_deg: int | None = None,
    sound: np.ndarray | None = None,
    rate_hz: int = 48000,
    audio_codec: str = "aac",
    audio_start_s: float = 0.0,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write pictures (at `fps`, or at `times_ms`) and sound float32 (channels, samples) to one file."""
    with av.open(str(path), "w", options=container_options or {}) as out:
        video = audio = None
        if pictures is not None:
            pictures = list(pictures)
            preset = {"preset": "ultrafast"} if video_codec == "libx264" else {}
            video = out.add_stream(video_codec, rate=fps, options={**preset, **(video_options or {})})
            video.height, video.width = pictures[0].shape[:2]
            video.pix_fmt = "yuvj420p" if video_codec == "mjpeg" else pix_fmt
            video.codec_context.time_base = Fraction(1, 1000)
            if rotation_deg is not None:
                video.set_display_rotation(rotation_deg)
        if sound is not None:
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
            audio = out.add_stream(audio_codec, rate=rate_hz, layout=layout)
        if video is not None:
            times_ms = times_ms or [round(1000 * k / fps) for k in range(len(pictures))]
            for time_ms, picture in zip(times_ms, pictures, strict=True):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        if audio is not None:
            _encode_sound(out, audio, sound, rate_hz, audio_start_s)
    return path


def _encode_sound(out, audio, sound: np.ndarray, rate_hz: int, start_s: float) -> None:
    first = round(start_s * rate_hz)
    step = audio.codec_context.frame_size or 1024
    wanted = audio.codec_context.format
    for start in range(0, sound.shape[1], step):
        part = np.ascontiguousarray(sound[:, start : start + step])
        if wanted.name.startswith("u8"):
            part = np.round(part * 128 + 128).astype(np.uint8)
        elif wanted.name.startswith("s"):
            full = 2.0 ** (8 * wanted.bytes - 1)
            part = np.clip(np.round(part.astype(np.float64) * full), -full, full - 1).astype(f"int{8 * wanted.bytes}")
        elif wanted.name.startswith("dbl"):
            part = part.astype(np.float64)
        data = part if wanted.is_planar else np.ascontiguousarray(part.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(data, format=wanted.name, layout=audio.codec_context.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, first + start, Fraction(1, rate_hz)
        out.mux(audio.encode(frame))
    out.mux(audio.encode(None))


def cut_without_decoding(source: Path, target: Path, from_s: float) -> Path:
    """What `ffmpeg -ss T -i source -c copy target` does: packets from the keyframe before T, times moved so that T is 0."""
    with av.open(str(source)) as inp, av.open(str(target), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in inp.streams}
        inp.seek(round(from_s * 1e6), backward=True)
        for packet in inp.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio" and packet.pts * packet.time_base < from_s:
                continue
            shift = round(from_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return target


def write_sound_with_gap(path: Path, tone: np.ndarray, gap_s: float, rate_hz: int = 16000) -> Path:
    """A tone (samples,) whose second half starts `gap_s` late."""
    with av.open(str(path), "w") as out:
        audio = out.add_stream("pcm_f32le", rate=rate_hz, layout="mono")
        for start in range(0, len(tone), 1000):
            frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1000], format="flt", layout="mono")
            late = round(gap_s * rate_hz) if start >= len(tone) // 2 else 0
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, start + late, Fraction(1, rate_hz)
            out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    return path


def add_cover(song: Path, target: Path) -> Path:
    """The song with a picture attached, as music players show it."""
    with av.open(str(song)) as inp, av.open(str(target), "w") as out:
        audio = out.add_stream_from_template(inp.streams.audio[0])
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(painted(85), format="rgb24")
        out.mux(cover.encode(frame))
        out.mux(cover.encode(None))
        for packet in inp.demux(inp.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = audio
                out.mux(packet)
    return target


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Write a clip of `n` numbered pictures (None: no video) into the test's folder; see `write_clip`."""

    def make(name: str = "clip.mp4", n: int | None = 50, **options) -> Path:
        return write_clip(tmp_path / name, None if n is None else map(painted, range(n)), **options)

    return make


@pytest.fixture(name="painted")
def _painted() -> Callable[..., object]:
    return painted


@pytest.fixture(name="read_number")
def _read_number() -> Callable[..., object]:
    return read_number


@pytest.fixture(name="sine")
def _sine() -> Callable[..., object]:
    return sine


@pytest.fixture(name="write_clip")
def _write_clip() -> Callable[..., object]:
    return write_clip


@pytest.fixture(name="cut_without_decoding")
def _cut_without_decoding() -> Callable[..., object]:
    return cut_without_decoding


@pytest.fixture(name="write_sound_with_gap")
def _write_sound_with_gap() -> Callable[..., object]:
    return write_sound_with_gap


@pytest.fixture(name="add_cover")
def _add_cover() -> Callable[..., object]:
    return add_cover
