"""One file of each kind that breaks readers, made on the spot. Picture k of a video shows k (`conftest.painted`)."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.emollm.media.conftest import cut_without_decoding, painted, sine, write_clip

RATE_HZ = 16000
FASTSTART = {"movflags": "faststart"}


def video(path: Path, n: int = 50, **options) -> Path:
    """A clip of `n` numbered pictures, 25 a second, without sound."""
    return write_clip(path, map(painted, range(n)), **options)


def talking(path: Path, **options) -> Path:
    """Two seconds of picture and sound."""
    return video(path, 50, sound=sine(440, 2, RATE_HZ)[None], rate_hz=RATE_HZ, **options)


def cut(path: Path, share: float) -> Path:
    """Cut a file off."""
    os.truncate(path, round(path.stat().st_size * share))
    return path


def flipped(path: Path, seed: int = 0) -> Path:
    """Flip 60 bytes of the media part, 20 to 30 kB."""
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.rindex(b"moov") - 4
    for at in np.random.default_rng(seed).integers(start, end, 60):
        data[at] ^= 0xFF
    path.write_bytes(data)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def renamed(path: Path, suffix: str) -> Path:
    return path.rename(path.with_suffix(suffix))


def picture(path: Path, size: tuple[int, int]) -> Path:
    Image.new("RGB", size, (200, 80, 40)).save(path)
    return path


def sparse(path: Path, n_bytes: int) -> Path:
    """A file that claims a size and takes no room."""
    path.touch()
    os.truncate(path, n_bytes)
    return path


def hours_of_silence(path: Path, hours: float) -> Path:
    """A WAV of 8-bit silence; all but its head is a hole in the file."""
    size = round(hours * 3600) * 8000
    head = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += b"\x01\x00\x01\x00" + (8000).to_bytes(4, "little") * 2 + b"\x01\x00\x08\x00"
    path.write_bytes(head + b"data" + size.to_bytes(4, "little"))
    os.truncate(path, len(head) + 8 + size)
    return path


def eight_k(path: Path) -> Path:
    return write_clip(path, [painted(k, 7680, 4320) for k in range(2)], video_codec="mpeg4", fps=2)


def growing(path: Path) -> Path:
    """A Motion JPEG stream whose second picture is larger than the first, by far."""
    small, large = path.with_name("small.jpg"), path.with_name("large.jpg")
    frames = [picture(small, (64, 32)).read_bytes(), picture(large, (8192, 4500)).read_bytes()]
    small.unlink()
    large.unlink()
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=2)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuvj420p"
        for at, data in enumerate(frames):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, at, at, stream.time_base or 1
            out.mux(packet)
    return path


def link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


LONG_GOP = {"preset": "veryfast", "bf": "3", "b_strategy": "0", "g": "60", "sc_threshold": "0"}
VP9, SVT = {"cpu-used": "8"}, {"preset": "12"}
HTML = b"<!DOCTYPE html><html><body>404 not found</body></html>\n" * 30

REFUSED: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "zero bytes": ("empty_file", lambda d: written(d / "a.mp4", b"")),
    "random bytes": ("not_media", lambda d: written(d / "a.mp4", np.random.default_rng(0).bytes(9000))),
    "HTML": ("not_media", lambda d: written(d / "a.mp4", HTML)),
    "only zeros": ("not_media", lambda d: written(d / "a.mp4", bytes(9000))),
    "cut off, index at the end": ("truncated", lambda d: cut(talking(d / "a.mp4"), 0.8)),
    "head of an MP4 only": ("truncated", lambda d: written(d / "a.mp4", b"\x00\x00\x00\x18ftypmp42" + bytes(12))),
    "WAV without samples": ("no_streams", lambda d: hours_of_silence(d / "a.wav", 0)),
    "WAV of three hours": ("too_long", lambda d: hours_of_silence(d / "a.wav", 3)),
    "picture of 37 megapixels": ("too_many_pixels", lambda d: picture(d / "a.jpg", (8000, 4624))),
    "65 GB": ("too_large", lambda d: sparse(d / "a.mp4", 65 * 10**9)),
    "dangling link": ("missing_file", lambda d: link(d / "a.mp4", d / "gone.mp4")),
    "link to itself": ("missing_file", lambda d: link(d / "a.mp4", d / "a.mp4")),
    "folder": ("not_a_file", lambda d: folder(d / "a.mp4")),
    "FIFO": ("not_a_file", lambda d: pipe(d / "a.mp4")),
    "name that is too long": ("missing_file", lambda d: d / ("a" * 300 + ".mp4")),
    "name with a NUL": ("missing_file", lambda d: d / "a\0.mp4"),
}
"""Kind -> the code of its error, and what makes it in a folder."""

READ: dict[str, tuple[list[int], set[str], Callable[[Path], Path]]] = {
    "AV1": ([6, 18, 31, 43], set(), lambda d: video(d / "a.mp4", video_codec="libsvtav1", video_options=SVT)),
    "HEVC": ([6, 18, 31, 43], set(), lambda d: video(d / "a.mp4", video_codec="libx265")),
    "VP9": ([6, 18, 31, 43], set(), lambda d: video(d / "a.webm", video_codec="libvpx-vp9", video_options=VP9)),
    "10 bit": ([6, 18, 31, 43], set(), lambda d: video(d / "a.mp4", pix_fmt="yuv420p10le")),
    "4:4:4": ([6, 18, 31, 43], set(), lambda d: video(d / "a.mp4", pix_fmt="yuv444p")),
    "variable rate": ([2, 7, 12, 17], set(), lambda d: video(d / "a.mp4", 20, times_ms=[5 * k * k for k in range(20)])),
    "AVI named .mp4": ([6, 18, 31, 43], set(), lambda d: renamed(video(d / "a.avi", video_codec="mpeg4"), ".mp4")),
    "one frame": ([0], {"few_frames"}, lambda d: video(d / "a.mp4", 1)),
    "8K": ([0, 1], {"few_frames"}, lambda d: eight_k(d / "a.mp4")),
    "colon and line end in the name": ([6, 18, 31, 43], set(), lambda d: video(d / "take 1:\n%03d.mp4")),
    "edit list": (
        [95, 111, 126, 142],
        set(),
        lambda d: cut_without_decoding(video(d / "whole.mp4", 150, video_options=LONG_GOP), d / "a.mp4", 3.5),
    ),
    "late start": ([6, 18, 31, 43], set(), lambda d: video(d / "a.mkv", times_ms=[1500 + 40 * k for k in range(50)])),
    "pictures that grow": ([0], {"damaged", "few_frames", "short_video", "truncated"}, lambda d: growing(d / "a.avi")),
}
"""Kind of video -> the pictures that are the right answer for four, flags, and what makes it."""
