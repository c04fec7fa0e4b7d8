"""Two processes train one model: the same curve as one process with the whole batch, whatever the rows of each show."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from emollm.config import load_recipe
from emollm.errors import ConfigError, EmoError
from emollm.run import read_metrics
from emollm.train import sft
from emollm.train.blocks import check_same
from emollm.train.examples import plan_stage
from emollm.train.sft import train

SHORT = ["save.every_steps=2", "stages.0.max_steps=4", "stages.1.max_steps=2", "resume=auto"]


def sft_in_two(recipe: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    call = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29547", "-m", "emollm.cli.main"]
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *call, "sft", str(recipe), *overrides], capture_output=True, text=True, env=threads
    )


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(folder) if "loss" in row]


@pytest.mark.slow
def test_two_processes_are_one_with_the_whole_batch(records_file: Path, tmp_path: Path, built: Any) -> None:
    recipe = records_file.parent / "recipe.yaml"
    halves = [*SHORT, "stages.0.batch_size=2", "stages.1.batch_size=2", f"output={tmp_path}"]
    stage = load_recipe(recipe, halves).stages[0]
    plan = plan_stage(
        built.collator.records, stage, built.recipe.modality_dropout, [0, 0], built.collator.length_of, world_size=2
    )
    shown = [
        {(row.audio == "absent", row.video == "absent") for row in plan.examples[at : at + 2]} for at in range(0, 16, 2)
    ]
    assert any(one != other for one, other in zip(shown[::2], shown[1::2], strict=True)), (
        "the ranks see other modalities"
    )

    result = sft_in_two(recipe, *halves)
    assert result.returncode == 0, result.stderr[-3000:]
    together = tmp_path / "run"
    doubled = [*SHORT, "stages.0.batch_size=4", "stages.1.batch_size=4", f"output={tmp_path / 'alone'}"]
    alone = train(load_recipe(recipe, doubled))
    assert losses(together) == pytest.approx(losses(alone), abs=1e-4)

    shutil.rmtree(together / "checkpoints" / "final")
    shutil.rmtree(together / "checkpoints" / "full" / "checkpoint-4", ignore_errors=True)
    before = {path: load_file(path) for path in (together / "checkpoints" / "polish").glob("*.safetensors")}
    shutil.rmtree(together / "checkpoints" / "polish")
    result = sft_in_two(recipe, *halves)
    assert result.returncode == 0 and "full: finished before" in result.stderr, result.stderr[-3000:]
    for path, weights in before.items():
        after = load_file(path)
        assert all(torch.equal(weights[name], after[name]) for name in weights)


def test_processes_that_drift_apart_stop_the_run() -> None:
    check_same([{"decoder": [1, 2]}, {"decoder": [1, 2]}], "full")
    with pytest.raises(EmoError, match=r"process 1 has other weights in block 'decoder' after stage 'full'"):
        check_same([{"fusion": [3], "decoder": [1, 2]}, {"fusion": [3], "decoder": [1, 3]}], "full")


def test_weights_that_are_spread_are_refused(
    records_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = sft.make_trainer

    def spread(*args: Any) -> Any:
        trainer = make(*args)
        trainer.is_fsdp_enabled = True
        return trainer

    monkeypatch.setattr(sft, "make_trainer", spread)
    with pytest.raises(ConfigError, match=r"spread over processes \(FSDP, ZeRO-3\)"):
        train(load_recipe(records_file.parent / "recipe.yaml", [f"output={tmp_path}"]))
