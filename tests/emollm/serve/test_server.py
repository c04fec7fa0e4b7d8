"""`emollm serve --engine vllm` with a native model and an adapter: OpenAI's own client asks the real vLLM behind the gateway."""

from __future__ import annotations

import base64
import json
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
from emollm.prompts import TASKS
from tests.emollm.serve.conftest import adapter, save

pytestmark = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed: `make test-serve` runs this in .venv-serve"
)
PATIENCE_S = 1500.0  # a busy machine is slow, not wrong
QUESTION, BUDGET = "Why does she hesitate?", 8
VLLM_OWN = ("invocations", "tokenize", "detokenize", "version", "docs", "metrics", "load", "v1/completions")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "native", "whisper clip resampler qwen2")


@pytest.fixture(scope="module")
def actors(model: Path) -> Path:
    return adapter(model, model.parent / "actors", 1)


@pytest.fixture
def served(model: Path, actors: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The command, and the address that it says it listens at."""
    log = tmp_path / "log"
    call = ["serve", str(model), "--engine", "vllm", "--adapter", f"actors={actors}", "--port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "emollm", *call, "--timeout-s", "900"], stderr=out)
    until = time.monotonic() + PATIENCE_S
    while "native, actors at " not in (text := log.read_text()):
        assert process.poll() is None and time.monotonic() < until, text
        time.sleep(0.5)
    yield process, text.split("native, actors at ")[1].split()[0]
    process.kill()
    process.wait()


def expected(model: Path, actors: Path, clip: Path) -> list[str]:
    """What transformers answers without and with the adapter."""
    from peft import PeftModel

    from emollm.engines.hf import HFEngine

    engine = HFEngine(Checkpoint(model, "native"))
    request = Request("r", record_of(clip), TASKS["ask"].with_question(QUESTION))
    answers = ["".join(engine.stream(request, Sampling(max_new_tokens=BUDGET)))]
    engine.model = PeftModel.from_pretrained(engine.model, str(actors))
    engine.memory = type(engine.memory)(engine.media)  # it holds what the model without the adapter has read
    answers.append("".join(engine.stream(request, Sampling(max_new_tokens=BUDGET))))
    engine.close()
    return [answer.strip() for answer in answers]


def about(clip: Path) -> list[dict[str, Any]]:
    url = f"data:video/mp4;base64,{base64.b64encode(clip.read_bytes()).decode()}"
    parts = [{"type": "video_url", "video_url": {"url": url}}, {"type": "text", "text": QUESTION}]
    return [{"role": "user", "content": parts}]


def test_the_openai_client_gets_the_answers_of_hf_and_cannot_reach_behind_the_gateway(
    served: tuple[subprocess.Popen[bytes], str], model: Path, actors: Path, make_clip: Callable[..., Path]
) -> None:
    import httpx2
    import openai

    _, address = served
    client = openai.OpenAI(base_url=address, api_key="none", timeout=PATIENCE_S, max_retries=0)
    assert [one.id for one in client.models.list().data] == ["native", "actors"]

    silent, both = make_clip("silent.mp4", sound=False), make_clip("both.mp4")
    asked = {"messages": about(silent), "temperature": 0, "max_tokens": BUDGET}
    plain, adapted = expected(model, actors, silent)
    answers = [client.chat.completions.create(model=name, **asked).choices[0] for name in ("native", "actors")]
    assert [answer.message.content for answer in answers] == [plain, adapted]
    assert plain != adapted
    assert {answer.finish_reason for answer in answers} == {"length"}, "random models do not end by themselves"

    schema = {"type": "object", "properties": {"mood": {"enum": ["calm", "angry"]}}, "required": ["mood"]}
    form = {"type": "json_schema", "json_schema": {"name": "mood", "schema": {**schema, "additionalProperties": False}}}
    made = client.chat.completions.create(model="native", messages=about(both), max_tokens=60, response_format=form)
    assert json.loads(made.choices[0].message.content or "")["mood"] in {"calm", "angry"}
    assert made.choices[0].finish_reason == "stop"

    root = address.removesuffix("v1")
    with httpx2.Client(timeout=PATIENCE_S, trust_env=False) as stranger:
        assert {path: stranger.get(root + path).status_code for path in VLLM_OWN} == dict.fromkeys(VLLM_OWN, 404)
        assert {stranger.post(root + path, json={}).status_code for path in VLLM_OWN} == {404}
