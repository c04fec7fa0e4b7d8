"""CH-SIMS as first released (metadata/) and as MMSA releases it (label.csv)."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

IDS = [("video_0001", "1"), ("video_0001", "2"), ("video_0002", "1")]
SPLITS = {"train": 2, "val": 0, "test": 1}  # rows of label_M.csv, counted from 0


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("sims", {"train": 1, "dev": 1, "test": 1})
    values = {"M": (-0.6, 0.0, 1.0), "T": (-0.2, 0.4, 0.8), "A": (0.0, 0.0, 0.6), "V": (-1.0, 0.2, 0.0)}
    for one, labels in values.items():
        rows = [(*ids, value) for ids, value in zip(IDS, labels, strict=True)]
        copy.csv(f"metadata/sentiment/label_{one}.csv", ("video_id", "clip_id", "label"), rows, "utf-8-sig")
    for name, index in SPLITS.items():
        copy.csv(f"metadata/{name}_index.csv", ("index",), [(index,)])
    words = [(*IDS[0], "我不想嫁给李茶", "I don't want to marry Li Cha."), (*IDS[1], "NA", "")]
    copy.csv("metadata/Translation.csv", ("video_id", "clip_id", "Chinese", "English"), words)
    copy.media(*(f"Raw/{video}/000{clip}.mp4" for video, clip in IDS))
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    records = made.records
    first = records["sims:dev:video_0001_0001"]
    sentiment = first.targets.sentiment
    assert sentiment.value == -0.6 and sentiment.scale == (-1, 1)
    assert sentiment.by_modality == {"T": -0.2, "A": 0.0, "V": -1.0}
    assert [(line.lang, line.kind) for line in first.text] == [("zh", "transcript"), ("en", "translation")]
    assert first.transcript.text == "我不想嫁给李茶"
    assert [line.text for line in records["sims:test:video_0001_0002"].text] == ["NA"]
    assert records["sims:train:video_0002_0001"].media.video.path.endswith("Raw/video_0002/0001.mp4")


def test_the_release_of_mmsa(copy: Any) -> None:
    for path in sorted((copy.root / "metadata").rglob("*.csv")):
        path.unlink()
    (copy.root / "metadata/sentiment").rmdir()
    (copy.root / "metadata").rmdir()
    columns = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode")
    modes = ("train", "valid", "test")
    rows = [(*ids, "好", -0.6, -0.2, 0.0, -1.0, "Negative", mode) for ids, mode in zip(IDS, modes, strict=True)]
    copy.csv("label.csv", columns, rows)
    records = copy.prep().records
    assert set(records) == {"sims:train:video_0001_0001", "sims:dev:video_0001_0002", "sims:test:video_0002_0001"}
    assert records["sims:train:video_0001_0001"].provenance.parents == ("sims:video_0001_0001",)
    assert records["sims:train:video_0001_0001"].targets.sentiment.by_modality["V"] == -1.0


def test_a_missing_list_and_a_row_that_is_not_there(copy: Any) -> None:
    copy.remove("metadata/val_index.csv")
    copy.csv("metadata/test_index.csv", ("index",), [(7,)])
    message = copy.refused("--allow-missing")
    assert "test_index.csv:2: index 7" in message and "metadata/val_index.csv: no such file" in message


def test_missing_and_extra_clips(copy: Any) -> None:
    copy.remove("Raw/video_0001/0002.mp4")
    copy.media("Raw/video_0009/0001.mp4")
    assert "Raw/video_0001/0002.mp4" in copy.refused()
    assert copy.prep("--allow-missing").report["extra_media"] == 1


def test_the_numbers_of_clips_are_the_published_ones() -> None:
    assert load_leaf("sims").spec.counts == {"train": 1368, "dev": 456, "test": 457}
