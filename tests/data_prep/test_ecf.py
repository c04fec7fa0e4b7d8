"""ECF 2.0 (SemEval-2024 Task 3) as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

WORDS = ("It is a drum , a drum !", "Oh , naïve me …", "Stop it .")
WHO = ("Ana", "Bo", "Ana")
FELT = ("joy", "sadness", "anger")


def conversation(number: int, task: int, pairs: list[list[str]]) -> dict[str, Any]:
    turns = []
    for i in range(3):
        turn = {"utterance_ID": i + 1, "text": WORDS[i], "speaker": WHO[i], "emotion": FELT[i]}
        if task == 2:
            turn |= {
                "video_source": ["S01E01", f"00:07:4{i}.335", f"00:07:4{i}.880"],
                "video_name": f"dia{number}utt{i + 1}.mp4",
            }
        turns.append(turn)
    return {"conversation_ID": number, "conversation": turns, "emotion-cause_pairs": pairs}


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """A conversation for each split, in both subtasks."""
    copy = make_copy("ecf", {"train": 3, "test": 3})
    spans = [
        ["3_anger", "1_It is a drum"],
        ["3_anger", "1_a drum"],
        ["3_anger", "2_0_3"],
        ["2_sadness", "2_naïve me …"],
    ]
    for split, number in (("train", 5), ("test", 1375)):
        copy.json(f"Subtask_1_{split}.json", [conversation(number, 1, spans)])
        copy.json(f"Subtask_2_{split}.json", [conversation(number, 2, [["3_anger", "1"]])])
        copy.media(*(f"clips/dia{number}utt{i}.mp4" for i in (1, 2, 3)))
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep("--set", "clips=clips")
    assert made.code == 0, made.err
    angry = made.records["ecf:test:dia1375utt3"]
    assert (angry.targets.label.name, angry.speaker.id, angry.transcript.text) == ("anger", "Ana", "Stop it .")
    assert (angry.time.start_s, angry.time.end_s, angry.time.clock) == (462.335, 462.88, "source")
    assert angry.media.video.path.endswith("clips/dia1375utt3.mp4") and angry.subset == "S01E01"
    assert [turn.id for turn in angry.context] == ["ecf:test:dia1375utt1", "ecf:test:dia1375utt2"]
    assert made.records["ecf:test:dia1375utt1"].targets.cause is None


def test_causes_of_both_subtasks(copy: Any) -> None:
    records = copy.prep().records
    whole, first, twice, tokens = records["ecf:train:dia5utt3"].targets.cause
    assert (whole.utterance, whole.text, whole.span) == ("ecf:train:dia5utt1", None, None)
    assert (first.text, first.span, first.modality) == ("It is a drum", (0, 12), "text")
    assert (twice.text, twice.span) == ("a drum", None), "these words stand there twice"
    assert (tokens.utterance, tokens.text, tokens.span) == ("ecf:train:dia5utt2", "Oh , naïve", (0, 10))
    (sad,) = records["ecf:train:dia5utt2"].targets.cause
    assert WORDS[1][slice(*sad.span)] == sad.text == "naïve me …"


def test_one_subtask_is_enough_and_none_is_not(copy: Any) -> None:
    copy.remove("Subtask_2_train.json")
    copy.remove("Subtask_2_test.json")
    copy.remove("Subtask_1_test.json")
    assert "Subtask_1_test.json or Subtask_2_test.json" in copy.refused()
    copy.text("Subtask_1_test.json", "\ufeff[]")
    record = copy.prep("--allow-missing").records["ecf:train:dia5utt3"]
    assert record.time is None and len(record.targets.cause) == 3


def test_the_clips_of_meld_are_parents(copy: Any) -> None:
    copy.text(
        "all_data_pair_ECFvsMELD.txt",
        "5 3\n(1,3)\n1 | Ana | joy | It is | train_dia559_utt3\n2 | Bo | sadness | Oh | -\n",
    )
    records = copy.prep().records
    assert records["ecf:train:dia5utt1"].provenance.parents == ("meld:train:dia559_utt3",)
    assert records["ecf:train:dia5utt2"].provenance.parents == records["ecf:test:dia1375utt1"].provenance.parents == ()


def test_missing_clips_are_named_where_clips_are_asked_for(copy: Any) -> None:
    copy.remove("clips/dia5utt2.mp4")
    assert "clips/dia5utt2.mp4" in copy.refused("--set", "clips=clips")
    assert copy.prep().code == 0


def test_pairs_that_do_not_fit_are_told_at_once(copy: Any) -> None:
    copy.json("Subtask_1_train.json", [conversation(5, 1, [["3_joy", "1_a"]]), conversation(6, 1, [["1_joy", "9_a"]])])
    message = copy.refused("--allow-missing")
    assert "Subtask_1_train.json:1: pair ['3_joy', '1_a']: turn 3 is anger" in message
    assert "Subtask_1_train.json:2: no emotion-cause pair: ['1_joy', '9_a']" in message


def test_what_is_published_about_it() -> None:
    assert load_leaf("ecf").spec.counts == {"train": 13619, "test": 3101}
