"""MER2023: the release, and the processed layout of peers."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("mer2023", {"train": 2, "test1": 1, "test2": 1, "test3": 1})
    columns = ("name", "discrete", "valence")
    copy.csv("train-label.csv", columns, [("sample_00000001", "angry", -2.5), ("sample_00000002", "happy", -10)])
    copy.csv("test1-label.csv", columns, [("sample_00000003", "sad", -5)])
    copy.csv("test2-label.csv", columns, [("sample_00000004", "worried", 4.25)])
    copy.csv("test3-label.csv", columns[:2], [("samplenew_00006611", "neutral")])
    copy.csv(
        "transcription-engchi-polish.csv",
        ("name", "chinese", "english"),
        [("sample_00000001", "你好", "Hello"), ("sample_00000002", "", "")],
    )
    copy.media("train/sample_00000001.avi", "train/sample_00000002.mp4", "test1/sample_00000003.mp4")
    copy.media("test2/sample_00000004.mp4", "test3/samplenew_00006611.mp4")
    return copy


def test_valence_labels_and_words(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    records = made.records
    first = records["mer2023:train:sample_00000001"]
    assert (first.targets.label.name, first.targets.vad.valence, first.targets.vad.scale) == ("angry", -2.5, (-5, 5))
    assert [(line.lang, line.kind, line.text) for line in first.text] == [
        ("zh", "transcript", "你好"),
        ("en", "translation", "Hello"),
    ]
    assert first.media.video.path.endswith("train/sample_00000001.avi")
    assert records["mer2023:train:sample_00000002"].targets.vad is None, "-10 stands for no valence"
    assert records["mer2023:test2:sample_00000004"].subset == "MER-NOISE"
    assert records["mer2023:test3:samplenew_00006611"].provenance.parents == ("mer2023:samplenew_00006611",)


def test_valence_out_of_range_is_refused(copy: Any) -> None:
    copy.csv("test1-label.csv", ("name", "discrete", "valence"), [("sample_00000003", "sad", 7)])
    assert "test1-label.csv:2: valence is '7'" in copy.refused("--allow-missing")


def test_the_processed_layout_needs_its_labels_as_text(make_copy: Callable[..., Any]) -> None:
    copy = make_copy("mer2023", {"train": 1}, optional=("test1", "test2", "test3"))
    copy.media(
        "video/sample_00000001.mp4", "audio/sample_00000001.wav", "openface_face/sample_00000001.npy", "label-6way.npz"
    )
    assert "label-6way.npz: labels in a pickled archive" in copy.refused()
    copy.csv("train-label.csv", ("name", "discrete", "valence"), [("sample_00000001", "angry", "")])
    (record,) = copy.prep().records.values()
    media = record.media
    assert media.video.path.endswith("video/sample_00000001.mp4") and media.audio.path.endswith(".wav")
    assert media.face.path.endswith("openface_face/sample_00000001.npy")
