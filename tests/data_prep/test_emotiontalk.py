"""EmotionTalk as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

NAMES = ("G00009_42_14_001", "G00009_42_12_002", "G00012_01_07_010")


def place(name: str) -> str:
    group, dialogue, speaker, _ = name.split("_")
    return f"{group}/{group}_{dialogue}/{group}_{dialogue}_{speaker}/{name}"


FIRST, SECOND, OTHER = map(place, NAMES)


def write(copy: Any, folder: str, name: str, emotion: str, **more: Any) -> None:
    copy.json(f"{folder}/json/{name}.json", {"emotion_result": emotion, "speaker_id": "x", "file_name": name, **more})


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """The release: a dialogue of two turns, and a turn of another group; labels from each modality for some."""
    copy = make_copy("emotiontalk", {"train": 2, "dev": 1})
    answers = [{"annotator": "一", "emotion": "neutral"}]
    write(copy, "Multimodal", FIRST, "neutral", data=answers, **{"Continuous label_result": -1})
    write(copy, "Multimodal", SECOND, "surprised", data=[], **{"Continuous label_result": "2"})
    write(copy, "Multimodal", OTHER, "sad")
    write(copy, "Audio", FIRST, "fearful", content="[over/]我前天[/over]去了[laughing]。")
    write(copy, "Text", FIRST, "happy", content="[over/]我前天[/over]去了[laughing]。")
    copy.media(*(f"Multimodal/mp4/{name}.mp4" for name in (FIRST, SECOND, OTHER)))
    return copy


@pytest.fixture
def tables(make_copy: Callable[..., Any]) -> Any:
    """The CSV files of the repository: the same turns, out of order."""
    copy = make_copy("emotiontalk", {"train": 2, "dev": 1})
    rows = [(f"{SECOND}.mp4", "surprised"), (f"{OTHER}.mp4", "sad"), (f"{FIRST}.mp4", "neutral")]
    words = [(FIRST, "happy", "[over/]我前天[/over]去了[laughing]。"), (SECOND, "neutral", "是吗")]
    copy.csv("dataset/mm-process/mm.csv", ("file_name", "emotion"), rows, "utf-8-sig")
    copy.csv("dataset/mm-process/audio.csv", ("file_name", "emotion"), [(f"{FIRST}.wav", "fearful")])
    copy.csv("dataset/mm-process/transcription.csv", ("name", "emotion", "chinese"), words)
    copy.media(*(f"{name}.mp4" for name in (FIRST, SECOND, OTHER)))
    return copy


def test_the_release(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    record = made.records["emotiontalk:train:G00009_42_14_001"]
    assert (record.targets.label.name, record.subject_id, record.speaker.role) == ("neutral", "14", "actor")
    assert record.transcript.text == "我前天去了。" and record.quality.flags == ("mark:laughing", "mark:over")
    assert (record.targets.sentiment.value, record.targets.sentiment.scale) == (-1, (-2, 2))
    assert record.targets.raters == ({"annotator": "一", "emotion": "neutral"},)
    assert record.media.video.path == str(copy.root / f"Multimodal/mp4/{FIRST}.mp4")
    assert made.records["emotiontalk:dev:G00012_01_07_010"].targets.sentiment is None
    assert made.records["emotiontalk:train:G00009_42_12_002"].targets.sentiment.value == 2


def test_the_tables_of_the_repository(tables: Any) -> None:
    made = tables.prep()
    assert made.code == 0, made.err
    record = made.records["emotiontalk:train:G00009_42_14_001"]
    assert record.transcript.text == "我前天去了。" and record.targets.sentiment is None
    assert record.media.video.path == str(tables.root / f"{FIRST}.mp4")
    assert made.report["splits"] == {"train": 2, "dev": 1}


@pytest.mark.parametrize("layout", ["copy", "tables"])
def test_labels_from_one_modality_stand_beside_the_label(layout: str, request: pytest.FixtureRequest) -> None:
    records = request.getfixturevalue(layout).prep().records
    targets = records["emotiontalk:train:G00009_42_14_001"].targets
    assert {one.modality: one.probs for one in targets.distribution} == {"a": {"fearful": 1}, "t": {"happy": 1}}
    assert {one.kind for one in targets.distribution} == {"label"}, "no votes of raters"


@pytest.mark.parametrize("layout", ["copy", "tables"])
def test_turns_are_in_order(layout: str, request: pytest.FixtureRequest) -> None:
    records = request.getfixturevalue(layout).prep().records
    (turn,) = records["emotiontalk:train:G00009_42_12_002"].context
    assert (turn.id, turn.speaker, turn.emotion) == ("emotiontalk:train:G00009_42_14_001", "14", "neutral")
    assert records["emotiontalk:dev:G00012_01_07_010"].context == ()


def test_missing_and_extra_files(copy: Any) -> None:
    copy.media(*(f"Audio/wav/{name}.wav" for name in (FIRST, SECOND)), "Multimodal/mp4/more.mp4")
    copy.remove(f"Multimodal/mp4/{SECOND}.mp4")
    message = copy.refused()
    assert f"Audio/wav/{OTHER}.wav" in message and f"Multimodal/mp4/{SECOND}.mp4 or" in message
    made = copy.prep("--allow-missing")
    assert made.records["emotiontalk:train:G00009_42_14_001"].media.audio.path.endswith(f"Audio/wav/{FIRST}.wav")
    assert made.report["extra_examples"] == ["Multimodal/mp4/more.mp4"]


def test_bad_files_are_told_at_once(copy: Any) -> None:
    write(copy, "Multimodal", FIRST, "hapy")
    write(copy, "Multimodal", OTHER, "sad", **{"Continuous label_result": 3})
    write(copy, "Multimodal", "G00001/odd", "sad")
    copy.text("Text/json/G00001/a.json", "{")
    message = copy.refused("--allow-missing")
    for part in (
        f"{NAMES[0]}.json:1: emotion is 'hapy'",
        "sentiment is '3'",
        "no turn: 'Multimodal/json/G00001/odd.json'",
        "no JSON",
    ):
        assert part in message


def test_bad_rows_are_told_at_once(tables: Any) -> None:
    tables.csv("dataset/mm-process/mm.csv", ("file_name", "emotion"), [(f"{FIRST}.mp4", "hapy"), ("a.mp4", "sad")])
    message = tables.refused("--allow-missing")
    assert "mm.csv:2: emotion is 'hapy'" in message and "mm.csv:3: no turn: 'a.mp4'" in message


def test_what_is_published_about_it() -> None:
    spec = load_leaf("emotiontalk").spec
    assert sum(spec.counts.values()) == 19250
    assert {split: sum(classes.values()) for split, classes in spec.classes.items()} == spec.counts
