"""VEATIC: two series a video, cut at 70 % of the frames."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Two videos of ten frames; valence rises, arousal is 0.5."""
    copy = make_copy("veatic", {"train": 2, "test": 2})
    for video in (0, 11):
        rising = [(frame, frame / 10 - 0.5) for frame in range(10)]
        copy.csv(f"rating_averaged/{video}_valence.csv", (), rising, "utf-8-sig")
        copy.csv(f"rating_averaged/{video}_arousal.csv", (), [(frame, 0.5) for frame in range(10)])
        copy.media(f"video/{video}.mp4")
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    train, test = made.records["veatic:train:11"], made.records["veatic:test:11"]
    assert [point["frame"] for point in train.targets.vad.series] == list(range(7))
    assert test.targets.vad.series[0] == {"frame": 7, "valence": pytest.approx(0.2), "arousal": 0.5}
    assert len(test.targets.vad.series) == 3 and test.targets.vad.scale == (-1, 1)
    assert train.media.video == test.media.video and train.media.video.path.endswith("video/11.mp4")


def test_series_of_two_lengths_and_values_off_the_scale(copy: Any) -> None:
    copy.csv("rating_averaged/0_arousal.csv", (), [(frame, 0.5) for frame in range(9)])
    copy.csv("rating_averaged/11_valence.csv", (), [(0, 1.5)])
    message = copy.refused("--allow-missing")
    assert "0_valence.csv: 10 values, 9 of arousal" in message and "11_valence.csv:1: value is '1.5'" in message


def test_missing_and_extra_files(copy: Any) -> None:
    copy.remove("video/0.mp4")
    copy.media("video/99.mp4")
    assert "video/0.mp4 or videos/0.mp4: no such file" in copy.refused()
    assert copy.prep("--allow-missing").report["extra_examples"] == ["video/99.mp4"]
    copy.remove("rating_averaged/11_arousal.csv")
    assert "rating_averaged/11_arousal.csv" in copy.prep().err


def test_another_folder_is_told_what_is_missing(copy: Any, tmp_path: Any) -> None:
    (tmp_path / "else").mkdir()
    assert "missing: rating_averaged/0_valence.csv" in copy.refused(root=tmp_path / "else")


def test_the_number_of_videos_is_the_published_one() -> None:
    assert load_leaf("veatic").spec.counts == {"train": 124, "test": 124}
