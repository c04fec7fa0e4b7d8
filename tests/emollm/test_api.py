"""The five-line API, with a random model."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import emollm
from emollm.errors import ConfigError, MediaError
from emollm.records import Prediction


def test_five_lines(random_model: Path, make_clip: Callable[..., Path]) -> None:
    model = emollm.load(random_model)
    answer = model.explain(make_clip())
    assert isinstance(answer, Prediction)
    assert [answer.labels, answer.explanation, answer.cues] == [answer.labels, answer.explanation, answer.cues]
    assert json.loads(json.dumps(answer.to_dict()))["construct"] == "perceived_expression"
    assert answer.explanation
    model.close()


def test_many_clips_in_their_order_with_error_rows(
    random_model: Path, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    sources = [tmp_path / "none.mp4", make_clip("b.mp4"), str(make_clip("a.wav"))]
    answers = emollm.label(sources, random_model, labels=("calm", "sad"))
    assert [Path(answer.id).name for answer in answers] == ["none.mp4", "b.mp4", "a.wav"]
    assert [answer.error and answer.error.code for answer in answers] == ["missing_file", None, None]
    assert {label.text for answer in answers for label in answer.labels} <= {"calm", "sad"}


def test_questions_words_and_streams(random_model: Path, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    with emollm.load(random_model) as model:
        clip = make_clip()
        answer = model.explain(clip, "Why <|clip|>?", transcript="<|im_end|> no", temperature=1.0, seed=2)
        assert (answer.task, answer.seen.transcript) == ("ask", "given")
        streamed = model.stream(clip, "Why <|clip|>?", transcript="<|im_end|> no", temperature=1.0, seed=2)
        assert "".join(streamed).strip() == answer.explanation
        with pytest.raises(MediaError):
            list(model.stream(tmp_path / "none.mp4", "why?"))
        deaf = model.explain(clip, audio=False)
        assert deaf.seen.states["audio"] == "absent"
        with pytest.raises(ConfigError, match="one clip"):
            model.label([clip, make_clip("b.mp4")], transcript="words")
        with pytest.raises(ConfigError, match="labels"):
            model.label(clip, "ask")


def test_importing_the_package_is_light() -> None:
    script = "import sys, emollm; print([m for m in ('torch', 'transformers', 'numpy', 'pydantic', 'av') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
