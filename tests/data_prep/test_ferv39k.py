"""FERV39k: clips as folders of pictures, named by scene and expression."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

TRAIN = ["Interview/Happy/0118 Happy", "Action/Sad/0010 Sad"]


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("ferv39k", {"train": 2, "test": 1})
    copy.text("4_setups/All_scenes/train_All.csv", "\n".join(TRAIN), "utf-8-sig")
    copy.text("4_setups/All_scenes/test_All.csv", "Interview/Happy/0007 Happy\n")
    for clip in ("Interview/Happy/0118", "Action/Sad/0010", "Interview/Happy/0007"):
        copy.media(*(f"2_ClipsforFaceCrop/{clip}/{frame}.jpg" for frame in (10, 9, 1)))
        copy.media(f"3_ClipsforScenImages/{clip}/1.jpg")
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    record = made.records["ferv39k:train:Interview/Happy/0118"]
    assert record.targets.label.name == "happy" and record.subset == "Interview"
    assert [ref.path.rpartition("/")[2] for ref in record.media.images] == ["1.jpg", "9.jpg", "10.jpg"]
    assert "2_ClipsforFaceCrop" in record.media.images[0].path
    assert made.report["labels"] == {"train": {"happy": 1, "sad": 1}, "test": {"happy": 1}}


def test_whole_pictures_on_request(copy: Any) -> None:
    assert "--set frames=face|scene" in copy.refused("--set", "frames=body")
    record = copy.prep("--set", "frames=scene").records["ferv39k:train:Action/Sad/0010"]
    assert [ref.path.rpartition("copy/")[2] for ref in record.media.images] == [
        "3_ClipsforScenImages/Action/Sad/0010/1.jpg"
    ]


def test_a_missing_folder_and_a_missing_list(copy: Any) -> None:
    for frame in (1, 9, 10):
        copy.remove(f"2_ClipsforFaceCrop/Action/Sad/0010/{frame}.jpg")
    assert "2_ClipsforFaceCrop/Action/Sad/0010/*.jpg: no such file" in copy.refused()
    copy.remove("4_setups/All_scenes/test_All.csv")
    assert "4_setups/All_scenes/test_All.csv: no such file" in copy.refused()
    record = copy.prep("--allow-missing").records["ferv39k:train:Action/Sad/0010"]
    assert record.media.images == () and record.quality.flags == ("missing_media",)


def test_a_label_that_is_not_its_folder_and_an_unknown_one(copy: Any) -> None:
    copy.text("4_setups/All_scenes/train_All.csv", "Action/Sad/0010 Happy\nInterview/Joy/0118 Joy\n")
    message = copy.refused("--allow-missing")
    assert "train_All.csv:1: Action/Sad/0010 is said to be Happy" in message and "label 'joy' is not of" in message


def test_the_numbers_of_clips_are_the_published_ones() -> None:
    assert load_leaf("ferv39k").spec.counts == {"train": 31088, "test": 7847}
