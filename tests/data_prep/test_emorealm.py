"""EmoReAlM as its users have it on disk."""

from collections.abc import Callable
from typing import Any

import pytest


def question(
    number: int, task: str, clip: str, answer: str, choices: tuple[str, ...] = ("A. Yes", "B. Não")
) -> dict[str, Any]:
    return {
        "id": number,
        "task": task,
        "video": clip,
        "question": "Do they agree?",
        "choices": choices,
        "answer": answer,
    }


@pytest.fixture
def copy(make_copy: Callable[..., Any]) -> Any:
    """Two questions about one clip, one about another."""
    copy = make_copy("emorealm")
    rows = [
        question(1, "modality_agreement", "part_2/17.mp4", "A"),
        question(2, "reasoning_stress_audio", "part_2/17.mp4", "B"),
    ]
    rows += [question(3, "reasoning_basic_video", "part_11/00018.mp4", "c", ("A. x", "B. y", "C. z"))]
    copy.json("EmoReAlM/emorealm_v1.json", rows)
    for clip in ("part_2/17", "part_11/00018"):
        copy.media(f"dfew/dfew_original_clips_24fps/{clip}.mp4", f"dfew/dfew_original_clips_16khz/{clip}.wav")
    return copy


def test_a_complete_copy(copy: Any) -> None:
    made = copy.prep()
    assert made.code == 0, made.err
    first, second, third = made.records.values()
    (asked,) = first.targets.qa
    assert (asked.answer, asked.choices, asked.task) == ("A", ("A. Yes", "B. Não"), "modality_agreement")
    assert first.media.video.path.endswith("24fps/part_2/17.mp4") and first.media.audio.path.endswith(
        "16khz/part_2/17.wav"
    )
    assert first.provenance.parents == second.provenance.parents == ("dfew:17",)
    assert third.targets.qa[0].answer == "C" and third.provenance.parents == ("dfew:18",)


def test_a_question_without_its_clip_is_not_passed_over(copy: Any) -> None:
    copy.remove("dfew/dfew_original_clips_16khz/part_2/17.wav")
    assert "16khz/part_2/17.wav" in copy.refused()
    made = copy.prep("--allow-missing")
    assert made.report["flags"] == {"missing_media": 2} and len(made.records) == 3


def test_bad_questions_are_told_at_once(copy: Any) -> None:
    rows = [question(1, "modality_agreement", "part_2/17.mp4", "C"), question(2, "guessing", "part_2/17.mp4", "A")]
    rows += [question(3, "modality_agreement", "/part_2/17.mp4", "A")]
    copy.json("EmoReAlM/emorealm_v1.json", rows)
    message = copy.refused("--allow-missing")
    for part in (
        "emorealm_v1.json:1: answer 'C'",
        "emorealm_v1.json:2: task is 'guessing'",
        "emorealm_v1.json:3: no clip of DFEW",
    ):
        assert part in message
