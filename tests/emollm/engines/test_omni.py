"""Omni backbones behind the hf engine and the command line: every family labels what it can take, and says what it cannot."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.data.sources import record_of
from emollm.engines import Request, Sampling
from emollm.engines.checkpoints import find_checkpoint
from emollm.models.omni import FAMILIES
from emollm.prompts import TASKS
from emollm.records import Prediction, Record, TextLine

GREEDY, SHORT = Sampling(max_new_tokens=120), Sampling(max_new_tokens=12)
LACKS = {"qwen2_5_vl": "audio", "qwen2_audio": "video"}


@pytest.fixture(scope="module")
def open_omni(omni_folder: Callable[[str], Path]) -> Iterator[Callable[..., Any]]:
    from emollm.api import open_engine

    opened: dict[str, Any] = {}

    def open_once(family: str) -> Any:
        if family not in opened:
            opened[family] = open_engine(omni_folder(family))
        return opened[family]

    yield open_once
    for engine in opened.values():
        engine.close()


def ask(
    engine: Any, *records: Record, task: str = "labels", sampling: Sampling = GREEDY, **options: Any
) -> list[Prediction]:
    found = {p.id: p for p in engine.generate([Request(r.id, r, TASKS[task], **options) for r in records], sampling)}
    return [found[record.id] for record in records]


@pytest.mark.parametrize("family", FAMILIES)
def test_clips_of_all_kinds_get_answers_that_can_be_read(
    family: str, open_omni: Callable[..., Any], make_clip: Callable[..., Path]
) -> None:
    both, sound, picture = (
        record_of(make_clip("both.mp4")),
        record_of(make_clip("sound.wav", seconds=0.5)),
        record_of(make_clip("picture.mp4", sound=False)),
    )
    said = Record(id="said", text=(TextLine(text="I will not go there again"),))
    answers = ask(open_omni(family), both, sound, picture, said, task="explain")
    lacking = LACKS.get(family)
    for record, answer in zip((both, sound, picture, said), answers, strict=True):
        alone = {"audio": record is sound, "video": record is picture}
        if lacking is not None and alone[lacking]:
            assert answer.error is not None and answer.error.code == "unsupported_modality"
            assert f"the clip has {lacking} alone" in answer.error.what
        else:
            assert answer.status != "error" and answer.parse in {"ok", "truncated"}
    seen = answers[0].seen
    assert ("audio_unsupported" in seen.flags, "video_unsupported" in seen.flags) == (
        lacking == "audio",
        lacking == "video",
    )
    assert (seen.frames, seen.states["audio"]) == (
        0 if lacking == "video" else 4,
        "absent" if lacking == "audio" else "present",
    )


@pytest.mark.parametrize("family", ["qwen2_5_omni", "qwen2_audio"])
def test_the_second_question_about_a_clip_is_answered_as_if_it_were_the_first(
    family: str, open_omni: Callable[..., Any], make_clip: Callable[..., Path]
) -> None:
    engine, clip, other = open_omni(family), record_of(make_clip("a.mp4")), record_of(make_clip("b.mp4", seconds=1.7))
    fresh = ask(engine, clip, task="explain", sampling=SHORT)[0].raw
    ask(engine, other, sampling=SHORT)
    ask(engine, clip, sampling=SHORT)
    assert ask(engine, clip, task="explain", sampling=SHORT)[0].raw == fresh


def test_switching_a_modality_off_works(open_omni: Callable[..., Any], make_clip: Callable[..., Path]) -> None:
    (answer,) = ask(open_omni("qwen2_5_omni"), record_of(make_clip()), audio=False)
    assert answer.seen.states["audio"] == "absent" and answer.seen.frames == 4 and "audio_off" in answer.seen.flags


def test_the_command_line_labels_and_explains(
    omni_folder: Callable[[str], Path], make_clip: Callable[..., Path]
) -> None:
    clip, model = str(make_clip()), str(omni_folder("qwen2_5_omni"))
    result = CliRunner().invoke(app, ["label", clip, "--model", model, "--labels", "calm,angry", "--format", "jsonl"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert {label["text"] for label in answer["labels"]} <= {"calm", "angry"}
    assert answer["provenance"]["engine"] == "hf" and answer["provenance"]["weights_sha256"]
    result = CliRunner().invoke(app, ["explain", clip, "--model", model, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["task"] == "explain"


def test_a_recipe_says_how_to_look(
    omni_folder: Callable[[str], Path], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = tmp_path / "look.yaml"
    path = omni_folder("qwen2_5_omni")
    recipe.write_text(
        f"method: label\nname: look\nmodel: {{path: {path}, omni: {{frames: 2, max_pixels: 6272, audio_window_s: 0.5}}}}\n"
    )
    result = CliRunner().invoke(app, ["label", str(make_clip()), "--model", str(recipe), "--format", "jsonl"])
    assert result.exit_code == 0, result.output
    seen = json.loads(result.stdout)["seen"]
    assert (seen["frames"], seen["audio_s"]) == (2, 0.5) and "audio_window" in seen["flags"]
    assert find_checkpoint(recipe).path == path
