"""EmotionLines as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf


def line(speaker: str, words: str, emotion: str, votes: str) -> dict[str, str]:
    return {"speaker": speaker, "utterance": words, "emotion": emotion, "annotation": votes}


FRIENDS = [
    [line("Ana", "Déjà vu: again?", "surprise", "1000040"), line("Bo", "No.", "neutral", "5000000")],
    [line("Bo", "Bah!", "non-neutral", "1110101")],
]
CHAT = [[line("1051336806", "😀 ok", "joy", "0500000")]]


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """The files of 2019: two dialogues of Friends, one chat."""
    copy = make_copy("emotionlines", {"all": 4}, versions={"friends": {"all": 3}})
    copy.json("friends.json", FRIENDS)
    copy.json("emotionpush.json", CHAT)
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    first = made.records["emotionlines:all:friends_dia0_utt0"]
    assert (first.transcript.text, first.subset, first.subject_id) == ("Déjà vu: again?", "friends", "Ana")
    (soft,) = first.targets.distribution
    assert (soft.probs, soft.n, soft.modality) == ({"neutral": 0.2, "surprise": 0.8}, 5, "t")
    assert first.targets.label.name == "surprise"
    unsure = made.records["emotionlines:all:friends_dia1_utt0"]
    assert unsure.targets.label.name == "non-neutral" and len(unsure.targets.distribution[0].probs) == 5
    chat = made.records["emotionlines:all:emotionpush_dia0_utt0"]
    assert chat.speaker.role == "author" and chat.subject_id is None


def test_a_dialogue_knows_its_own_past_only(copy: Any) -> None:
    records = copy.prep().records
    (turn,) = records["emotionlines:all:friends_dia0_utt1"].context
    assert (turn.id, turn.speaker, turn.emotion) == ("emotionlines:all:friends_dia0_utt0", "Ana", "surprise")
    assert records["emotionlines:all:friends_dia1_utt0"].context == ()


def test_friends_alone_is_another_version(copy: Any) -> None:
    copy.remove("emotionpush.json")
    assert "--set version=friends has these counts" in copy.refused()
    assert copy.prep("--set", "version=friends").code == 0


def test_the_files_of_2018_have_splits(copy: Any) -> None:
    copy.remove("friends.json")
    copy.remove("emotionpush.json")
    copy.json("Friends/friends_train.json", FRIENDS)
    copy.text("Friends/friends_dev.json", "\ufeff[[]]")
    assert "Friends/friends_test.json" in copy.refused()
    copy.json("Friends/friends_test.json", FRIENDS)
    made = copy.prep()
    assert made.code == 0, made.err
    assert made.report["splits"] == {"train": 3, "test": 3}
    assert len({record.native_id for record in made.records.values()}) == 6, (
        "unique over the splits, as leak checks need it"
    )


def test_bad_lines_are_told_at_once(copy: Any) -> None:
    copy.json("friends.json", [[line("A", "a", "hapy", "5000000"), line("B", "b", "joy", "51"), {"speaker": "C"}], 7])
    message = copy.refused("--allow-missing")
    for part in (
        "dialogue 1:1: emotion is 'hapy'",
        "dialogue 1:2: annotation is '51'",
        "dialogue 1:3: no field utterance",
        "dialogue 2",
    ):
        assert part in message


def test_what_is_published_about_it() -> None:
    spec = load_leaf("emotionlines").spec
    assert spec.counts["all"] == spec.versions["friends"]["all"] + spec.versions["emotionpush"]["all"] == 29245
