"""DFEW: folds, votes of ten raters, and three ways to have the clips."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf
from tests.workbook import write_xlsx

LABELS = {1: 1, 2: 4, 3: 7, 4: 2, 16372: 5}  # clip -> code; clip k is in the test part of the k-th fold
VOTES = ["1happy", "2sad", "3neutral", "4angry", "5surprise", "6disgust", "7fear"]


def rated(clip: int, **counts: int) -> list[int]:
    return [counts.get(name[1:], 0) for name in VOTES] + [clip]


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("dfew", {"all": 5})
    for fold, clip in enumerate(LABELS, 1):
        test, train = [(clip, LABELS[clip])], [pair for pair in LABELS.items() if pair[0] != clip]
        columns = ("video_name", "label")
        copy.csv(f"EmoLabel_DataSplit/test(single-labeled)/set_{fold}.csv", columns, test, "utf-8-sig")
        copy.csv(f"EmoLabel_DataSplit/train(single-labeled)/set_{fold}.csv", columns, train)
    copy.media(*(f"Clip/original/part_{number % 11 + 1}/{clip}.mp4" for number, clip in enumerate(LABELS)))
    return copy


def votes_of(copy: Any, *rows: list[int]) -> None:
    write_xlsx(copy.root / "Annotation/annotation.xlsx", [[*VOTES, "order"], *rows])


def test_a_complete_copy(copy: Any) -> None:
    votes_of(copy, rated(2, angry=7, disgust=3), rated(9, happy=5, surprise=5))
    copy.media("Clip/original/part_3/9.mp4")
    made = copy.prep()
    assert made.code == 0, made.err
    records = made.records
    angry = records["dfew:all:2"]
    assert (angry.targets.label.name, angry.fold) == ("angry", 2)
    assert angry.targets.distribution[0].probs == {"angry": 0.7, "disgust": 0.3}
    assert (angry.quality.n_raters, angry.quality.agreement) == (10, 0.7)
    assert angry.media.video.path.endswith("Clip/original/part_2/2.mp4") and angry.provenance.parents == ("dfew:2",)
    assert records["dfew:all:16372"].targets.label.name == "surprise"
    split = records["dfew:rest:9"]
    assert split.targets.label is None and split.fold is None
    assert split.targets.distribution[0].probs == {"happy": 0.5, "surprise": 0.5}


def test_faces_instead_of_films(copy: Any) -> None:
    for path in copy.root.rglob("*.mp4"):
        path.unlink()
    for part in sorted((copy.root / "Clip/original").iterdir()):
        part.rmdir()
    (copy.root / "Clip/original").rmdir()
    for clip in LABELS:
        copy.media(*(f"Clip/jpg_256/{clip:05}/{clip:05}_{frame:05}.jpg" for frame in (2, 1)))
    images = copy.prep().records["dfew:all:3"].media.images
    assert [ref.path.rpartition("/")[2] for ref in images] == ["00003_00001.jpg", "00003_00002.jpg"]


def test_votes_that_contradict_a_label_are_refused(copy: Any) -> None:
    votes_of(copy, rated(2, happy=8, angry=2))
    assert "clip 2 is angry, its votes are" in copy.refused("--allow-missing")


def test_lists_that_do_not_fit_together(copy: Any) -> None:
    copy.csv("EmoLabel_DataSplit/train(single-labeled)/set_1.csv", ("video_name", "label"), [(1, 1), (2, 4)])
    assert "fold 1: 4 clips are in no part of it, or in both: 1, 16372, 3, 4" in copy.refused()
    copy.csv("EmoLabel_DataSplit/test(single-labeled)/set_2.csv", ("video_name", "label"), [(1, 1), ("b.mp4", 4)])
    message = copy.refused("--allow-missing")
    assert "set_2.csv:2: 1 is in test part 1, too" in message and "set_2.csv:3: video_name is 'b.mp4'" in message


def test_missing_clips_and_lists_and_extra_clips(copy: Any) -> None:
    copy.remove("Clip/original/part_2/2.mp4")
    copy.media("Clip/original/part_2/77.mp4")
    copy.remove("EmoLabel_DataSplit/train(single-labeled)/set_5.csv")
    message = copy.refused()
    assert "Clip/original/2.mp4: no such file" in message and "train(single-labeled)/set_5.csv" in message
    report = copy.prep("--allow-missing").report
    assert report["problems"] == {"missing file": 1, "missing media": 1, "other folds": 1}
    assert report["extra_examples"] == ["Clip/original/part_2/77.mp4"]


def test_the_number_of_clips_is_the_published_one() -> None:
    assert load_leaf("dfew").spec.counts == {"all": 2341 + 2341 + 2340 + 2339 + 2336}
