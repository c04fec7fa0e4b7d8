"""RAVDESS: performances told by file names, with and without picture."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from emollm.data.prep import load_leaf

SPEECH = [
    f"01-{emotion:02}-0{intensity}-0{sentence}-0{take}-02"
    for emotion, intensity, sentence, take in product(range(1, 9), (1, 2), (1, 2), (1, 2))
    if emotion > 1 or intensity == 1
]


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Actor 2 speaks everything (picture with sound, and sound), and actor 18 nothing."""
    copy = make_copy("ravdess", {"speech": 60})
    copy.media(*(f"Actor_02/01-{key}.mp4" for key in SPEECH), *(f"Actor_02/03-{key}.wav" for key in SPEECH))
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    record = made.records["ravdess:speech:01-02-02-02-01-02"]
    assert record.targets.label.name == "calm" and record.targets.intended[0].label == "calm"
    assert record.transcript.text == "Dogs are sitting by the door"
    assert (record.speaker.id, record.speaker.gender, record.subject_id, record.fold) == ("02", "female", "02", 1)
    assert record.media.video.path.endswith("Actor_02/01-01-02-02-02-01-02.mp4")
    assert record.media.audio.path.endswith("Actor_02/03-01-02-02-02-01-02.wav")
    assert made.report["labels"]["speech"] == {"neutral": 4} | dict.fromkeys(
        ("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 8
    )


def test_sound_alone_and_picture_alone_are_each_enough(make_copy: Callable[..., Any]) -> None:
    copy = make_copy("ravdess", {"speech": 60})
    copy.media(*(f"Audio_Speech_Actors_01-24/Actor_02/03-{key}.wav" for key in SPEECH[1:]))
    copy.media(f"Actor_02/02-{SPEECH[0]}.mp4")
    records = copy.prep().records
    assert records[f"ravdess:speech:{SPEECH[0]}"].media.video.has_audio is False
    assert records[f"ravdess:speech:{SPEECH[1]}"].media.video is None
    assert records[f"ravdess:speech:{SPEECH[1]}"].media.audio.path.endswith(f"Actor_02/03-{SPEECH[1]}.wav")


def test_song_has_six_emotions(copy: Any) -> None:
    keys = [key.replace("01-", "02-", 1) for key in SPEECH if key[3:5] < "07"]
    copy.media(*(f"Actor_02/03-{key}.wav" for key in keys))
    assert copy.prep().report["splits"] == {"speech": 60, "song": 44}


def test_a_missing_performance_is_named(copy: Any) -> None:
    copy.remove(f"Actor_02/01-{SPEECH[7]}.mp4")
    copy.remove(f"Actor_02/03-{SPEECH[7]}.wav")
    assert f"Actor_02/0?-{SPEECH[7]}: no such performance" in copy.refused()
    assert copy.prep("--allow-missing").report["problems"] == {"missing media": 1, "other counts": 1}


def test_other_names(copy: Any) -> None:
    copy.media("Actor_02/03-01-09-01-01-01-02.wav")
    assert "03-01-09-01-01-01-02.wav: no name of RAVDESS" in copy.refused()
    assert copy.prep("--allow-missing").report["problems"] == {"unknown file": 1}


def test_the_same_file_in_two_folders(copy: Any) -> None:
    copy.media(f"again/03-{SPEECH[0]}.wav")
    assert f"{SPEECH[0]} is there twice" in copy.refused("--allow-missing")


def test_the_numbers_are_those_of_the_grammar_of_names() -> None:
    assert load_leaf("ravdess").spec.counts == {"speech": 24 * 60, "song": 23 * 44}
