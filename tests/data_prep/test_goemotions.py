"""GoEmotions as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

LABELS = load_leaf("goemotions").spec.labels("goemotions28")
META = ("text", "id", "author", "subreddit", "link_id", "parent_id", "created_utc", "rater_id", "example_very_unclear")
ROWS = [('Dear [NAME], 😩 naïve "quotes"', "2,3", "ed1"), ("ok", "27", "ed2")]


def rater(name: str, number: int, *voted: str) -> list[str]:
    return [
        "words",
        name,
        "someone",
        "sub",
        "t3",
        "t1",
        "1.0",
        str(number),
        "False",
        *("1" if label in voted else "0" for label in LABELS),
    ]


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Two comments in train (with a byte order mark), one in each other split; no raw files."""
    copy = make_copy("goemotions", {"train": 2, "dev": 1, "test": 1})
    copy.csv("data/train.tsv", (), ROWS, "utf-8-sig", delimiter="\t")
    copy.csv("data/dev.tsv", (), [("dev", "0", "ed3")], delimiter="\t")
    copy.csv("data/test.tsv", (), [("test", "1,25", "ed4")], delimiter="\t")
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    record = made.records["goemotions:train:ed1"]
    assert record.transcript.text == ROWS[0][0]
    assert record.targets.labels_multi.names == ("anger", "annoyance") and record.targets.distribution == ()
    assert made.records["goemotions:train:ed2"].targets.labels_multi.names == ("neutral",)
    assert made.report["labels"]["test"] == {"amusement": 1, "sadness": 1}


def test_the_raw_files_bring_every_vote_and_the_author(copy: Any) -> None:
    for part in (1, 2, 3):
        rows = [rater("ed1", part, "anger", "joy")] if part < 3 else [rater("ed1", 7)]
        copy.csv(f"data/full_dataset/goemotions_{part}.csv", (*META, *LABELS), rows)
    records = copy.prep().records
    record = records["goemotions:train:ed1"]
    (soft,) = record.targets.distribution
    assert (soft.probs, soft.n) == ({"anger": 0.5, "joy": 0.5}, 4)
    assert record.quality.n_raters == 3 and record.subject_id == record.speaker.id == "someone"
    assert records["goemotions:train:ed2"].targets.distribution == ()


def test_a_part_of_the_raw_files_is_not_enough(copy: Any) -> None:
    copy.csv("data/full_dataset/goemotions_1.csv", (*META, *LABELS), [rater("ed1", 1, "joy")])
    assert "data/full_dataset/goemotions_2.csv" in copy.refused()


def test_bad_rows_are_told_at_once(copy: Any) -> None:
    copy.csv("data/dev.tsv", (), [("a", "28", "ed5"), ("b", "", "ed6"), ("c", "1")], delimiter="\t")
    message = copy.refused("--allow-missing")
    for part in ("dev.tsv:1: label numbers ['28']", "dev.tsv:2: label numbers ['']", "dev.tsv:3: 2 cells"):
        assert part in message


def test_what_is_published_about_it() -> None:
    assert load_leaf("goemotions").spec.counts == {"train": 43410, "dev": 5426, "test": 5427}
    assert (len(LABELS), LABELS[0], LABELS[27]) == (28, "admiration", "neutral")
