"""CH-SIMS v2 (s): meta.csv and clips whose names are padded in some copies."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

COLUMNS = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode")
ROWS = [
    ("aqgy3_0001", "00000", "你好吗", "-0.4", "-0.2", "0.0", "-0.6", "Negative", "train"),
    ("aqgy3_0001", "1", "", "0.2", "0.2", "0.2", "0.2", "Positive", "valid"),
    ("aqgy4_0002", "00002", "nan", "-0.1", "0.0", "0.0", "0.0", "Negative", "test"),
]


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("simsv2", {"train": 1, "dev": 1, "test": 1})
    copy.csv("meta.csv", COLUMNS, ROWS, "utf-8-sig")
    copy.media("Raw/aqgy3_0001/00000.mp4", "Raw/aqgy3_0001/00001.mp4", "Raw/aqgy4_0002/00002.mp4")
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    records = made.records
    first = records["simsv2:train:aqgy3_0001_00000"]
    assert first.targets.sentiment.by_modality == {"T": -0.2, "A": 0.0, "V": -0.6}
    assert first.transcript.text == "你好吗" and first.transcript.lang == "zh"
    padded = records["simsv2:dev:aqgy3_0001_1"]
    assert padded.text == () and padded.media.video.path.endswith("Raw/aqgy3_0001/00001.mp4")
    odd = records["simsv2:test:aqgy4_0002_00002"]
    assert odd.targets.sentiment.value == -0.1 and odd.transcript.text == "nan"


def test_a_copy_in_another_encoding_is_read_when_it_is_named(copy: Any) -> None:
    copy.csv("meta.csv", COLUMNS, ROWS, "gb18030")
    assert "meta.csv: not written in utf-8" in copy.refused()
    records = copy.prep("--set", "encoding=gb18030").records
    assert records["simsv2:train:aqgy3_0001_00000"].transcript.text == "你好吗"


def test_missing_and_extra_clips(copy: Any) -> None:
    copy.remove("Raw/aqgy4_0002/00002.mp4")
    copy.media("Raw/aqgy4_0002/00009.mp4")
    assert "Raw/aqgy4_0002/00002.mp4" in copy.refused()
    assert copy.prep("--allow-missing").report["extra_media"] == 1


def test_the_numbers_of_clips_are_the_published_ones() -> None:
    assert load_leaf("simsv2").spec.counts == {"train": 2722, "dev": 647, "test": 1034}
