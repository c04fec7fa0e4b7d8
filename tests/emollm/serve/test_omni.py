"""Omni models under vLLM give the answers of the hf engine; what vLLM cannot run is refused before it starts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.data.sources import record_of
from emollm.engines import Request, Sampling
from emollm.engines.checkpoints import Checkpoint
from emollm.errors import ConfigError
from emollm.jsonl import read_rows
from emollm.prompts import TASKS
from emollm.records import Prediction, Record, TextLine
from tests.emollm.serve.conftest import save_omni

needs_vllm = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed: `make test-serve` runs this in .venv-serve"
)


@pytest.fixture(scope="module", params=["qwen2_5_omni", "qwen2_5_vl"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_omni(tmp_path_factory.mktemp("omni") / "saved", request.param)


@pytest.fixture(scope="module")
def engines(folder: Path) -> Iterator[tuple[Any, Any]]:
    """The hf and the vllm engine with one model."""
    from emollm.api import open_engine

    hf, vllm = open_engine(folder), open_engine(folder, 16, engine="vllm")
    yield hf, vllm
    hf.close()
    vllm.close()


@pytest.fixture
def clips(make_clip: Callable[..., Path]) -> list[Record]:
    """Clips whose pictures last longer than their grid is wide, sound that is too short for a token, and words."""
    return [
        record_of(make_clip("both.mp4", seconds=1.6)),
        record_of(make_clip("long.mp4", seconds=3.1)),
        record_of(make_clip("sound.wav", seconds=0.5)),
        record_of(make_clip("short.wav", seconds=0.02)),
        record_of(make_clip("picture.mp4", sound=False, seconds=1.6)),
        Record(id="said", text=(TextLine(text="I will not go there again"),)),
    ]


def answers(engine: Any, requests: list[Request], sampling: Sampling) -> dict[str, Prediction]:
    return {answer.id: answer for answer in engine.generate(requests, sampling)}


@needs_vllm
@pytest.mark.parametrize(("task", "budget"), [("ask", 24), ("labels", 150)])
def test_all_kinds_of_clips_in_one_batch_get_the_answers_of_hf(
    engines: tuple[Any, Any], clips: list[Record], task: str, budget: int
) -> None:
    requests = [Request(record.id, record, TASKS[task]) for record in clips]
    theirs, ours = (answers(engine, requests, Sampling(max_new_tokens=budget)) for engine in engines)
    assert {ours[name].provenance.engine for name in theirs} == {"vllm"}
    assert [ours[name].raw for name in theirs] == [one.raw for one in theirs.values()]
    assert [ours[name].seen for name in theirs] == [one.seen for one in theirs.values()]
    assert [ours[name].error for name in theirs] == [one.error for one in theirs.values()]
    assert len({one.raw for one in theirs.values()}) > 2, "answers depend on the clip"


@needs_vllm
def test_the_whole_model_is_opened_as_its_thinker(
    tmp_path: Path, make_clip: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """Hub checkpoints hold more than the thinker: other names of weights, the configuration inside another one."""
    from safetensors.torch import load_file, save_file

    alone, whole = save_omni(tmp_path / "alone", "qwen2_5_omni"), save_omni(tmp_path / "whole", "qwen2_5_omni")
    config = {"model_type": "qwen2_5_omni", "architectures": ["Qwen2_5OmniModel"], "enable_talker": False}
    thinker = json.loads((alone / "config.json").read_text())
    (whole / "config.json").write_text(json.dumps({**config, "thinker_config": thinker}))
    weights = load_file(alone / "model.safetensors")
    save_file({f"thinker.{name}": one for name, one in weights.items()}, whole / "model.safetensors", {"format": "pt"})
    clip, rows = make_clip(seconds=1.6), []
    for model, engine in ((alone, "hf"), (whole, "vllm")):
        out = tmp_path / f"{engine}.jsonl"
        call = ["label", str(clip), "--model", str(model), "--engine", engine, "--labels", "calm,sad", "-o", str(out)]
        result = CliRunner().invoke(app, call)
        assert result.exit_code == 0, result.output
        rows += read_rows(out, Prediction)
    assert rows[0].raw == rows[1].raw


def test_what_vllm_cannot_run_as_hf_does_is_refused_before_it_starts(tmp_path: Path) -> None:
    from emollm.config_model import Omni
    from emollm.engines.vllm_omni import VLLMOmniEngine

    for family in ("qwen2_audio", "qwen3_omni_moe_thinker", "qwen2_5_vl"):
        (tmp_path / family).mkdir()
        (tmp_path / family / "config.json").write_text(json.dumps({"model_type": family}))
    for family in ("qwen2_audio", "qwen3_omni_moe_thinker"):
        with pytest.raises(ConfigError, match="this is qwen"):
            VLLMOmniEngine(Checkpoint(tmp_path / family, family))
    seeing = Checkpoint(tmp_path / "qwen2_5_vl", "vl")
    with pytest.raises(ConfigError, match="emollm merge"):
        VLLMOmniEngine(seeing, adapter=tmp_path)
    with pytest.raises(ConfigError, match="full weights"):
        VLLMOmniEngine(Checkpoint(seeing.path, "vl", omni=Omni(weights="4bit")))
