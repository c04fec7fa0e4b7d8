"""CMU-MOSI in the release of MMSA, and with the clips of the first release."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

COLUMNS = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode")
ROWS = [
    ("03bSnISJMiM", "1", "ANYHOW IT WAS REALLY GOOD", "2.4", "", "", "", "Positive", "train"),
    ("03bSnISJMiM", "11", "None", "-0.8", "", "", "", "Negative", "train"),
    ("_dI--eQ6qVU", "2", "- well, a café", "0.0", "", "", "", "Neutral", "valid"),
    ("-cEhr0cQcDM", "3", "NA", "-3.0", "", "", "", "Negative", "test"),
]


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("mosi", {"train": 2, "dev": 1, "test": 1})
    copy.csv("label.csv", COLUMNS, ROWS, "utf-8-sig")
    copy.media(*(f"Raw/{video}/{clip}.mp4" for video, clip, *_ in ROWS))
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    records = made.records
    first = records["mosi:train:03bSnISJMiM_1"]
    assert first.targets.sentiment.value == 2.4 and first.targets.sentiment.scale == (-3, 3)
    assert first.targets.sentiment.name == "positive" and first.targets.sentiment.by_modality is None
    assert first.media.video.path.endswith("Raw/03bSnISJMiM/1.mp4")
    assert first.provenance.parents == ("mosi:03bSnISJMiM_1", "youtube:03bSnISJMiM")
    assert records["mosi:train:03bSnISJMiM_11"].transcript.text == "None"
    assert records["mosi:dev:_dI--eQ6qVU_2"].transcript.text == "- well, a café"
    assert records["mosi:test:-cEhr0cQcDM_3"].transcript.lang == "en"


def test_clips_of_the_first_release(copy: Any) -> None:
    for video, clip, *_ in ROWS:
        copy.remove(f"Raw/{video}/{clip}.mp4")
        copy.media(f"Raw/Video/Segmented/{video}_{clip}.mp4")
    assert copy.prep().records["mosi:train:03bSnISJMiM_11"].media.video.path.endswith("Segmented/03bSnISJMiM_11.mp4")


def test_missing_and_extra_clips(copy: Any) -> None:
    copy.remove("Raw/03bSnISJMiM/1.mp4")
    copy.media("Raw/03bSnISJMiM/7.mp4")
    assert "Raw/03bSnISJMiM/1.mp4" in copy.refused()
    report = copy.prep("--allow-missing").report
    assert report["problems"] == {"missing media": 1} and report["extra_examples"] == ["Raw/03bSnISJMiM/7.mp4"]


def test_values_off_the_scale_and_unknown_modes_are_told_at_once(copy: Any) -> None:
    copy.csv("label.csv", COLUMNS, [(*ROWS[0][:3], "3.2", *ROWS[0][4:]), (*ROWS[1][:8], "holdout")])
    message = copy.refused("--allow-missing")
    assert "label.csv:2: label is '3.2'" in message and "label.csv:3: mode is 'holdout'" in message


def test_another_version_lacks_a_column(copy: Any) -> None:
    copy.csv("label.csv", COLUMNS[:3], [row[:3] for row in ROWS])
    assert "label.csv:1: no column label, mode" in copy.refused()


def test_the_numbers_of_clips_are_the_published_ones() -> None:
    assert load_leaf("mosi").spec.counts == {"train": 1284, "dev": 229, "test": 686}
