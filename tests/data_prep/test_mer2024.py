"""MER2024 as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

LABELS = ["neutral", "angry", "happy", "sad", "worried", "surprise"]


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Six labelled clips, two of each test; transcripts in Chinese; a file with a byte order mark."""
    copy = make_copy("mer2024", {"train": 6, "test-semi": 2, "test-noise": 1})
    train = [(f"sample_{number:08d}", label) for number, label in enumerate(LABELS)]
    tests = [("samplenew3_00052582", "sad"), ("samplenew3_00052583", "happy")]
    copy.csv("label-disdim.csv", ("name", "discrete"), train, "utf-8-sig")
    copy.csv("reference-semi.csv", ("name", "discrete"), tests)
    copy.csv("reference-noise.csv", ("name", "discrete"), tests[:1])
    copy.csv(
        "transcription_merge.csv", ("name", "chinese"), [("sample_00000001", "你怎么来了"), ("sample_00000002", "None")]
    )
    copy.media(*(f"video-labeled/{name}.mp4" for name, _ in train[1:]), "video-labeled/sample_00000000.avi")
    copy.media(*(f"video-unlabeled-with-test2noise/{name}.mp4" for name, _ in tests))
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep("--dev", "0")
    assert made.code == 0, made.err
    records = made.records
    assert len(records) == 9
    angry = records["mer2024:train:sample_00000001"]
    assert angry.targets.label.name == "angry" and angry.targets.label.space == "mer6"
    assert angry.media.video.path == str(copy.root / "video-labeled/sample_00000001.mp4")
    assert [(line.text, line.lang) for line in angry.text] == [("你怎么来了", "zh")]
    assert records["mer2024:train:sample_00000000"].media.video.path.endswith(".avi")
    assert records["mer2024:train:sample_00000002"].text[0].text == "None"
    assert angry.provenance.parents == ("mer2023:sample_00000001",) and angry.provenance.row == 3
    assert made.report["splits"] == {"train": 6, "test-semi": 2, "test-noise": 1}
    assert made.report["labels"]["test-semi"] == {"sad": 1, "happy": 1}


def test_tests_without_labels_are_optional(copy: Any) -> None:
    copy.remove("reference-semi.csv")
    copy.remove("reference-noise.csv")
    assert copy.prep().code == 0


def test_a_missing_clip_is_named_and_forgiven_on_request(copy: Any) -> None:
    copy.remove("video-labeled/sample_00000003.mp4")
    assert "video-labeled/sample_00000003.mp4 or" in copy.refused()
    made = copy.prep("--allow-missing", "--dev", "0")
    record = made.records["mer2024:train:sample_00000003"]
    assert record.media.video is None and record.quality.flags == ("missing_media",)
    assert made.report["problems"] == {"missing media": 1}


def test_clips_without_a_row_are_counted(copy: Any) -> None:
    copy.media("video-labeled/sample_00000009.mp4")
    made = copy.prep()
    assert (made.report["extra_media"], made.report["extra_examples"]) == (1, ["video-labeled/sample_00000009.mp4"])


def test_the_processed_layout_of_peers(copy: Any) -> None:
    (copy.root / "video-labeled").rename(copy.root / "video")
    copy.media(*(f"audio/sample_{number:08d}.wav" for number in range(6)), "label-6way.npz")
    first = copy.prep("--dev", "0").records["mer2024:train:sample_00000001"]
    assert first.media.video.path.endswith("/video/sample_00000001.mp4") and first.media.audio is not None


def test_another_number_of_rows_is_another_version(copy: Any) -> None:
    copy.csv(
        "reference-noise.csv", ("name", "discrete"), [("samplenew3_00052582", "sad"), ("samplenew3_00052583", "sad")]
    )
    assert "2 records of 'test-noise', 1 expected" in copy.refused()


def test_another_folder_is_refused_with_the_layout(copy: Any, tmp_path: Any) -> None:
    (tmp_path / "else").mkdir()
    message = copy.refused(root=tmp_path / "else")
    assert "no MER2024 here (missing: label-disdim.csv)" in message and "video-unlabeled-with-test2noise/" in message


def test_all_bad_rows_are_told_at_once(copy: Any) -> None:
    rows = [("sample_00000000", "hapy"), ("../../etc/passwd", "sad"), ("=HYPERLINK(1)", "sad")]
    copy.csv("label-disdim.csv", ("name", "discrete"), rows)
    message = copy.refused("--allow-missing")
    for part in (
        "label-disdim.csv:2: discrete is 'hapy'",
        "label-disdim.csv:3: the path",
        "label-disdim.csv:4: a formula",
    ):
        assert part in message
