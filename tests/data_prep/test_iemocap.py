"""IEMOCAP as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[12.1000 - 14.2000]\tSes05F_impro01_M000\texc\t[4.5000, 3.5000, 3.0000]
C-E2:\tExcited;\t()
C-E3:\tHappiness; Excited;\t(beaming)
C-E4:\tNeutral;
C-F1:\tSadness;\t(self)
A-E3:\tval 5; act 4; dom  3;\t()
A-E4:\tval 4; act 3; dom  ;\t()
A-M1:\tval 1; act 1; dom  1;\t()

[6.2500 - 8.0000]\tSes05F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()

[15.0000 - 16.5000]\tSes05F_impro01_F001\txxx\t[3.0000, 3.0000, 3.0000]
C-E2:\tAnger;\t()
C-E3:\tFear;\t()

[17.0000 - 18.0000]\tSes05F_impro01_M001\tfru\t[2.0000, 3.5000, 3.0000]
"""
TRANSCRIPT = """Ses05F_impro01_F000 [006.2500-008.0000]: Où étais-tu?
Ses05F_impro01_M000 [012.1000-014.2000]: You won't believe it.
Ses05F_impro01_MXX0 [014.3000-014.6000]: (LAUGHTER)
Ses05F_impro01_F001 [015.0000]: broken
"""
TURNS = ("F000", "M000", "F001", "M001")


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """One dialogue of four turns in session 5, one turn in each other session."""
    copy = make_copy("iemocap")
    for session in range(1, 6):
        name = f"Ses0{session}F_impro01"
        here = f"Session{session}"
        alone = f"[0.5000 - 1.0000]\t{name}_F000\tsad\t[1.0000, 2.0000, 3.0000]\n"
        copy.text(f"{here}/dialog/EmoEvaluation/{name}.txt", EVALUATION if session == 5 else alone, "utf-8-sig")
        copy.text(f"{here}/dialog/EmoEvaluation/._{name}.txt", "\0")
        copy.text(
            f"{here}/dialog/transcriptions/{name}.txt", TRANSCRIPT if session == 5 else f"{name}_F000 [0.5-1.0]: No.\n"
        )
        turns = TURNS if session == 5 else TURNS[:1]
        copy.media(
            f"{here}/dialog/avi/DivX/{name}.avi", *(f"{here}/sentences/wav/{name}/{name}_{turn}.wav" for turn in turns)
        )
    return copy


def test_four_ways(copy: Any) -> None:
    made = copy.prep("--set", "way=4")
    assert made.code == 0, made.err
    assert made.report["splits"] == {**{f"session{i}-4way": 1 for i in range(1, 5)}, "session5-4way": 2}
    happy = made.records["iemocap:session5-4way:Ses05F_impro01_M000"]
    assert (happy.targets.label.space, happy.targets.label.name, happy.fold) == ("iemocap4", "happy", 5)


def test_six_ways_are_named_apart_and_share_a_parent(copy: Any) -> None:
    four, six = copy.prep("--set", "way=4").records, copy.prep("--set", "way=6").records
    assert not set(four) & set(six)
    excited, frustrated = (six[f"iemocap:session5-6way:Ses05F_impro01_{turn}"] for turn in ("M000", "M001"))
    assert (excited.targets.label.name, frustrated.targets.label.name) == ("excited", "frustrated")
    parents = [excited.provenance.parents, four["iemocap:session5-4way:Ses05F_impro01_M000"].provenance.parents]
    assert parents == [("iemocap:Ses05F_impro01_M000",)] * 2


def test_all_turns(copy: Any) -> None:
    records = copy.prep("--set", "way=all").records
    unsure = records["iemocap:session5:Ses05F_impro01_F001"]
    assert unsure.targets.label is None and unsure.targets.distribution[0].probs == {"angry": 0.5, "fearful": 0.5}
    assert unsure.text == () and "no_transcript" in unsure.quality.flags
    assert len(records) == 8


def test_votes_and_marks_of_the_raters(copy: Any) -> None:
    record = copy.prep().records["iemocap:session5-6way:Ses05F_impro01_M000"]
    (soft,) = record.targets.distribution
    assert soft.probs == pytest.approx({"excited": 0.5, "happy": 1 / 6, "neutral": 1 / 3}) and soft.n == 3
    assert record.quality.n_raters == 3, "self reports are no raters"
    vad = record.targets.vad
    assert (vad.valence, vad.arousal, vad.dominance, vad.scale) == (4.5, 3.5, 3.0, (1, 5))
    raters = {told["rater"]: told for told in record.targets.raters}
    assert raters["E3"] == {"rater": "E3", "labels": ["happy", "excited"], "vad": [5, 4, 3], "comment": "beaming"}
    assert raters["E4"]["vad"] == [4, 3, None]


def test_media_person_and_dialogue(copy: Any) -> None:
    records = copy.prep().records
    male, female = (records[f"iemocap:session5-6way:Ses05F_impro01_{turn}"] for turn in ("M000", "F000"))
    assert (male.media.video.crop, female.media.video.crop) == ((0.5, 0, 1, 1), (0, 0, 0.5, 1))
    assert (male.media.video.start_s, male.media.video.end_s) == (12.1, 14.2)
    assert male.media.audio.path.endswith("Session5/sentences/wav/Ses05F_impro01/Ses05F_impro01_M000.wav")
    assert (male.subject_id, male.speaker.gender, female.subject_id) == ("Ses05M", "male", "Ses05F")
    assert [(turn.text, turn.emotion, turn.start_s) for turn in male.context] == [("Où étais-tu?", "neutral", 6.25)]


def test_missing_files_are_named(copy: Any) -> None:
    copy.remove("Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav")
    copy.remove("Session2/dialog/EmoEvaluation/Ses02F_impro01.txt")
    copy.remove("Session3/dialog/transcriptions/Ses03F_impro01.txt")
    message = copy.refused()
    for part in ("Ses01F_impro01_F000.wav", "Session2/dialog/EmoEvaluation", "Session3/dialog/transcriptions"):
        assert part in message
    assert len(copy.prep("--allow-missing").records) == 6


def test_a_broken_head_line_and_another_list_are_refused(copy: Any) -> None:
    copy.text("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", "[now - then]\tSes01F_impro01_F000\tsad\t[]\n")
    assert "Ses01F_impro01.txt:1: no turn" in copy.refused("--allow-missing")
    assert "--set way=4|6|all" in copy.refused("--set", "way=5")


def test_what_is_published_about_it() -> None:
    counts = load_leaf("iemocap").spec.counts
    assert sum(n for split, n in counts.items() if split.endswith("4way")) == 5531
    assert sum(n for split, n in counts.items() if split.endswith("6way")) == 7433
    assert (counts["session5-4way"], counts["session5-6way"]) == (1241, 1623)
