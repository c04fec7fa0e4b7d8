"""MELD as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

COLUMNS = ("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode")
COLUMNS += ("StartTime", "EndTime")
FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
ROWS = {
    "train": [
        (2, "Not again…", "Ana", "sadness", "negative", 125, 3, 4, 7, "00:20:57,256", "00:21:00,049"),
        (1, 'He said "no", café!', "Bo", "joy", "positive", 125, 2, 4, 7, "0:20:50,100", "0:20:52,300"),
    ],
    "dev": [(1, "Yeah?", "Joey", "surprise", "positive", 110, 7, 6, 3, "0:05:37,211", "0:05:38,712")],
    "test": [
        (1, "What?", "All", "neutral", "neutral", 0, 0, 1, 1, "00:00:02,000", "00:00:01,000"),
        (2, "Hey!", "Joey", "anger", "negative", 220, 0, 1, 1, "00:00:02,000", "00:00:03,500"),
    ],
}


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Five utterances; the clip known as corrupt is there, the one known as missing is not."""
    copy = make_copy("meld", {"train": 2, "dev": 1, "test": 2})
    for split, rows in ROWS.items():
        copy.csv(f"{split}_sent_emo.csv", COLUMNS, rows, "utf-8-sig" if split == "dev" else "utf-8")
        copy.media(*(f"{FOLDERS[split]}/dia{row[5]}_utt{row[6]}.mp4" for row in rows if split != "dev"))
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    records = made.records
    joy = records["meld:train:dia125_utt2"]
    assert joy.transcript.text == 'He said "no", café!' and joy.speaker.id == joy.subject_id == "Bo"
    assert (joy.targets.label.name, joy.targets.sentiment.name) == ("joy", "positive")
    assert (joy.time.start_s, joy.time.end_s, joy.time.clock) == (1250.1, 1252.3, "source")
    assert joy.subset == "S04E07"
    assert joy.media.video.path == str(copy.root / "train_splits/dia125_utt2.mp4")
    assert joy.native_id == "train_dia125_utt2", "unique over the splits, as leak checks need it"


def test_a_dialogue_is_in_order_and_knows_the_past_only(copy: Any) -> None:
    records = copy.prep().records
    assert list(records)[:2] == ["meld:train:dia125_utt2", "meld:train:dia125_utt3"]
    assert records["meld:train:dia125_utt2"].context == ()
    (turn,) = records["meld:train:dia125_utt3"].context
    assert (turn.id, turn.speaker, turn.emotion) == ("meld:train:dia125_utt2", "Bo", "joy")
    assert records["meld:test:dia220_utt0"].context == (), "another dialogue"


def test_known_faults_are_flagged_not_fatal(copy: Any) -> None:
    records = copy.prep().records
    flags = {key: record.quality.flags for key, record in records.items() if record.quality.flags}
    assert flags == {
        "meld:train:dia125_utt3": ("corrupt_media",),
        "meld:dev:dia110_utt7": ("missing_media",),
        "meld:test:dia0_utt0": ("times_reversed",),
        "meld:test:dia220_utt0": ("long_cut",),
    }
    assert records["meld:train:dia125_utt3"].media.video is None and records["meld:test:dia0_utt0"].time is None


def test_other_missing_clips_are_fatal_and_extra_ones_counted(copy: Any) -> None:
    copy.remove("train_splits/dia125_utt2.mp4")
    copy.media("dev_splits_complete/dia66_utt9.mp4")
    assert "train_splits/dia125_utt2.mp4" in copy.refused()
    report = copy.prep("--allow-missing").report
    assert (report["problems"], report["extra_media"]) == ({"missing media": 1}, 1)


def test_the_layouts_of_the_repository_and_of_peers(copy: Any) -> None:
    for split, folder in FOLDERS.items():
        (copy.root / folder).mkdir(exist_ok=True)
        (copy.root / folder).rename(copy.root / split)
        (copy.root / "data/MELD").mkdir(parents=True, exist_ok=True)
        (copy.root / f"{split}_sent_emo.csv").rename(copy.root / f"data/MELD/{split}_sent_emo.csv")
    made = copy.prep()
    assert made.code == 0, made.err
    assert made.records["meld:train:dia125_utt2"].media.video.path.endswith("/train/dia125_utt2.mp4")


def test_bad_rows_are_told_at_once(copy: Any) -> None:
    rows = [
        (1, "a", "A", "hapy", "positive", 0, 0, 1, 1, "0:00:01,0", "0:00:02,0"),
        (2, "b", "B", "joy", "positive", 0, 1, 1, 1, "soon", "later"),
    ]
    copy.csv("dev_sent_emo.csv", COLUMNS, rows)
    message = copy.refused("--allow-missing")
    assert "dev_sent_emo.csv:2: Emotion is 'hapy'" in message and "dev_sent_emo.csv:3: no clock time: 'soon'" in message


def test_what_is_published_about_it() -> None:
    spec = load_leaf("meld").spec
    assert {split: sum(classes.values()) for split, classes in spec.classes.items()} == spec.counts
    assert sum(spec.counts.values()) == 13708
