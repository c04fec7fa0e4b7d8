"""The right pictures, the right way round, at the right times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emollm.media import MediaError, decode, probe, timeline
from emollm.media.pictures import read_pictures, uniform_indices
from emollm.media.timeline import Reading, Span

LONG_GOP = {"preset": "veryfast", "bf": "3", "b_strategy": "0", "g": "60", "sc_threshold": "0"}


def numbers(clip, read_number):
    return [read_number(picture) for picture in clip.frames]


def test_constant_rate_gives_the_centres_of_equal_parts(clip, read_number):
    got = decode(clip(n=50), frames=5)
    assert numbers(got, read_number) == [5, 15, 25, 35, 45]
    np.testing.assert_allclose(got.frame_times_s, [0.2, 0.6, 1.0, 1.4, 1.8])
    assert got.frames.dtype == np.uint8
    assert got.frames.shape == (5, 32, 64, 3)
    assert (got.duration_s, got.audio, got.flags) == (2.0, None, ())
    assert got.states == {"audio": "absent", "video": "present"}


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_reordered_pictures_come_in_the_order_of_showing(clip, read_number, name):
    path = clip(name, n=90, video_options=LONG_GOP)
    got = decode(path, frames=90)
    assert numbers(got, read_number) == list(range(90))
    np.testing.assert_allclose(got.frame_times_s, np.arange(90) / 25, atol=1e-3)  # MPEG-TS itself starts at 1.4 s


@pytest.mark.parametrize(("name", "codec"), [("clip.avi", "mpeg4"), ("clip.webm", "libvpx-vp9"), ("clip.mov", "mjpeg")])
def test_other_codecs(clip, read_number, name, codec):
    path = clip(name, n=12, video_codec=codec, video_options={"cpu-used": "8"} if codec == "libvpx-vp9" else {})
    assert numbers(decode(path, frames=3), read_number) == [2, 6, 10]


def test_variable_rate_counts_pictures_not_time(clip, read_number):
    times_ms = [5 * k * k for k in range(20)]
    got = decode(clip(n=20, times_ms=times_ms), frames=4)
    assert numbers(got, read_number) == [2, 7, 12, 17]
    np.testing.assert_allclose(got.frame_times_s, [times_ms[k] / 1000 for k in (2, 7, 12, 17)], atol=1e-3)


def test_stream_copied_cut_shows_what_a_player_shows(clip, read_number, cut_without_decoding, tmp_path):
    cut = cut_without_decoding(clip(n=150, video_options=LONG_GOP), tmp_path / "cut.mp4", from_s=3.5)
    got = decode(cut, frames=200)
    assert probe(cut).video.declared_frames > 62, (
        "the header counts pictures that aren't shown: else this proves nothing"
    )
    assert numbers(got, read_number) == list(range(88, 150))
    assert got.frame_times_s[0] == pytest.approx(0, abs=0.04)
    assert got.duration_s == pytest.approx(2.5, abs=0.04)
    assert got.flags == ("few_frames",)
    assert numbers(decode(cut, frames=2), read_number) == [88 + 15, 88 + 46]


@pytest.mark.parametrize("start_s", [1.0, 6.0, 7.32])
def test_span_gives_only_its_pictures(clip, read_number, start_s):
    """The later starts are reached by a seek, the first one isn't."""
    path = clip(n=200, video_options=LONG_GOP)
    got = decode(path, frames=50, start_s=start_s, end_s=start_s + 0.4)
    first = round(start_s * 25)
    assert numbers(got, read_number) == list(range(first, first + 10))
    np.testing.assert_allclose(got.frame_times_s, np.arange(10) / 25, atol=1e-6)
    assert got.duration_s == pytest.approx(0.4)


def test_seek_that_lands_behind_the_start_is_not_trusted(clip, read_number, monkeypatch):
    path = clip(n=200, video_options=LONG_GOP)
    monkeypatch.setattr(timeline, "SEEK_MARGIN_S", -2.0)
    assert numbers(decode(path, frames=60, start_s=5.6), read_number) == list(range(140, 200))


def test_neighbouring_spans_share_no_picture(clip, read_number):
    path = clip(n=30)
    halves = [decode(path, frames=30, start_s=a, end_s=b) for a, b in [(0, 0.6), (0.6, None)]]
    assert [n for half in halves for n in numbers(half, read_number)] == list(range(30))


def test_more_pictures_wanted_than_there_are_gives_each_once(clip, read_number):
    got = decode(clip(n=7), frames=8)
    assert numbers(got, read_number) == list(range(7))
    assert got.flags == ("few_frames",)


@pytest.mark.parametrize("expected", [0, 3, 29, 31, 500])
def test_wrong_expectation_costs_a_pass_but_never_a_picture(clip, read_number, expected):
    reading = Reading()
    frames, times_s = read_pictures(clip(n=30), 5, None, Span(), reading, expected)
    assert [read_number(picture) for picture in frames] == [3, 9, 15, 21, 27]
    np.testing.assert_allclose(times_s, np.array([3, 9, 15, 21, 27]) / 25)
    assert reading.frames == 30


@given(count=st.integers(0, 5000), n=st.integers(1, 200))
def test_indices_are_distinct_and_evenly_spread(count, n):
    indices = uniform_indices(count, n)
    assert len(indices) == min(count, n)
    assert indices == sorted(set(indices))
    gaps = np.diff(indices)
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1
    assert not indices or 0 <= indices[0] <= indices[-1] < count


