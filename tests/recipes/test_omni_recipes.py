"""Recipes of omni backbones, on a tiny random checkpoint of the real architecture in place of the real weights."""

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import find_recipe, load_recipe, recipe_names
from emollm.config_grpo import GrpoRecipe
from emollm.config_label import is_label_recipe, load_label_recipe
from emollm.config_model import Saved
from emollm.models.loading import load
from emollm.models.omni.tiny import tiny
from emollm.records import Record, write_records
from emollm.run import read_metrics
from emollm.synth.mp4 import write_clip
from emollm.train import grpo
from emollm.train.sft import train

LABEL = [name for name in recipe_names() if is_label_recipe(name)]
SFT = [name for name in recipe_names() if "_omni_" in name and "/sft" in name]
GRPO = [name for name in recipe_names() if "_omni_" in name and "/grpo" in name]
SMALL = ("model.omni.max_pixels=3136", "model.omni.audio_window_s=1.0")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("omni")
    for part in tiny("qwen2_5_omni"):
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def records_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 16_000).astype(np.float32)
    write_clip(folder / "a.mp4", rng.integers(0, 255, (8, 32, 32, 3), dtype=np.uint8), sound, fps=8)
    cue = {"modality": "video", "text": "cheeks raised", "start_s": 0.1, "end_s": 0.9}
    text = {"text": "The person appears glad.", "kind": "reasoning", "author": "human"}
    targets = {"labels_ov": [{"text": "glad"}], "cues": [cue], "description": [text]}
    rows = [
        Record.model_validate({"id": f"r:{n}", "media": {"video": {"path": "a.mp4"}}, "targets": targets})
        for n in range(2)
    ]
    write_records(folder / "records.jsonl", rows)
    return folder / "records.jsonl"


def test_both_kinds_ship() -> None:
    assert {"qwen2.5_omni_3b/label", "qwen2.5_omni_3b/label_4bit"} <= set(LABEL)
    assert {"qwen2.5_omni_3b/sft", "qwen2.5_omni_3b/sft_4bit"} <= set(SFT)
    assert all(isinstance(load_recipe(name).model, Saved) for name in SFT)


@pytest.mark.parametrize("name", LABEL)
def test_a_label_recipe_tells_how_it_is_used_and_what_it_needs(name: str, checkpoint: Path) -> None:
    assert load_label_recipe(name).name == name.replace("/", "-")
    head = find_recipe(name).read_text(encoding="utf-8")
    assert re.search(rf"^#   emollm label .*--model {re.escape(name)}\b", head, re.M)
    result = CliRunner().invoke(app, ["validate", name, f"model.path={checkpoint}", *SMALL])
    assert result.exit_code == 0, result.output
    assert "takes audio and video" in result.stdout
    found = re.search(r"about ([\d.]+) GB of weights \((\w+)\) and ([\d.]+) GB a row", result.stdout)
    assert found is not None and found[2] == ("4bit" if "4bit" in name else "full")


@pytest.mark.parametrize("name", SFT)
def test_a_training_recipe_tells_what_it_needs_and_runs(
    name: str, checkpoint: Path, records_file: Path, tmp_path: Path
) -> None:
    overrides = [
        f"model.path={checkpoint}", *SMALL, f"data.train={records_file}", "data.workers=0", f"output={tmp_path}",
        "stages.0.max_steps=2", "stages.0.gradient_accumulation=1", "stages.0.warmup_ratio=0", "precision=float32",
    ]  # fmt: skip
    result = CliRunner().invoke(app, ["validate", name, *overrides])
    assert result.exit_code == 0, result.output
    assert re.search(r"ok +memory: answers: about [\d.]+ GB", result.stdout), result.stdout
    folder = train(load_recipe(name, [*overrides, "model.omni.weights=full"]))
    assert sum("loss" in row for row in read_metrics(folder)) == 2
    assert load(folder / "checkpoints" / "final")[1].look.num_frames == load_recipe(name).model.omni.frames


@pytest.mark.parametrize("name", GRPO)
def test_a_recipe_of_rewards_makes_a_step(name: str, checkpoint: Path, records_file: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def letters(rollouts):\n    return [len(set(r.text)) / 20 for r in rollouts]\n")
    overrides = [
        f"model={{path: {checkpoint}, omni: {{max_pixels: 3136, audio_window_s: 1.0}}}}", f"data.train={records_file}", "data.workers=0",
        f'rewards=[{{"name": "{tmp_path}/own.py:letters"}}]', "batch_size=8", "gradient_accumulation=1", "max_completion_length=4",
        "max_steps=1", "warmup_ratio=0", "learning_rate=0.01", f"output={tmp_path}",
    ]  # fmt: skip
    (row,) = read_metrics(grpo.train(load_recipe(name, overrides, GrpoRecipe)))
    assert row["kl"] == 0 and "rewards/letters" in row
    assert load(tmp_path / load_recipe(name, kind=GrpoRecipe).name / "checkpoints" / "final")[1].look.num_frames == 16
