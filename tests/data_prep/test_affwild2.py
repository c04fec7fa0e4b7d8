"""Aff-Wild2: three annotations of the frames, marks for invalid ones, two people in a video."""

from collections.abc import Callable
from typing import Any

import pytest

FACES = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"
UNITS = "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26"
NOTES = "6th ABAW Annotations"


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("affwild2")
    copy.text(f"{NOTES}/VA_Estimation_Challenge/Train_Set/12-24.txt", "valence,arousal\n0.1,-0.2\n-5,-5\n0.3,0.4\n")
    copy.text(f"{NOTES}/EXPR_Recognition_Challenge/Train_Set/12-24.txt", f"{FACES}\n4\n-1\n4\n7\n", "utf-8-sig")
    values = "1,0,0,0,0,0,1,0,0,0,0,-1"
    copy.text(f"{NOTES}/AU_Detection_Challenge/Validation_Set/video5_left.txt", f"{UNITS}\n{values}\n{values}\n")
    copy.media("batch1/12-24.mp4", "batch2/video5.avi", "cropped_aligned/12-24/00001.jpg", f"{NOTES}/readme.txt")
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    assert set(made.records) == {"affwild2:train:12-24", "affwild2:dev:video5_left"}
    record = made.records["affwild2:train:12-24"]
    assert record.targets.vad.series == [
        {"frame": 0, "valence": 0.1, "arousal": -0.2, "expression": 4},
        {"frame": 2, "valence": 0.3, "arousal": 0.4, "expression": 4},
        {"frame": 3, "expression": 7},
    ]
    faces = record.targets.distribution[0]
    assert (faces.kind, faces.n) == ("frames", 3)
    assert faces.probs == {"Happiness": pytest.approx(2 / 3), "Other": pytest.approx(1 / 3)}
    assert record.media.video.path.endswith("batch1/12-24.mp4")


def test_two_people_share_a_video(copy: Any) -> None:
    record = copy.prep().records["affwild2:dev:video5_left"]
    assert record.media.video.path.endswith("batch2/video5.avi") and record.subject_id == "video5_left"
    assert record.provenance.parents == ("affwild2:video5",)
    units = record.targets.vad.series[1]
    assert (units["AU1"], units["AU2"], units["AU12"], "AU26" in units) == (1, 0, 1, False)


def test_older_headers_and_values_out_of_range(copy: Any) -> None:
    older = FACES.removesuffix(",Other")
    copy.text(f"{NOTES}/EXPR_Recognition_Challenge/Train_Set/12-24.txt", f"{older}\n4\n")
    copy.text(f"{NOTES}/AU_Detection_Challenge/Validation_Set/video5_left.txt", f"{UNITS}\n1,2\n")
    copy.text(f"{NOTES}/VA_Estimation_Challenge/Validation_Set/3.txt", "valence,arousal\n0.1,1.2\n")
    copy.text(f"{NOTES}/EXPR_Recognition_Challenge/Validation_Set/4.txt", f"{FACES}\n1\n1.5\n")
    message = copy.refused("--allow-missing")
    assert "12-24.txt:1: the header of expression is 'Neutral," in message
    assert "video5_left.txt:2: no values: '1,2'" in message and "3.txt:2: a value of 1.2" in message
    assert "4.txt:3: a value of 1.5" in message


def test_a_missing_video(copy: Any) -> None:
    copy.remove("batch2/video5.avi")
    assert "video5.mp4: no such file" in copy.refused()
    assert copy.prep("--allow-missing").records["affwild2:dev:video5_left"].quality.flags == ("missing_media",)


def test_another_folder_is_told_what_is_missing(copy: Any, tmp_path: Any) -> None:
    (tmp_path / "else").mkdir()
    assert "missing: VA_Estimation_Challenge/Train_Set/NAME.txt" in copy.refused(root=tmp_path / "else")
