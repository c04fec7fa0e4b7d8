"""GRPO on TRL really learns from what it hears and sees, and each thing that TRL does silently wrong is guarded."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import load_recipe
from emollm.config_grpo import GrpoRecipe
from emollm.errors import ConfigError, EmoError
from emollm.models.loading import load
from emollm.models.modeling import MEDIA_KEYS, EmoForConditionalGeneration
from emollm.run import read_metrics
from emollm.train import grpo
from emollm.train.blocks import check_world_size
from emollm.train.grpo import train
from tests.emollm.train.conftest import Watch

REWARD = """
from emollm.rewards import Grade

def vowels(rollouts):
    return [Grade(sum(c in "aeiou" for c in r.text) / 10, f"{len(r.record.targets.cues or ())} cues") for r in rollouts]
"""


@pytest.fixture(scope="module")
def start(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model, saved as a run that is finished."""
    folder = tmp_path_factory.mktemp("start") / "checkpoints" / "final"
    built.model.save_pretrained(folder)
    built.processor.save_pretrained(folder)
    return folder.parent.parent


def write_recipe(folder: Path, start: Path, records_file: Path, **changes: Any) -> Path:
    """LoRA, two steps for each sample, two forward passes a step, four answers to a clip."""
    (folder / "own.py").write_text(REWARD)
    kept = {"audio_tower": "frozen", "video_tower": "frozen"}
    recipe = {
        "method": "grpo",
        "name": "run",
        "model": {"path": str(start)},
        "data": {"train": [str(records_file)]},
        "blocks": {**kept, "audio_adapter": "full", "video_adapter": "full", "fusion": "full", "decoder": "lora"},
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.5},
        "rewards": [
            {"name": f"{folder / 'own.py'}:vowels"},
            {"name": "format", "weight": 0.1},
            {"name": "wheel", "weight": 0.5},
        ],
        "num_generations": 4,
        "num_iterations": 2,
        "batch_size": 8,
        "gradient_accumulation": 2,
        "max_completion_length": 6,
        "max_steps": 4,
        "learning_rate": 0.01,
        "warmup_ratio": 0.0,
        "save": {"dtype": "float32"},
        "precision": "float32",
        "output": str(folder),
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe, **changes}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(start: Path, records_file: Path, watched: Watch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder after `emollm grpo`: LoRA beside adapters, bfloat16, gradient checkpointing."""
    folder = tmp_path_factory.mktemp("lora")
    path = write_recipe(folder, start, records_file, precision="bfloat16", gradient_checkpointing=True)
    result = CliRunner().invoke(app, ["grpo", str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert str(folder / "run") in result.output and "reward" in result.output
    return folder / "run"


def rollouts(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rollouts.jsonl").read_text(encoding="utf-8").splitlines()]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / "final" / "model.safetensors")


# ---------------------------------------------------------------- media


def test_media_reach_every_forward(finished: Path, watched: Watch) -> None:
    """Two samples of 16 answers; their old and reference log-probabilities in two chunks each; four steps of two passes."""
    assert [len(one["input_ids"]) for one in watched.passes] == 2 * [16, *[8] * 4, *[8] * 4]
    missing = [name for one in watched.passes for name in MEDIA_KEYS if one[name] is None]
    assert missing == []


def test_each_row_keeps_its_clip(finished: Path, watched: Watch, built: Any) -> None:
    """TRL shuffles and splits a batch: what stands for a row's media must go with its prompt, in every pass."""
    for first in (0, 9):
        seen: dict[str, set[tuple[int, ...]]] = {}
        for one in watched.passes[first : first + 9]:
            media = torch.cat([one[name] for name in MEDIA_KEYS], dim=1).tolist()
            for ids, row in zip(one["input_ids"], media, strict=True):
                prompt = built.processor.tokenizer.decode(ids).split("<|im_start|>assistant")[0]
                prompt = prompt[prompt.index("<|im_start|>") :]
                seen.setdefault(prompt, set()).add(tuple(map(int, row)))
        assert len(seen) > 1 and all(len(rows) == 1 for rows in seen.values()), seen


def test_towers_run_once_a_clip(finished: Path, watched: Watch) -> None:
    """Four answers, in nine passes: each clip is encoded once, where it has the modality."""
    asked = {(row["step"], row["id"]): row["given"] for row in rollouts(finished)}
    assert len(asked) == 8
    rows = [torch.cat([one[name] for name in MEDIA_KEYS], dim=1) for one in (watched.passes[0], watched.passes[9])]
    clips = [{tuple(row) for row in part.tolist()} for part in rows]
    assert watched.encoded["audio"] == sum(len({row[0] for row in part if row[1]}) for part in clips)
    assert watched.encoded["video"] == sum(len({row[2] for row in part if row[3]}) for part in clips)
    assert watched.encoded["audio"] + watched.encoded["video"] > 0


# ---------------------------------------------------------------- what a run leaves


def test_the_run_folder_is_whole(finished: Path, tmp_path: Path) -> None:
    assert (finished / "plots" / "policy.png").read_bytes().startswith(b"\x89PNG")
    card = (finished / "README.md").read_text(encoding="utf-8")
    assert "shao2024deepseekmath" in card and "hu2022lora" in card and "radford2021clip" in card
    assert "1 x vowels, 0.1 x format, 0.5 x wheel" in card
    result = CliRunner().invoke(app, ["merge", str(finished), "-o", str(tmp_path / "merged")])
    assert result.exit_code == 0, result.output
    model, _ = load(tmp_path / "merged")
    assert "forward" not in vars(model), "TRL's head is taken off"
    saved = load_file(finished / "checkpoints" / "policy" / "adapter_model.safetensors")
    assert any("lora_" in name for name in saved) and any(".fusion." in name for name in saved)


def test_the_adapter_alone_can_be_merged(finished: Path, tmp_path: Path) -> None:
    call = ["merge", str(finished / "checkpoints" / "policy"), "-o", str(tmp_path / "merged"), "--dtype", "float32"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    merged, final = load_file(tmp_path / "merged" / "model.safetensors"), weights(finished)
    assert all(torch.allclose(merged[name], final[name], atol=0.02) for name in final), "the run merged in bfloat16"


def test_metrics_rows(finished: Path) -> None:
    rows = read_metrics(finished)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    wanted = {
        "reward",
        "rewards/vowels",
        "rewards/format",
        "rewards/wheel",
        "completion_length",
        "entropy",
        "kl",
        "generation_s",
    }
    assert wanted <= set(rows[0])
    assert rows[0]["reward"] == pytest.approx(
        rows[0]["rewards/vowels"] + 0.1 * rows[0]["rewards/format"] + 0.5 * rows[0]["rewards/wheel"], abs=1e-5
    )


def test_every_answer_is_written_with_its_rewards(finished: Path) -> None:
    rows = rollouts(finished)
    assert len(rows) == 2 * 16 and [row["step"] for row in rows] == [1] * 16 + [3] * 16
    for place in range(0, len(rows), 4):
        group = rows[place : place + 4]
        assert len({row["id"] for row in group}) == 1, "the answers to a clip stand together"
        assert sum(row["advantage"] for row in group) == pytest.approx(0, abs=1e-3)
        assert [a["advantage"] > b["advantage"] for a in group for b in group] == [
            a["reward"] > b["reward"] + 1e-9 for a in group for b in group
        ]
    assert all(set(row["rewards"]) == {"vowels", "format", "wheel"} == set(row["reasons"]) for row in rows)
    assert all(row["tokens"] <= 6 for row in rows)


# ---------------------------------------------------------------- reference and sampling


def test_the_first_step_is_at_the_reference(finished: Path) -> None:
    """Dropout is off although LoRA asks for it, and the reference is the model without adapters: KL is 0, then it is not."""
    kl = [row["kl"] for row in read_metrics(finished)]
    assert kl[0] == 0 and kl[1] > 0


@pytest.fixture(scope="module")
def full(start: Path, records_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in full with a reference, saved after two of four steps; the model would sample placeholders if it were let."""
    folder = tmp_path_factory.mktemp("full")
    blocks = {"audio_tower": "frozen", "video_tower": "frozen", "audio_adapter": "full", "video_adapter": "frozen"}
    path = write_recipe(
        folder,
        start,
        records_file,
        blocks={**blocks, "fusion": "frozen", "decoder": "full"},
        lora=None,
        num_iterations=1,
        loss_type="dapo",
        learning_rate=0.001,
        gradient_accumulation=1,
        save={"every_steps": 2, "keep": 2, "dtype": "float32"},
    )
    forward = EmoForConditionalGeneration.forward

    @wraps(forward)  # sampling looks at the signature
    def likes_placeholders(self: Any, *args: Any, **kwargs: Any) -> Any:
        out = forward(self, *args, **kwargs)
        config = self.config
        for token in (config.av_pad_token_id, config.clip_token_id, config.audio_token_id, config.video_token_id):
            out.logits[..., token] += 1e4
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmoForConditionalGeneration, "forward", likes_placeholders)
        return train(load_recipe(path, kind=GrpoRecipe))


def test_placeholders_are_never_sampled(full: Path) -> None:
    """The run would have stopped: a placeholder without media is refused by the model."""
    assert len(rollouts(full)) == 4 * 8


def test_the_reference_stays_behind(full: Path) -> None:
    kl = [row["kl"] for row in read_metrics(full)]
    assert kl[0] == 0 and kl[-1] > 0


def test_towers_are_saved_as_they_were(full: Path, start: Path) -> None:
    before, after = weights(start), weights(full)
    assert before.keys() == after.keys()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if ".audio_tower." in name or ".video_" in name or ".fusion." in name} <= same
    assert not any(".audio_adapter." in name for name in same)


# ---------------------------------------------------------------- resume


def go_on(run: Path, folder: Path) -> Path:
    """Copy a run of four steps, cut it after the second, in the middle of a line, and go on with it."""
    cut = folder / "run"
    shutil.copytree(run, cut)
    shutil.rmtree(cut / "checkpoints" / "final")
    shutil.rmtree(cut / "checkpoints" / "policy" / "checkpoint-4")
    with (cut / "metrics.jsonl").open("a") as torn:
        torn.write('{"step": 5, "los')
    recipe = load_recipe(run / "config.yaml", ["resume=auto", f"output={folder}"], GrpoRecipe)
    assert train(recipe) == cut
    with pytest.raises(ConfigError, match="the run is finished"):
        train(recipe)
    return cut


def assert_same(one: Path, other: Path) -> None:
    left, right = weights(one), weights(other)
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert rollouts(one) == rollouts(other)
    assert [row["step"] for row in read_metrics(one)] == [row["step"] for row in read_metrics(other)] == [1, 2, 3, 4]


def test_a_cut_run_goes_on_exactly(full: Path, tmp_path: Path) -> None:
    assert_same(full, go_on(full, tmp_path))


def test_a_cut_run_with_lora_goes_on_exactly(start: Path, records_file: Path, tmp_path: Path) -> None:
    """The second step learns from the answers of the first: both lie before the cut."""
    save = {"every_steps": 2, "keep": 2, "dtype": "float32"}
    unbroken = train(load_recipe(write_recipe(tmp_path, start, records_file, save=save), kind=GrpoRecipe))
    (tmp_path / "again").mkdir()
    assert_same(unbroken, go_on(unbroken, tmp_path / "again"))


def test_another_run_is_not_gone_on_with(full: Path) -> None:
    changes = ["resume=auto", "beta=0.5", "num_generations=2"]
    with pytest.raises(ConfigError, match="another num_generations, beta"):
        train(load_recipe(full / "config.yaml", changes, GrpoRecipe))


# ---------------------------------------------------------------- refusals


def test_too_few_clips(start: Path, records_file: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path, start, records_file, batch_size=128, max_steps=None)
    with pytest.raises(ConfigError, match=r"fewer clips than one step needs \(64\)"):
        train(load_recipe(path, kind=GrpoRecipe))
    assert not (tmp_path / "run").exists(), "nothing is made before all is known to fit"


def test_prompts_and_answers_longer_than_the_model(start: Path, records_file: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path, start, records_file, max_completion_length=500)
    with pytest.raises(ConfigError, match="the model takes 512"):
        train(load_recipe(path, kind=GrpoRecipe))


def test_fewer_processes_than_started_stop_the_run(
    start: Path, records_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpo, "check_world_size", lambda wanted, running: check_world_size(2, running))
    with pytest.raises(EmoError, match="torchrun"):
        train(load_recipe(write_recipe(tmp_path, start, records_file), kind=GrpoRecipe))


def test_validate_checks_a_recipe(start: Path, records_file: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path, start, records_file)
    good = CliRunner().invoke(app, ["validate", str(path)])
    assert good.exit_code == 0, good.output
    for line in (
        "rewards: 1 x vowels, 0.1 x format, 0.5 x wheel",
        "prompts: 4 clips a step, 4 answers each",
        "memory: about",
    ):
        assert f"ok           {line}" in good.output
    assert not (tmp_path / "run").exists(), "nothing is trained"
    changes = ["batch_size=256", "rewards=[{name: wheel}, {name: formt}]", "max_steps=null"]
    bad = CliRunner().invoke(app, ["validate", str(path), *changes])
    assert bad.exit_code == 2 and "did you mean `format`" in bad.output and "fewer clips than one step" in bad.output


@pytest.mark.slow
def test_two_processes(start: Path, records_file: Path, tmp_path: Path) -> None:
    """Started with torchrun, both sample and learn, and one of them writes."""
    path = write_recipe(tmp_path, start, records_file, max_steps=2, resume="auto")
    call = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29541", "-m", "emollm.cli.main"]
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, *call, "grpo", str(path)], capture_output=True, text=True, env=threads)
    assert result.returncode == 0, result.stderr[-3000:]
    rows = rollouts(tmp_path / "run")
    assert len(rows) == 32 and len({row["id"] for row in rows}) == 8, "16 answers of each process"
    groups = re.findall(r"step (\d)/2", result.stderr)
    assert groups == ["1", "2"]
    load(tmp_path / "run" / "checkpoints" / "final")
