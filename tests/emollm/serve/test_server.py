"""`emollm serve --engine vllm` with a native model and an adapter: OpenAI's own client asks the real vLLM behind the gateway."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from emollm.data.sources import record_of
from emollm.engines import Request, Sampling
from emollm.engines.checkpoints import Checkpoint
from emollm.prompts import TASKS, Task
from emollm.records import Media, Prediction, Record
from tests.emollm.serve.conftest import adapter, save

pytestmark = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed: `make test-serve` runs this in .venv-serve"
)
PATIENCE_S = 1500.0  # a busy machine is slow, not wrong
QUESTION, OTHER, BUDGET = "Why does she hesitate?", "What does the voice tell?", 8
CLOSED = ("calm", "worried")
VLLM_OWN = ("invocations", "tokenize", "detokenize", "version", "docs", "metrics", "load", "v1/completions")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save(tmp_path_factory.mktemp("models") / "native", "whisper clip resampler qwen2")
    (folder / "emollm.json").write_text('{"name": "native", "valid_for": "synthetic"}')
    return folder


@pytest.fixture(scope="module")
def actors(model: Path) -> Path:
    return adapter(model, model.parent / "actors", 1)


@pytest.fixture(scope="module")
def served(
    model: Path, actors: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The command, and the address that it says it listens at."""
    folder = tmp_path_factory.mktemp("served")
    call = ["serve", str(model), "--demo", "--engine", "vllm", "--adapter", f"actors={actors}", "--port", "0"]
    environment = {**os.environ, "EMOLLM_CACHE": str(folder / "cache")}
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "emollm", *call, "--timeout-s", "900"], stderr=out, env=environment
        )
    until = time.monotonic() + PATIENCE_S
    while "native, actors at " not in (text := (folder / "log").read_text()):
        assert process.poll() is None and time.monotonic() < until, text
        time.sleep(0.5)
    yield process, text.split("native, actors at ")[1].split()[0]
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def client(served: tuple[subprocess.Popen[bytes], str]) -> Any:
    import openai

    return openai.OpenAI(base_url=served[1], api_key="none", timeout=PATIENCE_S, max_retries=0)


@pytest.fixture(scope="module")
def hf(model: Path) -> Iterator[Any]:
    from emollm.engines.hf import HFEngine

    engine = HFEngine(Checkpoint(model, "native"))
    yield engine
    engine.close()


def expected(hf: Any, record: Record, task: Task, budget: int) -> Prediction:
    """What transformers answers."""
    (answer,) = hf.generate([Request("r", record, task)], Sampling(max_new_tokens=budget))
    return answer


def clean(text: str | None) -> str:
    """Without what is no character: bytes of random models are decoded piece by piece by one engine, at once by the other."""
    return (text or "").replace("\ufffd", "").strip()


