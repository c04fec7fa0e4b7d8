"""EmoBench-M as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest

from emollm.data.prep import load_leaf

ANSWERS = {
    "FGMSA": "weak positive",
    "MC-EIU": "anger, questioning",
    "MELD": "joy",
    "MOSEI": "neutral",
    "MOSI": "negative",
    "MUSTARD": "True",
    "RAVDSS_song": "calm",
    "RAVDSS_speech": "disgust",
    "SIMS": "positive",
    "ch-simsv2s": "neutral",
    "funny": "false",
    "mer2023": "worried",
    "smile": "Because of the hat.",
}


def item(number: int, clip: str, answer: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": "<video>\nThe person says: “ça va”. Which?"}, {"from": "gpt", "value": answer}]
    return {"id": str(number), "video": clip, "conversations": turns}


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """One question of each of the thirteen sets."""
    copy = make_copy("emobench_m")
    for name, answer in ANSWERS.items():
        clip = f"videos/{name}/sample_00000001.mp4"
        copy.json(f"benchmark_json/{name}.json", [item(0, clip, answer)])
        copy.media(f"dataset/{'SIMS_test' if name == 'SIMS' else name}/{clip}")
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    assert len(made.records) == 13
    joy = made.records["emobench_m:test:MELD_0"]
    assert (joy.targets.label.name, joy.subset) == ("joy", "MELD")
    (asked,) = joy.targets.qa
    assert (asked.question, asked.answer, asked.task) == ("The person says: “ça va”. Which?", "joy", "MELD")
    assert made.records["emobench_m:test:MUSTARD_0"].targets.label.name == "true"
    assert made.records["emobench_m:test:SIMS_0"].media.video.path.endswith(
        "dataset/SIMS_test/videos/SIMS/sample_00000001.mp4"
    )


def test_answers_without_classes_stay_as_written(copy: Any) -> None:
    records = copy.prep().records
    for name in ("MC-EIU", "smile"):
        targets = records[f"emobench_m:test:{name}_0"].targets
        assert targets.label is None and targets.qa[0].answer == ANSWERS[name]


def test_clips_of_mer2023_name_their_parent(copy: Any) -> None:
    records = copy.prep().records
    assert records["emobench_m:test:mer2023_0"].provenance.parents == ("mer2023:sample_00000001",)
    assert records["emobench_m:test:MELD_0"].provenance.parents == ()


def test_missing_files_are_named(copy: Any) -> None:
    copy.remove("benchmark_json/funny.json")
    copy.remove("dataset/MELD/videos/MELD/sample_00000001.mp4")
    message = copy.refused()
    assert "benchmark_json/funny.json" in message and "dataset/MELD/videos" in message
    assert len(copy.prep("--allow-missing").records) == 12


def test_bad_items_are_told_at_once(copy: Any) -> None:
    copy.json(
        "benchmark_json/MELD.json",
        [item(0, "a.mp4", "hapy"), item(1, "../b.mp4", "joy"), {**item(2, "c.mp4", ""), "x": 1}],
    )
    message = copy.refused("--allow-missing")
    for part in ("MELD.json:1: answer is 'hapy'", "MELD.json:2: the path", "MELD.json:3: no question with its answer"):
        assert part in message


def test_label_spaces_follow_the_published_script() -> None:
    spec = load_leaf("emobench_m").spec
    assert len(spec.labels("emobench_song")) == 6 and set(spec.labels("emobench_speech")) > set(
        spec.labels("emobench_song")
    )
