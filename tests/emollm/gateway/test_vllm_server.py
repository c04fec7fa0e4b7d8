"""vLLM's server behind the gateway, with a stand-in for vLLM: how it is started, what reaches it, and that it ends."""

import asyncio
import base64
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from safetensors.numpy import save_file

from emollm.data.sources import record_of
from emollm.engines import Request, Sampling
from emollm.engines.checkpoints import Checkpoint
from emollm.engines.evidence import MediaSettings
from emollm.engines.local import MAX_SIDE_PX
from emollm.errors import ConfigError, EmoError
from emollm.prompts import TASKS, grammar
from emollm.serve.gateway import vllm_server
from emollm.serve.gateway.backend import EngineBackend
from emollm.serve.gateway.settings import Settings

STAND_IN = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

options = dict(zip(sys.argv[1:], sys.argv[2:]))
names = [options["--served-model-name"], *(a.split("=")[0] for a in sys.argv if "=" in a and not a.startswith("{"))]
json.dump(sys.argv[1:], open(os.environ["SEEN"] + ".options", "w"))

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def reply(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/health":
            return self.reply({})
        allowed = self.headers.get("Authorization") == "Bearer " + os.environ["VLLM_API_KEY"]
        self.reply({"data": [{"id": name, "owned_by": "vllm"} for name in names]} if allowed else {}, 200 if allowed else 401)
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        open(os.environ["SEEN"], "a").write(json.dumps(body) + "\\n")
        message = {"role": "assistant", "content": '{"labels":["calm"]}'}
        self.reply({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

HTTPServer((options["--host"], int(options["--port"])), Handler).serve_forever()
"""


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    package = tmp_path / "site" / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    for folder in (package, *package.parents[:2]):
        (folder / "__init__.py").touch()
    (package / "api_server.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.jsonl"))
    monkeypatch.setenv("EMOLLM_API_KEY", "of something else")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "qwen2_5_omni"}')
    save_file({"weight": np.zeros(1)}, folder / "model.safetensors")
    return Checkpoint(folder, "omni")


@pytest.fixture
def actors(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """An adapter of that model."""
    folder = tmp_path / "actors"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4, "base_model_name_or_path": str(checkpoint.path)}))
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    save_file({name: np.zeros((4, 8))}, folder / "adapter_model.safetensors")
    return folder


@pytest.fixture
def backend(checkpoint: Checkpoint, actors: Path) -> Iterator[EngineBackend]:
    opened, _ = vllm_server.open_vllm(checkpoint, {"actors": actors}, Settings(max_requests=3))
    yield opened
    asyncio.run(opened.close())


def ask(backend: EngineBackend, model: str, *requests: Request) -> Any:
    return asyncio.run(backend.answer(model, requests, Sampling()))


def test_a_clip_goes_as_pictures_and_sound(
    backend: EngineBackend, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    record = record_of(make_clip())
    (answer,) = ask(backend, "actors", Request("a", record, TASKS["labels"].with_question("why <|im_end|>?")))
    assert [label.text for label in answer.labels] == ["calm"], answer.error
    (body,) = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    assert body["model"] == "actors"
    (user,) = [message for message in body["messages"] if message["role"] == "user"]
    kinds = [part["type"] for part in user["content"]]
    assert kinds == ["input_audio", "video_url", "text"]
    sound = base64.b64decode(user["content"][0]["input_audio"]["data"])
    assert sound[:4] == b"RIFF" and user["content"][1]["video_url"]["url"].startswith("data:video/jpeg;base64,")
    assert "<|im_end|>" not in json.dumps(body), "control tokens of outside text are broken"


def test_it_listens_on_loopback_with_a_key_and_fetches_nothing(backend: EngineBackend, tmp_path: Path) -> None:
    options = json.loads((tmp_path / "seen.jsonl.options").read_text())
    value = dict(itertools.pairwise(options))
    assert value["--host"] == "127.0.0.1" and value["--allowed-media-domains"].endswith(".invalid")
    assert "--disable-fastapi-docs" in options and "--allowed-local-media-path" not in options
    assert value["--max-loras"] == "2", "one slot more than adapters"
    assert json.loads(value["--hf-overrides"]) == {"architectures": ["EmoQwen2_5Omni"]}, (
        "vLLM's own has other positions"
    )
    assert backend.models == ("omni", "actors")
    with httpx2.Client(timeout=300, trust_env=False) as stranger:
        assert stranger.get(f"http://127.0.0.1:{value['--port']}/v1/models").status_code == 401
    assert os.environ["EMOLLM_API_KEY"] not in " ".join(options), "the key is not in the list of processes"


def test_it_ends_with_the_gateway(checkpoint: Checkpoint) -> None:
    backend, _ = vllm_server.open_vllm(checkpoint, {}, Settings())
    assert asyncio.run(backend.is_ready())
    asyncio.run(backend.close())
    assert not asyncio.run(backend.is_ready())


def test_a_server_that_does_not_start_is_told(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "site" / "vllm" / "entrypoints" / "openai" / "api_server.py").write_text("raise SystemExit(7)")
    with pytest.raises(EmoError, match="exit code 7"):
        vllm_server.open_vllm(checkpoint, {}, Settings())


def test_an_adapter_has_a_name_of_its_own_and_the_model_is_its_own(checkpoint: Checkpoint, actors: Path) -> None:
    with pytest.raises(ConfigError, match="the model's name"):
        vllm_server.open_vllm(checkpoint, {"omni": actors}, Settings())
    save_file({"weight": np.ones(1)}, checkpoint.path / "model.safetensors")
    (actors / "adapter_config.json").write_text('{"r": 4, "base_model_name_or_path": "elsewhere"}')
    with pytest.raises(ConfigError, match="emollm merge"):
        vllm_server.open_vllm(checkpoint, {"actors": actors}, Settings())


def test_a_native_model_is_asked_as_in_training(
    checkpoint: Checkpoint, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    from emollm.models.build import build, tiny_spec

    for part in build(tiny_spec()):
        part.save_pretrained(tmp_path / "native")
    processor = part
    backend, media = vllm_server.open_vllm(Checkpoint(tmp_path / "native", "native"), {}, Settings())
    asyncio.run(backend.answer("native", [Request("a", record_of(make_clip()), TASKS["labels"])], Sampling()))
    asyncio.run(backend.close())
    assert media == MediaSettings(processor.num_frames, MAX_SIDE_PX, processor.audio_window_s, 16000)
    (body,) = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    assert body["structured_outputs"]["grammar"] == grammar(TASKS["labels"])
    (asked,) = body["messages"]
    assert asked["content"][1]["video_url"]["url"].count(",") == processor.num_frames, (
        "the frames that it was trained on"
    )
    options = json.loads((tmp_path / "seen.jsonl.options").read_text())
    assert dict(itertools.pairwise(options))["--chat-template-content-format"] == "openai"
