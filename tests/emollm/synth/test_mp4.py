"""Clips are readable, of the right length, the same for the same input, and never half written."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from emollm.errors import EmoError
from emollm.synth.face import draw_frames
from emollm.synth.mp4 import render, write_clip
from emollm.synth.script import PROSODY, Action, ClipScript, Face, Speaker, Voice
from emollm.synth.voice import speak

SPEAKER = Speaker("x", Face(*[0.5] * 11, 1, 0.5, False), Voice(140.0, 1.0, 0.25, 4.4), 1.0, 1.0, False, {})
ACTIONS = (Action("au12", 0.8, 0.1, 0.3, 1.5, 1.8),)
CLIP = ClipScript(7, 2.0, SPEAKER, ACTIONS, dict.fromkeys(PROSODY, 0.0), (0.2, 1.8), 6, "present", "present")


def read(path: Path) -> tuple[np.ndarray | None, np.ndarray | None, int]:
    """Return frames, samples and the sample rate of a file."""
    frames, samples, rate = None, None, 0
    with av.open(str(path)) as file:
        if file.streams.video:
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
    with av.open(str(path)) as file:
        if file.streams.audio:
            rate = file.streams.audio[0].rate
            blocks = [(frame.to_ndarray(), frame.format.name) for frame in file.decode(audio=0)]
            samples = np.concatenate([b.ravel() / (32768 if form.startswith("s16") else 1) for b, form in blocks])
    return frames, samples, rate


def test_a_whole_clip_can_be_read_back(tmp_path: Path) -> None:
    path = render(CLIP, tmp_path / "clip.one")
    assert path == tmp_path / "clip.one.mp4"
    frames, samples, rate = read(path)
    assert frames is not None and samples is not None and rate == 16000
    assert frames.shape == (20, 128, 128, 3)
    assert np.abs(frames.astype(float) - draw_frames(CLIP)).mean() < 6
    assert abs(len(samples) / rate - 2.0) < 0.1
    spoken = speak(CLIP)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(np.sqrt(np.mean(spoken**2)), rel=0.15)


def test_sound_and_picture_stay_together(tmp_path: Path) -> None:
    """A click and a flash at one second come back at one second."""
    frames, audio = np.zeros((20, 64, 64, 3), np.uint8), np.zeros(32000, np.float32)
    frames[10:], audio[16000:16160] = 255, 0.8
    path = tmp_path / "click.mp4"
    write_clip(path, frames, audio)
    seen, heard, rate = read(path)
    assert seen is not None and heard is not None
    assert int(np.argmax(seen.mean(axis=(1, 2, 3)) > 128)) == 10
    assert np.argmax(np.abs(heard) > 0.3) / rate == pytest.approx(1.0, abs=0.02)


def test_sound_alone_becomes_a_wav_file(tmp_path: Path) -> None:
    path = render(replace(CLIP, video_state="absent"), tmp_path / "clip")
    frames, samples, rate = read(path)
    assert path.suffix == ".wav" and frames is None and rate == 16000
    assert samples == pytest.approx(speak(CLIP), abs=1e-4)


@pytest.mark.parametrize(("state", "has_stream"), [("absent", False), ("silent", True)])
def test_no_sound_and_silent_sound_are_different_files(tmp_path: Path, state: str, has_stream: bool) -> None:
    frames, samples, _ = read(render(replace(CLIP, audio_state=state), tmp_path / "clip"))
    assert frames is not None and (samples is not None) == has_stream
    assert samples is None or np.abs(samples).max() < 1e-4


@pytest.mark.parametrize(("state", "lowest", "highest"), [("black", 0, 2), ("no_face", 40, 220)])
def test_pictures_without_a_face(tmp_path: Path, state: str, lowest: float, highest: float) -> None:
    frames, samples, _ = read(render(replace(CLIP, video_state=state), tmp_path / "clip"))
    assert frames is not None and lowest <= frames.mean() <= highest
    assert samples is not None and np.abs(samples).max() > 0.05


@pytest.mark.parametrize("video_state", ["present", "absent"])
def test_the_same_script_gives_the_same_bytes(tmp_path: Path, video_state: str) -> None:
    clip = replace(CLIP, video_state=video_state)
    assert render(clip, tmp_path / "a").read_bytes() == render(clip, tmp_path / "b").read_bytes()


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"old")
    frames = np.zeros((4, 64, 64, 3), np.uint8)
    with pytest.raises((ValueError, TypeError, av.FFmpegError)):
        write_clip(path, frames, np.zeros((3, 5, 7), np.float32))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(EmoError, match="needs frames, audio or both"):
        write_clip(tmp_path / "a.mp4", None, None)
    with pytest.raises(EmoError, match=r"written as \.wav"):
        write_clip(tmp_path / "a.mp4", None, np.zeros(100, np.float32))
    assert list(tmp_path.iterdir()) == []
