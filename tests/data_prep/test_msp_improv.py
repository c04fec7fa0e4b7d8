"""MSP-Improv as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

EVALUATION = """UTD-IMPROV-S01A-F01-P-FM01.avi; H; A:2.5; V:3.5; D:3.0 ; N:3.9;
WORKER1; Happy; A:3.000000; V:4.000000; D:3.000000; N:4.000000;
WORKER2; Other-gênée; A:2.000000; V:3.000000; D:NaN; N:3.000000;
WORKER1; Sad; A:1.000000; V:1.000000; D:1.000000; N:1.000000;

UTD-IMPROV-S02N-M06-T-MM03.avi; X; A:1.0; V:NaN; D:2.0 ; N:3.0;
"""
STEMS = ("session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01", "session6/S02N/T/MSP-IMPROV-S02N-M06-T-MM03")


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Two turns of two sessions."""
    copy = make_copy("msp_improv")
    copy.text("Evaluation.txt", EVALUATION, "utf-8-sig")
    copy.media(*(f"{stem}.{suffix}" for stem in STEMS for suffix in ("avi", "wav")))
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    record = made.records["msp_improv:all:S01A-F01-P-FM01"]
    assert (record.targets.label.name, [one.label for one in record.targets.intended]) == ("happy", ["anger"])
    vad = record.targets.vad
    assert (vad.valence, vad.arousal, vad.dominance, vad.scale) == (3.5, 2.5, 3.0, (1, 5))
    assert (record.fold, record.subset, record.subject_id, record.speaker.gender) == (1, "P", "F01", "female")
    assert record.media.video.path.endswith(STEMS[0] + ".avi") and record.media.audio.path.endswith(STEMS[0] + ".wav")


def test_each_rater_counts_once(copy: Any) -> None:
    record = copy.prep().records["msp_improv:all:S01A-F01-P-FM01"]
    (soft,) = record.targets.distribution
    assert (soft.probs, soft.n) == ({"happy": 0.5, "other": 0.5}, 2)
    assert record.targets.raters == (
        {"rater": "WORKER1", "label": "Happy", "vad": [4, 3, 3]},
        {"rater": "WORKER2", "label": "Other-gênée", "vad": [3, 2, None]},
    )


def test_no_agreement_and_unknown_marks(copy: Any) -> None:
    record = copy.prep().records["msp_improv:all:S02N-M06-T-MM03"]
    assert (record.targets.label, record.quality.flags, record.quality.n_raters) == (None, ("no_agreement",), None)
    assert record.targets.vad.valence is None and record.fold == 6


def test_missing_clips_and_the_other_spelling(copy: Any) -> None:
    (copy.root / "Evaluation.txt").rename(copy.root / "Evalution.txt")
    copy.remove(STEMS[1] + ".avi")
    copy.remove(STEMS[0] + ".wav")
    message = copy.refused()
    assert STEMS[1] + ".avi" in message and STEMS[0] + ".wav" in message
    assert copy.prep("--allow-missing").report["problems"] == {"missing media": 2}


def test_bad_lines_are_told_at_once(copy: Any) -> None:
    copy.text(
        "Evaluation.txt",
        "UTD-IMPROV-S01Q-F01-P-FM01.avi; H; A:1;\nUTD-IMPROV-S01A-F01-P-FM02.avi; Q; A:1;\nW; Sad; A:low;\n",
    )
    message = copy.refused("--allow-missing")
    for part in ("Evaluation.txt:1: no turn: 'S01Q", "Evaluation.txt:2: code is 'Q'", "Evaluation.txt:3: no marks"):
        assert part in message
