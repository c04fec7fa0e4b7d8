"""CREMA-D: three vote sets a clip, what was intended, and one clip without a signal."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

COLUMNS = ("", "A", "D", "F", "H", "N", "S", "fileName", "numResponses", "agreement", "emoVote", "meanEmoResp")
CLIPS = ("1001_IEO_ANG_MD", "1002_DFA_HAP_XX", "1076_MTI_SAD_XX", "1040_ITH_SAD_XX")
VOTES = [
    ("100009", 5, 5, 0, 0, 1, 1, CLIPS[0], 12, 0.42, "A:D", 50.6),
    ("200009", 7, 1, 0, 0, 2, 0, CLIPS[0], 10, 0.7, "A", 61.0),
    ("300009", 8, 1, 0, 0, 1, 0, CLIPS[0], 10, 0.8, "A", 64.4),
    ("100010", 0, 0, 0, 2, 8, 0, CLIPS[1], 10, 0.8, "N", 40.0),
    ("300010", 0, 0, 0, 5, 5, 0, CLIPS[1], 10, 0.5, "H:N", 44.1),
    ("300011", 0, 0, 1, 0, 2, 6, CLIPS[2], 9, 0.66, "S", 57.5),
    ("300012", 0, 0, 0, 0, 1, 9, CLIPS[3], 10, 0.9, "S", 60.0),
]


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    copy = make_copy("cremad", {"all": 4})
    copy.csv("processedResults/tabulatedVotes.csv", COLUMNS, VOTES, "utf-8-sig")
    people = [(1001, 51, "Male", "Caucasian", "Not Hispanic"), (1002, 21, "Female", "Unknown", "Hispanic")]
    copy.csv("VideoDemographics.csv", ("ActorID", "Age", "Sex", "Race", "Ethnicity"), people)
    copy.media(*(f"VideoFlash/{name}.flv" for name in CLIPS), *(f"AudioWAV/{name}.wav" for name in CLIPS[:3]))
    copy.media("AudioWAV/1040_ITH_SAD_X.wav")
    return copy


def test_a_complete_copy_keeps_all_votes(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    records = made.records
    angry = records[f"cremad:all:{CLIPS[0]}"]
    assert [(one.modality, one.n) for one in angry.targets.distribution] == [("a", 12), ("v", 10), ("av", 10)]
    assert angry.targets.distribution[0].probs["disgust"] == pytest.approx(5 / 12)
    assert angry.targets.label.name == "anger" and angry.targets.intended[0].label == "anger"
    assert (angry.quality.n_raters, angry.quality.agreement) == (10, 0.8)
    assert (angry.speaker.age, angry.speaker.gender, angry.subject_id) == (51, "male", "1001")
    assert angry.transcript.text == "It's eleven o'clock"
    assert angry.media.audio.path.endswith("AudioWAV/1001_IEO_ANG_MD.wav")


def test_a_tie_has_no_label_but_an_intention(copy: Any) -> None:
    record = copy.prep().records[f"cremad:all:{CLIPS[1]}"]
    assert record.targets.label is None and record.targets.intended[0].label == "happy"
    assert record.targets.distribution[1].probs == {"happy": 0.5, "neutral": 0.5}


def test_the_clip_without_a_signal_has_no_sound(copy: Any) -> None:
    record = copy.prep().records[f"cremad:all:{CLIPS[2]}"]
    assert record.media.audio is None and record.media.video and record.quality.flags == ("no_signal",)


def test_the_file_whose_name_is_cut_short_is_found(copy: Any) -> None:
    record = copy.prep().records[f"cremad:all:{CLIPS[3]}"]
    assert record.media.audio.path.endswith("AudioWAV/1040_ITH_SAD_X.wav")
    assert record.media.video.path.endswith("VideoFlash/1040_ITH_SAD_XX.flv") and record.quality.flags == ()


def test_a_copy_without_pictures_is_taken_on_request(copy: Any) -> None:
    for name in CLIPS:
        copy.remove(f"VideoFlash/{name}.flv")
    (copy.root / "VideoFlash").rmdir()
    assert "VideoFlash: no such file" in copy.refused()
    made = copy.prep("--allow-missing")
    assert made.report["problems"] == {"missing file": 1}
    assert made.records[f"cremad:all:{CLIPS[0]}"].media.video is None


def test_missing_and_extra_clips(copy: Any) -> None:
    copy.remove(f"AudioWAV/{CLIPS[0]}.wav")
    copy.media("AudioWAV/1091_WSI_DIS_XX.wav")
    assert f"AudioWAV/{CLIPS[0]}.wav" in copy.refused()
    assert copy.prep("--allow-missing").report["extra_examples"] == [
        "AudioWAV/1076_MTI_SAD_XX.wav",
        "AudioWAV/1091_WSI_DIS_XX.wav",
    ]


def test_odd_rows_are_told_at_once(copy: Any) -> None:
    rows = [("400001", *VOTES[0][1:]), (*VOTES[1][:7], "1001_QQQ_ANG_MD", *VOTES[1][8:]), ("300001", -1, *VOTES[2][2:])]
    copy.csv("processedResults/tabulatedVotes.csv", COLUMNS, rows)
    message = copy.refused("--allow-missing")
    for part in ("'400001' says no kind of rating", "no clip's name: '1001_QQQ_ANG_MD'", ":4: A is '-1'"):
        assert part in message


def test_the_number_of_clips_is_the_published_one() -> None:
    assert load_leaf("cremad").spec.counts == {"all": 7442}
