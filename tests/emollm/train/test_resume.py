"""`resume=auto` goes on after the last finished stage, and ends where an unbroken run ends."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emollm.config import Recipe, load_recipe
from emollm.errors import ConfigError
from emollm.run import read_metrics
from emollm.train.sft import train


def recipe(records_file: Path, output: Path, *overrides: str) -> Recipe:
    return load_recipe(records_file.parent / "recipe.yaml", [f"output={output}", *overrides])


@pytest.fixture(scope="module")
def whole(records_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unbroken run: stage `full`, then `polish` with LoRA."""
    return train(recipe(records_file, tmp_path_factory.mktemp("whole")))


@pytest.fixture
def cut(whole: Path, tmp_path: Path) -> Path:
    """The same run, cut in its second stage."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "checkpoints" / "final")
    shutil.rmtree(folder / "checkpoints" / "polish")
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(line for line in lines if '"full"' in line))
    return folder


def final(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / "final" / "model.safetensors")


def test_the_rest_runs_as_it_would_have_run(records_file: Path, whole: Path, cut: Path) -> None:
    folder = train(recipe(records_file, cut.parent, "resume=auto"))
    assert folder == cut
    unbroken, broken = final(whole), final(cut)
    assert all(torch.equal(unbroken[name], broken[name]) for name in unbroken)
    assert [(row["step"], row["stage"]) for row in read_metrics(cut)] == [
        (row["step"], row["stage"]) for row in read_metrics(whole)
    ]


def test_a_stage_with_other_settings_starts_over(
    records_file: Path, cut: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(recipe(records_file, cut.parent, "resume=auto", "stages.0.max_steps=1"))
    assert "finished before" not in capsys.readouterr().err
    assert "max_steps: 1" in (cut / "config.yaml").read_text()


def test_another_model_is_refused(records_file: Path, cut: Path) -> None:
    before = (cut / "config.yaml").read_text()
    with pytest.raises(ConfigError, match="another seed, model"):
        train(recipe(records_file, cut.parent, "resume=auto", "seed=5", "model.adapter.layers=2"))
    assert (cut / "config.yaml").read_text() == before


def test_several_processes_are_refused(records_file: Path, cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="several processes"):
        train(recipe(records_file, cut.parent, "resume=auto"))


def test_a_run_folder_is_refused_by_default(records_file: Path, cut: Path) -> None:
    with pytest.raises(ConfigError):
        train(recipe(records_file, cut.parent))
