"""BLEMORE: single emotions and blends with their shares, clips in any folder."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

COLUMNS = (
    "filename",
    "video_id",
    "gender",
    "mix",
    "emotion_1",
    "version",
    "intensity_level",
    "situation",
    "emotion_2",
    "emotion_1_salience",
    "emotion_2_salience",
    "fold",
)
ROWS = [
    ("A102_ang_int1_ver1", "A102", "f", 0, "ang", 1, "1.0", "", "", "", "", 1),
    ("A411_mix_ang_hap_30_70_ver1", "A411", "m", 1, "ang", 1, "", "", "hap", "30.0", "70.0", 0),
    ("A407_neu_sit3_ver1", "A407", "m", 0, "neu", 1, "", "3.0", "", "", "", 4),
]


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("blemore", {"train": 3})
    copy.csv("train_metadata.csv", COLUMNS, ROWS, "utf-8-sig")
    copy.media("train/part1/A102_ang_int1_ver1.mov", "train/part2/A411_mix_ang_hap_30_70_ver1.mov")
    copy.media("train/part2/A407_neu_sit3_ver1.mov")
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    records = made.records
    single = records["blemore:train:A102_ang_int1_ver1"]
    assert single.targets.label.name == "anger" and single.targets.labels_multi is None
    assert (single.subject_id, single.speaker.gender, single.fold) == ("A102", "female", 2)
    assert single.media.video.path.endswith("train/part1/A102_ang_int1_ver1.mov")
    blend = records["blemore:train:A411_mix_ang_hap_30_70_ver1"]
    assert blend.targets.label is None and blend.targets.labels_multi.names == ("anger", "happiness")
    assert [(one.label, one.weight) for one in blend.targets.salience] == [("anger", 0.3), ("happiness", 0.7)]
    assert blend.fold == 1 and records["blemore:train:A407_neu_sit3_ver1"].targets.label.name == "neutral"


def test_the_test_part_of_those_who_have_its_table(copy: Any) -> None:
    copy.csv("test_metadata.csv", COLUMNS[:-1], [("X1", "A999", "f", 1, "sad", 1, "", "", "fea", 50, 50)])
    copy.media("test/X1.mp4")
    record = copy.prep().records["blemore:test:X1"]
    assert record.fold is None and {one.weight for one in record.targets.salience} == {0.5}


def test_missing_clips_and_doubles(copy: Any) -> None:
    copy.media("again/A102_ang_int1_ver1.mov")
    assert "A102_ang_int1_ver1 is there twice" in copy.refused("--allow-missing")
    copy.remove("again/A102_ang_int1_ver1.mov")
    copy.remove("train/part1/A102_ang_int1_ver1.mov")
    assert "A102_ang_int1_ver1.mp4: no such file" in copy.refused()
    assert copy.prep("--allow-missing").report["flags"] == {"missing_media": 1}


def test_shares_and_codes_that_cannot_be(copy: Any) -> None:
    odd = [(*ROWS[1][:9], 30, 60, 0), ("B", "A1", "f", 0, "joy", *ROWS[0][5:]), (*ROWS[1][:8], "", 50, 50, 0)]
    copy.csv("train_metadata.csv", COLUMNS, odd)
    message = copy.refused("--allow-missing")
    for part in ("csv:2: shares of 30 and 60", "csv:3: emotion_1 is 'joy'", "csv:4: emotion_2 is ''"):
        assert part in message


def test_the_number_of_clips_is_the_published_one() -> None:
    assert load_leaf("blemore").spec.counts == {"train": 2456}
