"""Decoded clips on disk: the same clip again, without decoding; private, whole, capped."""

import os
import shutil

import numpy as np
import pytest

from emollm.media import MediaError, cache, decode
from emollm.media.cache import ClipCache
from emollm.media.hashes import MediaHashes


@pytest.fixture(autouse=True)
def _count(monkeypatch):
    """Count what is decoded."""
    decoded.clear()

    def counted(path, **settings):
        decoded.append(str(path))
        return decode(path, **settings)

    monkeypatch.setattr(cache, "decode", counted)


decoded: list[str] = []


@pytest.fixture
def talking(clip, sine):
    return clip("talking.mp4", n=25, sound=np.stack([sine(440, 1, 48000)] * 2))


def entries():
    return list(ClipCache().folder.rglob("*.clip"))


def same(a, b):
    assert (a.frames == b.frames).all()
    assert (a.audio == b.audio).all()
    assert (a.frame_times_s == b.frame_times_s).all()
    assert (a.sample_rate_hz, a.duration_s, a.states, a.flags) == (b.sample_rate_hz, b.duration_s, b.states, b.flags)


def test_first_and_second_time_give_the_same_and_only_one_decodes(talking, tmp_path):
    first = ClipCache().decode(talking, frames=4)
    second = ClipCache().decode(shutil.copy(talking, tmp_path / "copy.mp4"), frames=4, max_side_px=512)
    assert decoded == [str(talking)]
    same(first, second)
    assert second.frames.dtype == np.uint8 and second.audio.dtype == np.float32


def test_what_comes_back_is_the_clip(talking, read_number):
    got, right = ClipCache().decode(talking, frames=5), decode(talking, frames=5)
    assert [read_number(picture) for picture in got.frames] == [2, 7, 12, 17, 22]
    assert np.abs(got.frames.astype(int) - right.frames).mean() < 2
    np.testing.assert_allclose(got.audio, right.audio, atol=1 / 32767)
    assert (got.states, got.flags, got.duration_s) == (right.states, right.flags, right.duration_s)


def test_sound_above_full_scale_is_not_clipped(clip, sine):
    loud = clip("a.wav", n=None, sound=sine(440, 1, 16000, 1.5)[None], rate_hz=16000, audio_codec="pcm_f32le")
    got = ClipCache().decode(loud)
    assert np.abs(got.audio).max() == pytest.approx(1.5, abs=1e-3)
    assert got.frames is None


@pytest.mark.parametrize(
    "settings", [{"frames": 3}, {"max_side_px": 32}, {"start_s": 0.5}, {"want_audio": False}, {"crop": (0, 0, 0.5, 1)}]
)
def test_other_settings_are_other_clips(talking, settings):
    ClipCache().decode(talking)
    ClipCache().decode(talking, **settings)
    assert len(decoded) == len(entries()) == 2


def test_changed_file_is_decoded_again(talking, clip):
    ClipCache().decode(talking)
    clip("talking.mp4", n=9)
    assert len(ClipCache().decode(talking, frames=50).frames) == 9


@pytest.mark.parametrize("damage", [lambda b: b[:-7], lambda b: b[:2], lambda b: b"", lambda b: b[:-900] + bytes(900)])
def test_damaged_entry_is_made_anew(talking, damage):
    first = ClipCache().decode(talking)
    (entry,) = entries()
    entry.write_bytes(damage(entry.read_bytes()))
    same(ClipCache().decode(talking), first)
    same(ClipCache().decode(talking), first)
    assert len(decoded) == 2


def test_nobody_else_may_look_and_nothing_torn_is_left(talking):
    ClipCache().decode(talking)
    assert ClipCache().folder.stat().st_mode & 0o777 == 0o700
    assert [path.suffix for path in ClipCache().folder.rglob("*") if path.is_file()] == [".clip"]


def test_least_recently_used_goes_when_there_is_too_much(clip):
    paths = [clip(f"{k}.mp4", n=5 + k) for k in range(4)]
    for k, path in enumerate(paths[:3]):
        ClipCache().decode(path)
        (newest,) = [entry for entry in entries() if entry.stat().st_mtime > 1000]
        os.utime(newest, (100 + k, 100 + k))
    sizes = sum(entry.stat().st_size for entry in entries())
    os.utime(next(entry for entry in entries() if entry.stat().st_mtime == 100), (103, 103))  # used again
    ClipCache(limit_bytes=sizes + 1).decode(paths[3])
    decoded.clear()
    for path in paths:
        ClipCache().decode(path)
    assert decoded == [str(paths[1]), str(paths[2])]


def test_full_disk_does_not_stop_the_run(talking, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "utime", full)
    monkeypatch.setattr(ClipCache, "_write", full)
    assert len(ClipCache().decode(talking).frames) == 8
    assert not entries()


def test_errors_are_told_and_not_kept(tmp_path):
    path = tmp_path / "a.mp4"
    for content, code in ((b"", "empty_file"), (b"no media", "not_media")):
        path.write_bytes(content)
        with pytest.raises(MediaError) as caught:
            ClipCache().decode(path)
        assert caught.value.code == code
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError) as caught, MediaHashes() as hashes:
        assert hashes.sha256(tmp_path / "pipe.mp4") is None
        ClipCache().decode(tmp_path / "pipe.mp4")
    assert caught.value.code == "not_a_file"
    assert not entries()
