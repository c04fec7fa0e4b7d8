"""What a file declares, files that are whole in part only, and files that are none."""

import numpy as np
import pytest

from emollm.media import AudioStream, MediaError, VideoStream, decode, probe


@pytest.fixture
def talking(clip, sine):
    """A clip of two seconds with picture and stereo sound, its index in front."""
    sound = np.stack([sine(440, 2, 44100)] * 2)
    return clip("talking.mp4", n=50, sound=sound, rate_hz=44100, container_options={"movflags": "faststart"})


def code_of(call, *args, **kwargs):
    with pytest.raises(MediaError) as caught:
        call(*args, **kwargs)
    assert caught.value.where
    assert caught.value.fix
    return caught.value.code


def test_probe_tells_what_the_file_declares(talking):
    got = probe(talking)
    assert got.video == VideoStream(64, 32, 25.0, "h264", 0, 50)
    assert got.audio == AudioStream(44100, 2, "aac")
    assert (got.path, got.duration_s) == (str(talking), pytest.approx(2.0, abs=0.05))


def test_whole_clip_has_both_and_no_flags(talking):
    got = decode(talking)
    assert got.states == {"audio": "present", "video": "present"}
    assert got.flags == ()
    assert len(got.frames) == len(got.frame_times_s) == 8
    assert len(got.audio) / 16000 == pytest.approx(2.0, abs=0.05)


def test_unwanted_streams_are_absent(talking):
    assert decode(talking, want_audio=False).states == {"audio": "absent", "video": "present"}
    heard = decode(talking, want_video=False)
    assert heard.states == {"audio": "present", "video": "absent"}
    assert heard.flags == ()
    assert code_of(decode, talking, want_audio=False, want_video=False) == "no_streams"


def test_asking_only_for_what_is_missing(clip):
    assert code_of(decode, clip(n=5), want_video=False) == "no_streams"


def test_file_cut_off_in_the_middle_is_flagged(talking):
    data = talking.read_bytes()
    talking.write_bytes(data[: len(data) * 6 // 10])
    got = decode(talking)
    assert {"short_audio", "short_video", "truncated"} <= set(got.flags)
    assert 0.3 < got.duration_s < 1.7
    assert got.duration_s == pytest.approx(max(len(got.audio) / 16000, got.frame_times_s[-1] + 0.08), abs=0.2)
    inside = decode(talking, end_s=0.3)
    assert "truncated" not in inside.flags, "the span lies before the cut"


def test_file_cut_off_before_its_index_has_a_code_of_its_own(clip):
    path = clip(n=50)
    path.write_bytes(path.read_bytes()[:-1000])
    assert code_of(decode, path) == code_of(probe, path) == "truncated"


def test_pictures_that_end_early_are_not_called_short_when_declared_so(clip, sine):
    got = decode(clip("short.mkv", n=25, sound=sine(440, 2, 48000)[None]))
    assert got.flags == ()
    assert got.duration_s == pytest.approx(2, abs=0.05)


def test_damaged_packets_are_passed_over_and_flagged(clip, sine):
    path = clip(n=50, video_options={"g": "5"}, sound=sine(440, 2, 48000)[None])
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    for at in range(start + 3000, start + 6000, 7):
        data[at] ^= 0xFF
    path.write_bytes(data)
    assert "damaged" in decode(path).flags


def test_stream_of_which_nothing_can_be_decoded_is_refused(clip):
    path = clip(n=10)
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    assert code_of(decode, path) == "decode_failed"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.mp4", b"", "empty_file"),
        ("random.mp4", np.random.default_rng(0).bytes(5000), "not_media"),
        ("error_page.mp4", b"<!DOCTYPE html><html><body>404 not found</body></html>\n" * 30, "not_media"),
        ("text.mp4", b"this is a text\n" * 200, "not_media"),
        ("text.txt", b"this is a text\n" * 200, "not_media"),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.mp4\n#EXT-X-ENDLIST\n", "not_media"),
        ("list.ffconcat", b"ffconcat version 1.0\nfile clip.mp4\n", "not_media"),
        (
            "words.srt",
            b"1\n00:00:00,000 --> 00:00:01,000\nhello\n\n2\n00:00:01,000 --> 00:00:02,000\nyes\n",
            "no_streams",
        ),
    ],
)
def test_what_is_no_media_is_told_by_its_code(clip, tmp_path, name, content, code):
    clip()  # the file that the lists name
    path = tmp_path / name
    path.write_bytes(content)
    assert code_of(decode, path) == code_of(probe, path) == code


def test_missing_files_and_folders(tmp_path):
    assert code_of(decode, tmp_path / "none.mp4") == "missing_file"
    assert code_of(decode, "http://127.0.0.1:9/clip.mp4") == "missing_file"
    assert code_of(decode, tmp_path) == "not_a_file"


def test_colon_and_percent_in_the_name(clip):
    assert len(decode(clip("take 1: %03d ä.mp4", n=8)).frames) == 8


def test_spans_that_are_none(talking):
    for start_s, end_s in [(-1, None), (1, 1), (2, 1), (float("nan"), None), (0, float("inf"))]:
        assert code_of(decode, talking, start_s=start_s, end_s=end_s) == "bad_span"
    for start_s in (3, 60):
        assert code_of(decode, talking, start_s=start_s) == "empty_span"


def test_span_that_only_one_stream_reaches(clip, sine):
    path = clip(n=25, sound=sine(440, 3, 48000)[None])
    got = decode(path, start_s=2, end_s=3)
    assert got.states == {"audio": "present", "video": "absent"}
    assert got.flags == ("no_video_in_span",)


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"max_side_px": 0}, {"sample_rate_hz": 0}])
def test_numbers_that_cannot_be(talking, wrong):
    with pytest.raises(ValueError, match="positive"):
        decode(talking, **wrong)