def about(clip: Path, sound: Path | None = None) -> list[dict[str, Any]]:
    url = f"data:video/mp4;base64,{base64.b64encode(clip.read_bytes()).decode()}"
    parts = [{"type": "video_url", "video_url": {"url": url}}, {"type": "text", "text": QUESTION}]
    if sound is not None:
        data = base64.b64encode(sound.read_bytes()).decode()
        parts.insert(0, {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
    return [{"role": "user", "content": parts}]


def asked(clip: Path, sound: Path | None = None, budget: int = BUDGET) -> dict[str, Any]:
    return {"messages": about(clip, sound), "temperature": 0, "max_tokens": budget}


def test_the_model_and_its_adapter_give_openai_s_client_the_answers_of_hf(
    client: Any, hf: Any, actors: Path, make_clip: Callable[..., Path]
) -> None:
    from peft import PeftModel

    assert [one.id for one in client.models.list().data] == ["native", "actors"]
    silent, task = make_clip("silent.mp4", sound=False), TASKS["ask"].with_question(QUESTION)
    plain = clean(expected(hf, record_of(silent), task, BUDGET).raw)
    bare, hf.memory = hf.model, type(hf.memory)(hf.media)  # it holds what the model without the adapter has read
    hf.model = PeftModel.from_pretrained(bare, str(actors))
    adapted = clean(expected(hf, record_of(silent), task, BUDGET).raw)
    hf.model, hf.memory = hf.model.unload(), type(hf.memory)(hf.media)
    answers = [client.chat.completions.create(model=name, **asked(silent)).choices[0] for name in ("native", "actors")]
    assert [clean(answer.message.content) for answer in answers] == [plain, adapted]
    assert plain != adapted
    assert {answer.finish_reason for answer in answers} == {"length"}, "random models do not end by themselves"


def test_sound_and_picture_in_parts_are_one_clip_and_a_stream_is_the_answer_in_pieces(
    client: Any, hf: Any, make_clip: Callable[..., Path]
) -> None:
    silent, sound = make_clip("silent.mp4", sound=False), make_clip("sound.wav")
    media = Media(video=record_of(silent).media.video, audio=record_of(sound).media.audio)
    task = TASKS["ask"].with_question(QUESTION)
    both = clean(expected(hf, Record(id="both", media=media), task, BUDGET).raw)
    assert both != clean(expected(hf, record_of(silent), task, BUDGET).raw)
    answer = client.chat.completions.create(model="native", **asked(silent, sound))
    assert clean(answer.choices[0].message.content) == both
    assert answer.usage.completion_tokens == BUDGET and answer.usage.prompt_tokens > BUDGET
    chunks = list(client.chat.completions.create(model="native", stream=True, **asked(silent, sound)))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert clean("".join(pieces)) == both
    assert sum(map(bool, pieces)) > 1
    assert chunks[-1].choices[0].finish_reason == "length"


def test_a_schema_holds_for_a_model_that_has_learned_nothing(client: Any, make_clip: Callable[..., Path]) -> None:
    schema = {"type": "object", "properties": {"mood": {"enum": ["calm", "angry"]}}, "required": ["mood"]}
    form = {"type": "json_schema", "json_schema": {"name": "mood", "schema": {**schema, "additionalProperties": False}}}
    (made,) = client.chat.completions.create(
        model="native", messages=about(make_clip()), max_tokens=60, response_format=form
    ).choices
    assert json.loads(made.message.content or "")["mood"] in {"calm", "angry"}
    assert made.finish_reason == "stop"


def test_several_questions_about_one_clip_get_the_answers_of_hf(
    served: tuple[subprocess.Popen[bytes], str], hf: Any, make_clip: Callable[..., Path]
) -> None:
    import httpx2

    silent = make_clip("silent.mp4", sound=False)
    fields = {"task": "labels", "labels": CLOSED, "questions": [QUESTION, OTHER]}
    with httpx2.Client(timeout=PATIENCE_S, trust_env=False) as stranger, silent.open("rb") as clip:
        answer = stranger.post(f"{served[1]}/emotions", files={"clip": clip}, data=fields)
    found = [Prediction.model_validate(row) for row in answer.json()["predictions"]]
    tasks = [TASKS["labels"].with_labels(CLOSED), *(TASKS["ask"].with_question(one) for one in (QUESTION, OTHER))]
    wanted = [expected(hf, record_of(silent), task, 400) for task in tasks]
    assert found[0].raw == wanted[0].raw
    assert [clean(one.raw)[:20] for one in found] == [clean(one.raw)[:20] for one in wanted]
    assert found[0].parse == "ok" and {label.text for label in found[0].labels} <= set(CLOSED)
    assert len({one.raw for one in wanted}) == 3
    assert {one.seen.frames for one in found} == {4}


def test_vllm_s_own_paths_are_out_of_reach(served: tuple[subprocess.Popen[bytes], str]) -> None:
    import httpx2

    root = served[1].removesuffix("v1")
    with httpx2.Client(timeout=PATIENCE_S, trust_env=False) as stranger:
        assert {path: stranger.get(root + path).status_code for path in VLLM_OWN} == dict.fromkeys(VLLM_OWN, 404)
        assert {stranger.post(root + path, json={}).status_code for path in VLLM_OWN} == {404}


def test_sigterm_lets_a_running_answer_end_and_leaves_no_process(
    served: tuple[subprocess.Popen[bytes], str], client: Any, make_clip: Callable[..., Path]
) -> None:
    """The last test of the server, since it ends it."""
    import psutil

    process, clip = served[0], make_clip()
    answer = client.chat.completions.create(model="native", **asked(clip, budget=200)).choices[0].message.content
    started = psutil.Process(process.pid).children(recursive=True)
    assert started
    stream = iter(client.chat.completions.create(model="native", stream=True, **asked(clip, budget=200)))
    pieces = [next(stream).choices[0].delta.content or ""]
    process.send_signal(signal.SIGTERM)
    pieces += [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(pieces).strip() == answer
    assert process.wait(PATIENCE_S) in {0, -signal.SIGTERM}, "uvicorn hands the signal on when it has drained"
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive
