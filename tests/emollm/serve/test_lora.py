"""Adapters beside each other in vLLM: each answers as under PEFT, and the model itself as without any; others are refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.engines import Request, Sampling
from emollm.engines.checkpoints import Checkpoint
from emollm.engines.lora import find_adapters, lora_options
from emollm.errors import ConfigError
from emollm.jsonl import read_rows
from emollm.models.loading import weights_sha256
from emollm.prompts import TASKS
from emollm.records import Prediction, Record
from tests.emollm.serve.conftest import adapter, save

needs_vllm = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed: `make test-serve` runs this in .venv-serve"
)
SAMPLING = Sampling(max_new_tokens=12)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("base"), "whisper clip resampler qwen2")


@pytest.fixture(scope="module")
def two(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of the decoder alone, and one of another rank that brings blocks along, as a stage with `full` blocks leaves it."""
    folder = tmp_path_factory.mktemp("adapters")
    beside = ["audio_adapter", "fusion"]
    return {"a": adapter(base, folder / "a", 1), "b": adapter(base, folder / "b", 2, rank=12, beside=beside)}


@pytest.fixture
def hf(base: Path) -> Iterator[Any]:
    from emollm.engines.hf import HFEngine

    engine = HFEngine(Checkpoint(base, "base"))
    yield engine
    engine.close()


def drafts(engine: Any, adapters: dict[str, Path], records: list[Record]) -> dict[tuple[str, str | None], Any]:
    """What transformers and PEFT write about each clip, by the clip's id and the adapter's name."""
    from peft import PeftModel

    from emollm.engines.decoding import Draft, write

    plain, found = engine.model, {}
    for name in (None, *adapters):
        model = plain if name is None else PeftModel.from_pretrained(plain, str(adapters[name]))
        for record in records:
            row, draft = engine._row(Request(record.id, record, TASKS["ask"]), SAMPLING), Draft()
            for _ in write(model, engine._inputs([row]), [draft], SAMPLING, engine.vocabulary):
                pass
            found[record.id, name] = (row, draft)
        if name is not None:
            plain = model.unload()
    return found


@needs_vllm
def test_the_model_and_two_adapters_answer_in_one_batch_as_under_peft(
    hf: Any, base: Path, two: dict[str, Path], mixed: list[Record], tmp_path: Path
) -> None:
    from vllm import SamplingParams

    from emollm.engines.vllm import lora_requests, media_of, open_vllm

    theirs = drafts(hf, two, [mixed[0], *mixed[2:5]])
    made = find_adapters(base, two, tmp_path)
    llm = open_vllm(base, longest=512, batch_size=16, **lora_options(made))
    named = {request.lora_name: request for request in lora_requests(made)}
    asked = [{"prompt_token_ids": row.ids, "multi_modal_data": media_of(row)} for row, _ in theirs.values()]
    params = SamplingParams(temperature=0, max_tokens=SAMPLING.max_new_tokens, logprobs=0, detokenize=False)
    done = llm.generate(asked, params, use_tqdm=False, lora_request=[named.get(name) for _, name in theirs])
    llm.llm_engine.engine_core.shutdown()
    for (clip, name), (_, draft), answer in zip(theirs, theirs.values(), done, strict=True):
        written = answer.outputs[0]
        assert list(written.token_ids)[: len(draft.ids)] == draft.ids, (clip, name)
        logs = [step[token].logprob for token, step in zip(draft.ids, written.logprobs, strict=False)]
        assert logs == pytest.approx([math.log(prob) for prob in draft.probs], abs=1e-4), (clip, name)
    clips = {clip for clip, _ in theirs}
    assert any(len({tuple(theirs[clip, name][1].ids) for name in (None, "a", "b")}) == 3 for clip in clips)


@needs_vllm
def test_label_with_an_adapter_gives_its_answers_and_says_so(
    hf: Any, base: Path, two: dict[str, Path], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    from peft import PeftModel

    from emollm.data.sources import record_of

    clip, out = make_clip(), tmp_path / "out.jsonl"
    call = ["label", str(clip), "--model", str(base), "--engine", "vllm", "--adapter", str(two["b"]), "-o", str(out)]
    result = CliRunner().invoke(app, call)
    (ours,) = read_rows(tmp_path / ("out.jsonl" if result.exit_code == 0 else "out.bad.jsonl"), Prediction)
    hf.model = PeftModel.from_pretrained(hf.model, str(two["b"]))
    (theirs,) = hf.generate([Request("r", record_of(clip), TASKS["labels"])], Sampling())
    assert ours.raw == theirs.raw
    assert ours.provenance.adapter == weights_sha256(two["b"])
    assert ours.provenance.weights_sha256 == weights_sha256(base)


def test_an_adapter_needs_vllm(base: Path, two: dict[str, Path], make_clip: Callable[..., Path]) -> None:
    result = CliRunner().invoke(app, ["label", str(make_clip()), "--model", str(base), "--adapter", str(two["a"])])
    assert result.exit_code == 2
    assert "--engine vllm" in result.stderr
    assert "emollm merge" in result.stderr


def test_there_is_one_slot_more_than_adapters_and_room_for_the_largest_rank(
    base: Path, two: dict[str, Path], tmp_path: Path
) -> None:
    made = find_adapters(base, two, tmp_path)
    assert lora_options(made) == {"enable_lora": True, "max_loras": 3, "max_lora_rank": 16}
    assert lora_options([]) == {}


def test_an_adapter_that_brings_the_model_s_own_blocks_is_served_without_them(
    base: Path, two: dict[str, Path], tmp_path: Path
) -> None:
    from safetensors import safe_open

    (made,) = find_adapters(base, {"b": two["b"]}, tmp_path)
    with safe_open(made.folder / "adapter_model.safetensors", "pt") as file:
        assert all("lora_" in key for key in file.keys())  # noqa: SIM118
    assert made.folder != two["b"]


def test_adapters_that_cannot_share_the_model_are_refused_together_with_the_advice_to_merge(
    base: Path, two: dict[str, Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    heard = adapter(base, tmp_path / "heard", 4, beside=["video_adapter"])
    weights = load_file(heard / "adapter_model.safetensors")
    changed = next(key for key in sorted(weights) if "video_adapter" in key and "lora_" not in key)
    save_file({**weights, changed: weights[changed] + 1}, heard / "adapter_model.safetensors")
    wide = adapter(base, tmp_path / "wide", 5, target_modules=r".*(q_proj|fc1)")
    other = adapter(save(tmp_path / "other", "whisper clip resampler qwen2", seed=3), tmp_path / "strange", 6)
    doras = adapter(base, tmp_path / "dora", 7, use_dora=True)
    given = {**two, "heard": heard, "wide": wide, "strange": other, "dora": doras, "none": tmp_path}
    with pytest.raises(ConfigError) as caught:
        find_adapters(base, given, tmp_path / "scratch")
    told = str(caught.value)
    assert "5 of the adapters" in told
    assert "encoder is another one" in told and "video_adapter" in told
    assert "more than the decoder" in told and "fc1" in told
    assert f"another model, {tmp_path / 'other'}" in told
    assert "without DoRA" in told
    assert f"{tmp_path}: no LoRA adapter" in told
    assert told.count("emollm merge") == 4


def test_an_adapter_of_a_run_belongs_to_the_model_that_its_stage_started_from(base: Path, tmp_path: Path) -> None:
    """PEFT's own note names the model that the run started from, for every stage."""
    run = tmp_path / "run"
    first, second = (adapter(base, run / "checkpoints" / name, seed) for seed, name in enumerate(("one", "two")))
    blocks = dict.fromkeys(("audio_tower", "video_tower", "audio_adapter", "video_adapter", "fusion"), "frozen")
    stage = {
        "blocks": {**blocks, "decoder": "lora"},
        "lora": {"rank": 4},
        "tasks": {"labels": 1},
        "learning_rate": 1e-4,
    }
    stages = [{"name": name, **stage} for name in ("one", "two")]
    recipe = {"name": "run", "model": {"path": str(base)}, "data": {"train": ["a.jsonl"]}, "stages": stages}
    (run / "config.yaml").write_text(json.dumps(recipe))
    assert find_adapters(base, {"one": first}, tmp_path)
    with pytest.raises(ConfigError, match="not known, or not there"):
        find_adapters(base, {"two": second}, tmp_path)
