"""`emollm serve`: what it refuses before a model is opened, and one real run from start to SIGTERM."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.licences import Licence, write_info
from emollm.records import Prediction, read_records
from emollm.synth import make_synth


def serve(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["serve", *arguments])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no model"),
        (["tiny"], "--demo"),
        (["tiny", "--demo", "--host", "0.0.0.0"], "this machine only"),
        (["tiny", "--demo", "--keys", "none.txt"], "no such file"),
        (["tiny", "--demo", "--purpose", "watching employees"], "EU AI Act"),
        (["tiny", "--demo", "--purpose", "employees", "--purpose-exception", "we want it"], "no reason"),
        (["tiny", "--demo", "--media-root", "none"], "no such folder"),
        (["tiny", "--demo", "--adapter", "a=b"], "no adapter"),
        (["none", "--demo"], "no model here"),
        (["none", "--engine", "openai", "--commercial"], "behind a server"),
        (["--new-key", "ann"], "needs a file"),
    ],
)
def test_what_is_refused(arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMOLLM_API_KEYS", raising=False)
    result = serve(*arguments)
    assert result.exit_code == 2, result.output
    assert told in result.stderr


@pytest.mark.parametrize("bound", ["model", "adapter"])
def test_commercial_use_is_refused_where_a_licence_forbids_it(bound: str, tmp_path: Path) -> None:
    for name, kind in (("model", "config.json"), ("adapter", "adapter_config.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / kind).write_text("{}")
        write_info(tmp_path / name, None, [Licence("data", "the licence", commercial=name != bound)])
    adapter = ["--engine", "vllm", "--adapter", f"news={tmp_path / 'adapter'}"]
    result = serve(str(tmp_path / "model"), *adapter, "--commercial")
    assert result.exit_code == 2, result.output
    assert "not allowed by the licence of data (the licence)" in result.stderr


def test_a_new_key_is_printed_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    key = serve("--new-key", "ann", "--keys", str(file)).stdout.strip()
    assert key.startswith("emo-") and key not in file.read_text() and file.read_text().startswith("ann ")


@pytest.mark.slow
def test_from_start_to_sigterm(random_model: Path, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    """A real model: predictions, OpenAI's client, a schema that is kept, and an end when it is told to."""
    call = [sys.executable, "-m", "emollm", "serve", str(random_model), "--demo", "--port", "0", "--purpose", "tests"]
    process = subprocess.Popen(
        [*call, "--timeout-s", "600"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "EMOLLM_API_KEYS": "ann:" + "k" * 20},
    )
    try:
        assert process.stderr is not None
        address = next(line.split()[-1] for line in process.stderr if "http://" in line)
        path = make_clip()
        with path.open("rb") as clip, httpx2.Client(timeout=600, trust_env=False) as client:
            headers = {"authorization": "Bearer " + "k" * 20}
            fields = {"task": "labels", "labels": ["calm", "sad"], "questions": ["why?"]}
            answer = client.post(f"{address}/emotions", data=fields, files={"clip": clip}, headers=headers)
        rows = [Prediction.model_validate(row) for row in answer.json()["predictions"]]
        assert {label.text for label in rows[0].labels} <= {"calm", "sad"} and rows[0].seen.frames == 4
        assert (rows[0].provenance.purpose, rows[0].provenance.valid_for) == ("tests", "synthetic")
        official = openai.OpenAI(base_url=address, api_key="k" * 20, timeout=600)
        schema = {
            "type": "object",
            "properties": {"mood": {"enum": ["calm", "sad"]}},
            "required": ["mood"],
            "additionalProperties": False,
        }
        form: Any = {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}}
        (model,) = official.models.list()
        url = f"data:video/mp4;base64,{base64.b64encode(path.read_bytes()).decode()}"
        parts: Any = [{"type": "video_url", "video_url": {"url": url}}, {"type": "text", "text": "How is she?"}]
        said = official.chat.completions.create(
            model=model.id, messages=[{"role": "user", "content": parts}], response_format=form
        )
        assert json.loads(said.choices[0].message.content or "")["mood"] in {"calm", "sad"}
        stream = official.chat.completions.create(
            model=model.id, messages=[{"role": "user", "content": "why?"}], stream=True, max_tokens=5, temperature=1
        )
        assert [chunk.choices[0].finish_reason for chunk in stream][-1] in {"stop", "length"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) in {0, -signal.SIGTERM}, (
            "uvicorn ends by the signal itself once it has gone down in order"
        )
    finally:
        process.kill()


@pytest.mark.slow
def test_the_bundled_model_annotates_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`emollm data annotate` asks the gateway as it asks any server: clips go over the wire, votes come back."""
    make_synth(tmp_path / "clips", 2, seed=5, split="dev", workers=1)
    monkeypatch.chdir(tmp_path / "clips")
    call = [
        sys.executable,
        "-m",
        "emollm",
        "serve",
        "tiny",
        "--demo",
        "--commercial",
        "--port",
        "0",
        "--timeout-s",
        "600",
    ]
    with subprocess.Popen(call, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = next(line.split()[-1] for line in process.stderr if "http://" in line)
            asked = ["data", "annotate", "annotate/votes", "records.jsonl", "-o", "out.jsonl", "--model", "tiny"]
            result = CliRunner().invoke(app, [*asked, "--base-url", address, "steps.0.votes=2"])
        finally:
            process.terminate()
    assert "4 calls, 0 reused, 0 failed" in result.output, result.output
    for record in read_records("out.jsonl"):
        (votes,) = [one for one in record.targets.distribution or () if one.kind == "model_votes"]
        assert votes.n == 2 and votes.probs