@pytest.mark.parametrize(
    ("counterclockwise_deg", "shape"), [(90, (64, 32)), (180, (32, 64)), (-90, (64, 32)), (0, (32, 64))]
)
def test_display_rotation_is_applied(clip, painted, counterclockwise_deg, shape):
    path = clip(n=200, rotation_deg=counterclockwise_deg)
    got = decode(path, frames=1)
    assert got.frames.shape == (1, *shape, 3)
    upright = np.rot90(painted(100), counterclockwise_deg // 90)
    assert np.abs(got.frames[0].astype(int) - upright).mean() < 8
    assert probe(path).video.rotation_deg % 360 == counterclockwise_deg % 360


@pytest.mark.parametrize("backend", ["pyav", "decord"])
def test_crop_is_a_part_of_the_picture(clip, read_number, backend):
    if backend == "decord":
        pytest.importorskip("decord")
    path = clip(n=50)  # picture k shows its lower four bits in its right half
    got = decode(path, frames=5, crop=(0.5, 0.25, 1, 1), backend=backend)
    assert got.frames.shape == (5, 24, 32, 3)
    bits = (got.frames[:, 12, 4::8].mean(axis=2) > 128) @ (8, 4, 2, 1)
    assert bits.tolist() == [k % 16 for k in (5, 15, 25, 35, 45)]


@pytest.mark.parametrize(
    ("deg", "crop"), [(0, (0, 0, 0.5, 1)), (90, (0, 0.5, 1, 1)), (-90, (0, 0, 1, 0.5)), (180, (0.5, 0, 1, 1))]
)
def test_crop_counts_in_the_picture_as_it_is_shown(clip, painted, deg, crop):
    """The left half of the stored picture, wherever rotation shows it, and as large as a whole picture may be."""
    path = clip(n=200, rotation_deg=deg)
    upright = np.rot90(painted(100)[:, :32], deg // 90)
    got = decode(path, frames=1, crop=crop, max_side_px=32)
    assert got.frames.shape == (1, 32, 32, 3)
    assert np.abs(got.frames[0].astype(int) - upright).mean() < 8


@pytest.mark.parametrize(
    "crop", [(0.5, 0, 0.5, 1), (0, 0.5, 1, 0.2), (-0.1, 0, 1, 1), (0, 0, 1, 1.5), (float("nan"), 0, 1, 1)]
)
def test_crop_that_is_no_part_of_a_picture(clip, crop):
    with pytest.raises(MediaError) as caught:
        decode(clip(n=2), crop=crop)
    assert caught.value.code == "bad_crop"


def test_crop_is_never_empty(clip):
    assert decode(clip(n=2), frames=1, crop=(0.999, 0.999, 1, 1)).frames.shape == (1, 1, 1, 3)


def test_portrait_matrix_of_phones_turns_clockwise(clip, painted):
    """The bytes that phones write for a video taken upright: x' = -y, y' = x, which is a quarter turn clockwise."""
    path = clip(n=9)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # version 0: the matrix is 40 bytes behind version and flags' start
    data[at : at + 36] = b"".join(
        word.to_bytes(4, "big", signed=True) for word in (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    )
    path.write_bytes(data)
    picture = decode(path, frames=9).frames[5]
    assert np.abs(picture.astype(int) - np.rot90(painted(5), -1)).mean() < 8


def test_odd_sizes_and_the_size_limit(tmp_path, painted, write_clip, read_number):
    path = write_clip(
        tmp_path / "odd.mkv",
        [painted(k, 37, 23) for k in range(9)],
        video_codec="ffv1",
        video_options={},
        pix_fmt="yuv444p",
    )
    assert decode(path, frames=1).frames.shape == (1, 23, 37, 3)
    assert decode(path, frames=1, max_side_px=None).frames.shape == (1, 23, 37, 3)
    small = decode(path, frames=9, max_side_px=16)
    assert small.frames.shape == (9, 10, 16, 3)
    assert numbers(small, read_number) == list(range(9))


def test_grey_level_survives(tmp_path, write_clip):
    path = write_clip(tmp_path / "grey.mp4", [np.full((32, 64, 3), 77, np.uint8)] * 4)
    assert abs(decode(path, frames=2).frames.astype(int) - 77).max() <= 3


def test_black_is_told_from_dim(tmp_path, write_clip):
    black = write_clip(tmp_path / "black.mp4", [np.zeros((32, 64, 3), np.uint8)] * 5)
    dim = write_clip(tmp_path / "dim.mp4", [np.full((32, 64, 3), 30, np.uint8)] * 5)
    one_lit = write_clip(tmp_path / "lit.mp4", [np.full((32, 64, 3), 60 * (k == 4), np.uint8) for k in range(5)])
    assert [decode(p, frames=5).states["video"] for p in (black, dim, one_lit)] == ["black", "present", "present"]


def test_cover_picture_of_a_song_is_no_video(clip, sine, tmp_path, add_cover):
    song = clip("song.mp3", n=None, sound=np.stack([sine(440, 1, 44100)]), rate_hz=44100, audio_codec="libmp3lame")
    covered = add_cover(song, tmp_path / "covered.mp3")
    got = decode(covered)
    assert probe(covered).video is None
    assert got.frames is None
    assert got.states == {"audio": "present", "video": "absent"}
