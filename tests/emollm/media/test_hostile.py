"""Each kind of file that breaks readers gives a right answer, a coded error or a flag."""

import os

import numpy as np
import pytest

from emollm.media import MediaError, decode
from tests.emollm.media import hostile


@pytest.mark.parametrize("kind", hostile.REFUSED)
def test_what_cannot_be_used_has_a_code(kind, tmp_path):
    code, make = hostile.REFUSED[kind]
    path = make(tmp_path)
    with pytest.raises(MediaError) as caught:
        decode(path)
    assert (caught.value.code, caught.value.where) == (code, str(path))
    assert caught.value.fix


@pytest.mark.parametrize("kind", hostile.READ)
def test_what_can_be_shown_is_shown_right(kind, tmp_path, read_number):
    numbers, flags, make = hostile.READ[kind]
    clip = decode(make(tmp_path), frames=4, max_side_px=64)
    assert [read_number(picture) for picture in clip.frames] == numbers
    assert set(clip.flags) == flags
    assert np.all(np.diff(clip.frame_times_s) > 0)
    assert clip.frame_times_s[-1] < clip.duration_s


def test_sound_that_is_not_what_its_name_says(tmp_path):
    tone = hostile.sine(440, 1, 44100)[None]
    for name, codec in (("a.mp3", "libmp3lame"), ("b.m4a", "aac"), ("c.wav", "pcm_s16le")):
        made = hostile.write_clip(tmp_path / name, sound=tone, rate_hz=44100, audio_codec=codec)
        clip = decode(made.rename(made.with_suffix(".mp4")))
        assert (clip.states, clip.flags) == ({"audio": "present", "video": "absent"}, ())
        assert len(clip.audio) == pytest.approx(16000, abs=900)


def test_still_picture_named_mp4(tmp_path):
    clip = decode(hostile.renamed(hostile.picture(tmp_path / "a.jpg", (60, 40)), ".mp4"))
    assert clip.frames.shape == (1, 40, 60, 3)
    assert np.abs(clip.frames[0, 20, 30].astype(int) - (200, 80, 40)).max() < 6
    assert clip.flags == ("few_frames",)


def test_rotated_odd_sized_and_video_only(tmp_path):
    clip = decode(hostile.video(tmp_path / "turned.mp4", 8, rotation_deg=90))
    assert (clip.frames.shape[1:3], clip.states) == ((64, 32), {"audio": "absent", "video": "present"})
    odd = [hostile.painted(k, 37, 23) for k in range(8)]
    clip = decode(hostile.write_clip(tmp_path / "odd.mp4", odd, pix_fmt="yuv444p"))
    assert clip.frames.shape == (8, 23, 37, 3)


def test_file_cut_in_the_middle_is_never_a_silent_short_read(tmp_path):
    clip = decode(hostile.cut(hostile.talking(tmp_path / "a.mp4", container_options=hostile.FASTSTART), 0.5))
    assert {"short_audio", "short_video", "truncated"} <= set(clip.flags)


@pytest.mark.parametrize("seed", range(5))
def test_flipped_bytes_are_read_or_flagged(tmp_path, seed, read_number):
    """Damage may hide in what the codec conceals; what is lost of the two seconds has a flag."""
    path = hostile.flipped(hostile.talking(tmp_path / "a.mp4"), seed)
    try:
        clip = decode(path)
    except MediaError as error:
        assert error.code in {"decode_failed", "bad_timestamps", "not_media", "truncated"}
        return
    lost = clip.frames is None or len(clip.frames) < 8 or clip.audio is None or len(clip.audio) < 31000
    assert not lost or {"damaged", "truncated", "short_audio", "short_video"} & set(clip.flags)


def test_no_permission(tmp_path):
    path = hostile.video(tmp_path / "a.mp4", 2)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(MediaError) as caught:
        decode(path)
    assert caught.value.code == "unreadable"
