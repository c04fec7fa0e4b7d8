"""MSP-Podcast as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
ROWS = [
    ("MSP-PODCAST_0001_0001.wav", "U", 2.4, 4.0, 2.8, "127", "Female", "Train"),
    ("MSP-PODCAST_0001_0002.wav", "X", 1.0, 7.0, 3.0, "Unknown", "Unknown", "Validation"),
    ("MSP-PODCAST_0001_0003.wav", "O", 3.0, 3.0, 3.0, "9", "Male", "Test1"),
]
ANSWERS = """MSP-PODCAST_0001_0001.wav; U; A:2.400000; V:4.000000; D:2.800000;
WORKER1; Other-émue; Concerned,Confused; A:3.000000; V:3.000000; D:4.000000;
WORKER2; Surprise; Surprise; A:1.000000; V:4.000000; D:2.000000;
WORKER3; Surprise; Neutral,Surprise; A:3.000000; V:5.000000; D:3.000000;
WORKER4; Angry; Angry; A:3.000000; V:4.000000; D:2.000000;

MSP-PODCAST_0001_0003.wav; O; A:3.000000; V:3.000000; D:3.000000;
WORKER1; Other-tired; Other-tired; A:3.000000; V:3.000000; D:3.000000;
"""


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Three turns, the raters of two, the words of one; the file name that older releases misspell."""
    copy = make_copy("msp_podcast")
    copy.csv("Labels/labels_concensus.csv", COLUMNS, ROWS, "utf-8-sig")
    copy.text("Labels/labels.txt", ANSWERS)
    copy.text("Transcripts/MSP-PODCAST_0001_0001.txt", "Oh, naïve\nme.\n")
    copy.media(*(f"Audios/{row[0]}" for row in ROWS))
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    assert made.report["splits"] == {"train": 1, "dev": 1, "test1": 1}
    record = made.records["msp_podcast:train:MSP-PODCAST_0001_0001"]
    assert (record.targets.label.space, record.targets.label.name) == ("msp8", "surprise")
    vad = record.targets.vad
    assert (vad.valence, vad.arousal, vad.dominance, vad.scale) == (4.0, 2.4, 2.8, (1, 7))
    assert (record.subject_id, record.speaker.gender, record.transcript.text) == ("127", "female", "Oh, naïve me.")
    assert record.media.audio.path.endswith("Audios/MSP-PODCAST_0001_0001.wav") and record.media.video is None


def test_every_answer_is_kept(copy: Any) -> None:
    record = copy.prep().records["msp_podcast:train:MSP-PODCAST_0001_0001"]
    (soft,) = record.targets.distribution
    assert (soft.probs, soft.n, soft.space) == ({"other": 0.25, "surprise": 0.5, "anger": 0.25}, 4, "msp9")
    first = record.targets.raters[0]
    assert first == {
        "rater": "WORKER1",
        "label": "Other-émue",
        "secondary": ["Concerned", "Confused"],
        "vad": [3, 3, 4],
    }


def test_no_agreement_and_other_are_no_classes(copy: Any) -> None:
    records = copy.prep().records
    unsure, other = records["msp_podcast:dev:MSP-PODCAST_0001_0002"], records["msp_podcast:test1:MSP-PODCAST_0001_0003"]
    assert (unsure.targets.label, unsure.quality.flags, unsure.subject_id) == (None, ("no_agreement",), None)
    assert (other.targets.label, other.quality.flags) == (None, ("other",))
    assert unsure.targets.distribution == () and other.targets.distribution[0].probs == {"other": 1}


def test_missing_and_extra_files(copy: Any) -> None:
    copy.remove("Audios/MSP-PODCAST_0001_0002.wav")
    copy.media("Audios/MSP-PODCAST_test3_0001.wav")
    assert "Audios/MSP-PODCAST_0001_0002.wav" in copy.refused()
    copy.remove("Labels/labels.txt")
    made = copy.prep("--allow-missing")
    assert made.report["extra_examples"] == ["Audios/MSP-PODCAST_test3_0001.wav"]
    assert made.records["msp_podcast:train:MSP-PODCAST_0001_0001"].targets.raters is None


def test_a_version_has_its_counts(copy: Any) -> None:
    assert "1 records of 'train', 84,030 expected" in copy.refused("--set", "version=1.11")


def test_bad_rows_are_told_at_once(copy: Any) -> None:
    rows = [(*ROWS[0][:2], 9, *ROWS[0][3:]), (*ROWS[1][:1], "Q", *ROWS[1][2:]), (*ROWS[2][:7], "Test9")]
    copy.csv("Labels/labels_consensus.csv", COLUMNS, rows)
    message = copy.refused("--allow-missing")
    for part in (
        "labels_consensus.csv:2: EmoAct is '9'",
        "labels_consensus.csv:3: EmoClass is 'Q'",
        "Split_Set is 'Test9'",
    ):
        assert part in message


def test_what_is_published_about_it() -> None:
    assert sum(load_leaf("msp_podcast").spec.versions["1.11"].values()) == 151_654 - 2_347, "all but the hidden Test3"
