"""Write synthetic clips: H.264 and AAC in .mp4, or PCM in .wav when there are no pictures; `render(script, stem)` does a whole clip.

The same input gives the same bytes (one encoder thread, no dates in the file). A file is written beside its place and moved there when it
is complete, so that a broken run leaves no half-written clip.
"""

from __future__ import annotations

import os
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from emollm.errors import EmoError
from emollm.synth.face import draw_frames
from emollm.synth.script import ClipScript
from emollm.synth.voice import speak

FPS = 10
SAMPLE_RATE_HZ = 16000
AUDIO_BIT_RATE = 64_000
AUDIO_OPTIONS = {"aac_coder": "fast"}  # five times as fast as the default, and as good at this rate
VIDEO_OPTIONS = {"crf": "20", "preset": "veryfast", "threads": "1"}


def render(script: ClipScript, stem: Path) -> Path:
    """Draw and speak one clip and write it.

    Args:
        script: The clip; `video_state` "absent" gives a .wav file, `audio_state` "absent" an .mp4 file without sound.
        stem: Where to write, without the suffix.

    Returns:
        The path of the file.
    """
    frames = None if script.video_state == "absent" else draw_frames(script, fps=FPS)
    audio = None if script.audio_state == "absent" else speak(script, SAMPLE_RATE_HZ)
    path = stem.with_name(stem.name + (".wav" if frames is None else ".mp4"))
    write_clip(path, frames, audio, FPS, SAMPLE_RATE_HZ)
    return path


def write_clip(
    path: Path, frames: np.ndarray | None, audio: np.ndarray | None, fps: int = 10, sample_rate_hz: int = 16000
) -> None:
    """Write one clip.

    Args:
        path: Ends in .mp4 when there are frames, else in .wav.
        frames: RGB, uint8, (frames, height, width, 3) with even height and width, or None.
        audio: Mono, float32 in -1..1, (samples,), or None.
        fps: Frames per second.
        sample_rate_hz: Samples per second.

    Raises:
        EmoError: There is neither picture nor sound, or the suffix doesn't fit.
    """
    if frames is None and audio is None:
        raise EmoError("a clip needs frames, audio or both", str(path))
    suffix = ".wav" if frames is None else ".mp4"
    if path.suffix != suffix:
        raise EmoError(f"this clip would be written as {suffix}", str(path), f"name it {path.stem}{suffix}")
    if frames is not None:
        _in_one_piece(path, lambda beside: _write_mp4(beside, frames, audio, fps, sample_rate_hz))
    elif audio is not None:
        _in_one_piece(path, lambda beside: _write_wav(beside, audio, sample_rate_hz))


def _in_one_piece(path: Path, write: Callable[[Path], None]) -> None:
    """Write beside `path`, then move; remove what an error leaves."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _pcm16(audio: np.ndarray) -> np.ndarray:
    return (np.clip(audio, -1.0, 1.0) * 32767).round().astype("<i2")


def _write_wav(path: Path, audio: np.ndarray, sample_rate_hz: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(_pcm16(audio).tobytes())


def _write_mp4(path: Path, frames: np.ndarray, audio: np.ndarray | None, fps: int, sample_rate_hz: int) -> None:
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=fps, options=VIDEO_OPTIONS)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        sound = None
        if audio is not None:
            sound = container.add_stream("aac", rate=sample_rate_hz, layout="mono", options=AUDIO_OPTIONS)
            sound.bit_rate = AUDIO_BIT_RATE
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None and audio is not None:
            waveform = av.AudioFrame.from_ndarray(
                audio.astype(np.float32)[None], format="fltp", layout="mono"
            )  # (1, samples)
            waveform.sample_rate, waveform.pts, waveform.time_base = sample_rate_hz, 0, Fraction(1, sample_rate_hz)
            container.mux(sound.encode(waveform))
            container.mux(sound.encode(None))
