"""CMU-MOSEI in the release of MMSA, and the raw release with each rater's answers."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

EMOTIONS = ("happiness", "sadness", "anger", "surprise", "disgust", "fear")
ANSWERS = ("Input.VIDEO_ID", "Input.CLIP", "WorkerId", "Answer.sentiment", *(f"Answer.{name}" for name in EMOTIONS))
RATED = [
    ("-3g5yACwYnA", "2", "A1", 1, 0, 0, 0, 0, 0, 0),
    ("-3g5yACwYnA", "2", "A2", 2, 1, 0, 0, 3, 0, 0),
    ("folder/-3g5yACwYnA", "3", "A1", -1, 0, 2, 0, 0, 0, ""),
]


@pytest.fixture
def raw(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("mosei", {"train": 2, "test": 1})
    copy.csv("Raw/Labels/5000_batch_raw.csv", ANSWERS, RATED[:2], "utf-8-sig")
    copy.csv("Raw/Labels/pom_extra_sqa_mono_results.csv", ANSWERS, RATED[2:])
    copy.csv("Raw/Labels/mturk_extra_v2.csv", ANSWERS, [("zk2jTlAtvSU", "0", "A3", 0, 0, 0, 0, 0, 0, 0)])
    texts = ["-3g5yACwYnA___2___-0.2___7.5___Key is ___ part", "-3g5yACwYnA___3___7.5___12.25___Café"]
    copy.text("Raw/Transcript/Segmented/Combined/-3g5yACwYnA.txt", "\n".join(texts))
    copy.text("Raw/Transcript/Segmented/Combined/zk2jTlAtvSU.txt", "zk2jTlAtvSU___0___0___3.5___So")
    copy.json("folds.json", {"train": ["-3g5yACwYnA"], "dev": [], "test": ["zk2jTlAtvSU"]})
    copy.media("Raw/Videos/Full/Combined/-3g5yACwYnA.mp4", "Raw/Videos/Full/Combined/zk2jTlAtvSU.mp4")
    return copy


def test_the_raw_release_keeps_all_answers_and_times(raw: Any) -> None:
    made = raw.prep("--set", "folds=folds.json")
    assert made.code == 0, made.err
    first = made.records["mosei:train:-3g5yACwYnA_2"]
    assert first.targets.sentiment.value == 1.5 and first.quality.n_raters == 2
    assert first.targets.labels_multi.names == ("happiness", "surprise")
    assert [rater["rater"] for rater in first.targets.raters] == ["A1", "A2"]
    assert first.transcript.text == "Key is ___ part"
    assert (first.time.clock, first.time.start_s, first.time.end_s) == ("source", None, 7.5)
    assert "negative_start" in first.quality.flags
    second = made.records["mosei:train:-3g5yACwYnA_3"]
    assert (second.media.video.start_s, second.media.video.end_s) == (7.5, 12.25)
    assert second.targets.labels_multi.names == ("sadness",) and second.targets.raters[0]["fear"] is None
    assert second.transcript.text == "Café"
    assert second.provenance.parents == ("mosei:-3g5yACwYnA_3", "youtube:-3g5yACwYnA")


def test_clips_that_are_cut_are_taken_as_they_are(raw: Any) -> None:
    names = ("-3g5yACwYnA_2", "-3g5yACwYnA_3", "zk2jTlAtvSU_0")
    raw.media(*(f"Raw/Videos/Segmented/Combined/{name}.mp4" for name in names))
    video = raw.prep("--set", "folds=folds.json").records["mosei:train:-3g5yACwYnA_3"].media.video
    assert video.path.endswith("Combined/-3g5yACwYnA_3.mp4") and video.start_s is None


def test_folds_are_asked_for_not_guessed(raw: Any) -> None:
    assert "--set folds=" in raw.refused()
    raw.json("wrong.json", {"train": ["-3g5yACwYnA"], "valid": []})
    assert "wrong.json: no lists of videos" in raw.refused("--set", "folds=wrong.json")


def test_videos_that_no_fold_has_are_kept_apart(raw: Any) -> None:
    raw.json("folds.json", {"train": ["-3g5yACwYnA"], "dev": [], "test": []})
    assert "--set version=" not in raw.refused("--set", "folds=folds.json")
    made = raw.prep("--set", "folds=folds.json", "--set", "version=raw")
    assert made.code == 0, made.err
    assert made.report["splits"] == {"train": 2, "rest": 1}
    assert made.records["mosei:rest:zk2jTlAtvSU_0"].dataset_version == "raw"


def test_a_clip_without_words_and_an_answer_off_the_scale(raw: Any) -> None:
    raw.text("Raw/Transcript/Segmented/Combined/zk2jTlAtvSU.txt", "zk2jTlAtvSU___1___0___3.5___So")
    raw.csv("Raw/Labels/5000_batch_raw.csv", ANSWERS, [(*RATED[0][:3], 9, *RATED[0][4:])])
    message = raw.refused("--set", "folds=folds.json", "--allow-missing")
    assert "zk2jTlAtvSU_0: no such line" in message and "Answer.sentiment is '9'" in message


def test_the_release_of_mmsa(make_copy: Callable[..., Any]) -> None:
    copy = make_copy("mosei", {"train": 1, "dev": 1})
    columns = ("video_id", "clip_id", "text", "label", "annotation", "mode", "label_T", "label_A", "label_V")
    rows = [("--qXJuDtHPw", "5", "I see", 1.0, "Positive", mode, "", "", "") for mode in ("train", "valid")]
    copy.csv("label.csv", columns, rows)
    copy.media("Raw/--qXJuDtHPw/5.mp4")
    records = copy.prep().records
    assert records["mosei:dev:--qXJuDtHPw_5"].targets.sentiment.value == 1.0


def test_the_numbers_of_clips_are_the_published_ones() -> None:
    assert load_leaf("mosei").spec.counts == {"train": 16326, "dev": 1871, "test": 4659}
