"""Early stopping: the stage ends with the step that was best on dev, a cut run stops where an unbroken one does."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emollm.config import Recipe, load_recipe
from emollm.errors import ConfigError
from emollm.run import read_metrics
from emollm.train.early_stop import best_step, is_spent
from emollm.train.sft import train

STEPS = 30
STOPS = [
    "stages.0.early_stopping={patience: 2}",
    f"stages.0.max_steps={STEPS}",
    "stages.0.lr_scheduler=constant",
    "stages.0.learning_rate=0.05",  # so high that the dev loss soon rises
    "stages.0.warmup_ratio=0",
    "stages.1.max_steps=1",
    "save.every_steps=2",
]


def recipe(records_file: Path, output: Path, *overrides: str) -> Recipe:
    dev = f"data.dev={records_file}"
    return load_recipe(records_file.parent / "recipe.yaml", [dev, f"output={output}", *STOPS, *overrides])


@pytest.fixture(scope="module")
def stopped(records_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe(records_file, tmp_path_factory.mktemp("stopped")))


def dev_losses(folder: Path) -> dict[int, float]:
    rows = read_metrics(folder)
    return {row["stage_step"]: row["dev_loss"] for row in rows if row["stage"] == "full" and "dev_loss" in row}


def test_the_stage_ends_with_its_best_step(stopped: Path) -> None:
    losses = dev_losses(stopped)
    best = min(losses, key=losses.__getitem__)
    assert max(losses) == best + 4 < STEPS, "two dev losses without a better one, then no more"
    left = load_file(stopped / "checkpoints" / "full" / "model.safetensors")
    saved = load_file(stopped / "checkpoints" / "full" / f"checkpoint-{best}" / "model.safetensors")
    assert all(torch.equal(left[name], saved[name]) for name in left)
    card = (stopped / "README.md").read_text(encoding="utf-8")
    assert "| full: selected_on | dev |" in card and f"| full: step that was best on dev | {best} |" in card
    assert f"| full: dev loss | {round(losses[best], 4):g}" in card


@pytest.mark.parametrize("back", [0, 2])
def test_a_cut_run_stops_at_the_same_step(records_file: Path, stopped: Path, tmp_path: Path, back: int) -> None:
    """Cut after the last step of all, or the one before: neither trains beyond it."""
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    last = max(dev_losses(stopped))
    places = folder / "checkpoints"
    shutil.rmtree(places / "polish")
    (places / "full" / "model.safetensors").unlink()
    if back:
        shutil.rmtree(places / "full" / f"checkpoint-{last}")
        steps = sorted(int(path.name[11:]) for path in (places / "full").glob("checkpoint-*"))
        assert steps[-1] < last, "the best one is left"
    train(recipe(records_file, tmp_path, "resume=auto"))
    assert dev_losses(folder) == dev_losses(stopped)
    one, other = (load_file(run / "checkpoints" / "final" / "model.safetensors") for run in (stopped, folder))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_when_to_stop() -> None:
    history = [{"step": step, "eval_loss": loss} for step, loss in ((2, 3.0), (4, 1.0), (6, 1.0), (8, 2.0))]
    history.insert(1, {"step": 3, "eval_loss": 9.0, "loss": 0.1})
    assert best_step(history) == 4 and best_step([{"step": 1, "loss": 0.5}]) is None
    assert is_spent(history, 2) and not is_spent(history, 3) and not is_spent([], 1)


def test_it_needs_dev_records_and_saved_steps(records_file: Path) -> None:
    for missing in ("data.dev=null", "save.every_steps=null"):
        with pytest.raises(ConfigError, match=r"early_stopping.*needs.*data.dev.*save.every_steps"):
            recipe(records_file, Path("runs"), missing)
