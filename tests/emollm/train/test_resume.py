"""`resume=auto` goes on from the last saved step, and ends where an unbroken run ends: killed at any moment, with records that stayed."""

import json
import multiprocessing
import os
import pkgutil
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import Recipe, load_recipe
from emollm.errors import ConfigError
from emollm.run import read_metrics
from emollm.train.resume import finished_stages
from emollm.train.sft import train

SAVED = [
    "save.every_steps=2",
    "save.keep=2",
    "stages.0.max_steps=5",
    "stages.1.max_steps=4",
    "stages.1.lora.dropout=0.1",
]
PERCEIVE = [
    "model.adapter.standardise=true",
    "stages.0.objective=cues",
    "stages.0.tasks={cues: 1.0}",
    "stages.0.blocks.decoder=frozen",
]


def recipe(records_file: Path, output: Path, *overrides: str) -> Recipe:
    return load_recipe(records_file.parent / "recipe.yaml", [f"output={output}", *SAVED, *overrides])


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums come out equal to the bit where as many threads make them, in other processes, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(records_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unbroken run: stage `full`, then `polish` with LoRA and dropout."""
    return train(recipe(records_file, tmp_path_factory.mktemp("whole")))


@pytest.fixture
def cut(whole: Path, tmp_path: Path) -> Path:
    """The same run, cut in its second stage after two steps, in the middle of a line."""
    return cut_after(whole, tmp_path, "polish", 2)


def cut_after(run: Path, output: Path, stage: str, step: int) -> Path:
    """Copy a run and take away what came after a step."""
    folder = output / run.name
    shutil.copytree(run, folder)
    shutil.rmtree(folder / "checkpoints" / "final")
    place = folder / "checkpoints" / stage
    for path in place.iterdir():
        if path.name.startswith("checkpoint-") and int(path.name.rpartition("-")[2]) > step:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
    with (folder / "metrics.jsonl").open("a") as torn:
        torn.write('{"step": 9, "los')
    return folder


def curve(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run without its times."""
    times = ("time_s", "seconds", "samples_per_s")
    return [{key: value for key, value in row.items() if key not in times} for row in read_metrics(folder)]


def final(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / "final" / "model.safetensors")


def assert_same(one: Path, other: Path) -> None:
    left, right = final(one), final(other)
    assert left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
    assert curve(one) == curve(other)


# ---------------------------------------------------------------- killed


def run_and_die(arguments: list[str], owner: str, name: str, call: int) -> None:
    """Run `emollm sft`, and die by SIGKILL when a function is called for the n-th time."""
    torch.set_num_threads(1)
    place = pkgutil.resolve_name(owner)
    function, calls = getattr(place, name), iter(range(1, call))

    def deadly(*args: Any, **kwargs: Any) -> Any:
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    setattr(place, name, deadly)
    CliRunner().invoke(app, ["sft", *arguments])


@pytest.mark.parametrize(
    ("owner", "name", "call", "steps"),
    [
        pytest.param("transformers:Trainer", "_save_optimizer_and_scheduler", 2, {2}, id="while a step is saved"),
        pytest.param("emollm.train.checkpoints:StageTrainer", "_remove_older", 3, {2, 4, 5}, id="while old steps go"),
        pytest.param("transformers:Trainer", "_save_rng_state", 5, {2}, id="while a step with LoRA is saved"),
        pytest.param("emollm.train.sft", "finish", 2, {2, 4}, id="before the adapter is saved"),
    ],
)
def test_a_killed_run_goes_on_exactly(
    records_file: Path, whole: Path, tmp_path: Path, owner: str, name: str, call: int, steps: set[int]
) -> None:
    call_of_sft = [str(records_file.parent / "recipe.yaml"), f"output={tmp_path}", *SAVED, "resume=auto"]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["emollm.train.sft"])
    child = context.Process(target=run_and_die, args=(call_of_sft, owner, name, call))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    stage = "full" if call < 4 and "finish" not in name else "polish"
    saved = (tmp_path / "run" / "checkpoints" / stage).glob("checkpoint-*")
    assert {int(path.name.rpartition("-")[2]) for path in saved} == steps
    result = CliRunner().invoke(app, ["sft", *call_of_sft])
    assert result.exit_code == 0, result.output
    assert_same(whole, tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.part")), "nothing half-written is left"


# ---------------------------------------------------------------- cut


def test_the_rest_runs_as_it_would_have_run(
    records_file: Path, whole: Path, cut: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(recipe(records_file, cut.parent, "resume=auto")) == cut
    assert_same(whole, cut)
    assert "full: finished before" in capsys.readouterr().err


def test_without_saved_steps_the_stage_starts_over(records_file: Path, whole: Path, tmp_path: Path) -> None:
    folder = cut_after(whole, tmp_path, "polish", 0)
    train(recipe(records_file, tmp_path, "resume=auto"))
    assert_same(whole, folder)


def test_a_finished_stage_with_lora_is_not_trained_again(
    records_file: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "final")
    train(recipe(records_file, tmp_path, "resume=auto"))
    assert "full, polish: finished before" in capsys.readouterr().err
    assert_same(whole, tmp_path / "run")


def test_a_finished_run_is_left_as_it_is(
    records_file: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "config.yaml"}
    train(recipe(records_file, tmp_path, "resume=auto"))
    assert "finished before" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in before}


def test_a_last_stage_in_full_is_not_trained_again_unless_more_follows(records_file: Path, tmp_path: Path) -> None:
    both = recipe(records_file, tmp_path, "resume=auto", "stages.0.max_steps=1", "stages.1.max_steps=1")
    alone = both.model_copy(update={"stages": both.stages[:1]})
    folder = train(alone)
    written = (folder / "checkpoints" / "final" / "model.safetensors").stat().st_mtime_ns
    assert train(alone) == folder
    assert (folder / "checkpoints" / "final" / "model.safetensors").stat().st_mtime_ns == written
    assert len([row for row in read_metrics(folder) if "loss" in row]) == 1
    shutil.rmtree(folder / "checkpoints" / "final")
    assert finished_stages(alone, folder)[0] == 0, "its model is gone"
    train(both)
    assert [row["stage"] for row in read_metrics(folder) if "loss" in row] == ["full", "polish"]
    assert finished_stages(both, folder) == (2, 2)


def test_cues_go_on_with_their_linear_layers_and_statistics(records_file: Path, tmp_path: Path) -> None:
    overrides = [*PERCEIVE, "save.keep=9", "stages.1.max_steps=1"]
    unbroken = train(recipe(records_file, tmp_path / "one", *overrides))
    (tmp_path / "two").mkdir()
    folder = cut_after(unbroken, tmp_path / "two", "full", 2)
    train(recipe(records_file, tmp_path / "two", *overrides, "resume=auto"))
    assert_same(unbroken, folder)


def test_a_stage_with_other_settings_starts_over(
    records_file: Path, cut: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(recipe(records_file, cut.parent, "resume=auto", "stages.0.max_steps=1", "stages.1.max_steps=1"))
    assert "finished before" not in capsys.readouterr().err
    assert "max_steps: 1" in (cut / "config.yaml").read_text()
    assert [row["stage_step"] for row in read_metrics(cut)] == [1, 1]
    assert {path.name for path in (cut / "checkpoints" / "polish").glob("checkpoint-*")} == {"checkpoint-1"}


# ---------------------------------------------------------------- refused


def test_another_model_is_refused(records_file: Path, cut: Path) -> None:
    before = (cut / "config.yaml").read_text()
    with pytest.raises(ConfigError, match="another seed, model"):
        train(recipe(records_file, cut.parent, "resume=auto", "seed=5", "model.adapter.layers=2"))
    assert (cut / "config.yaml").read_text() == before


def change_records(origin: Path) -> None:
    origin.write_text(json.dumps({**json.loads(origin.read_text()), "plan": "another"}))


def change_processes(origin: Path) -> None:
    origin.write_text(json.dumps({**json.loads(origin.read_text()), "processes": 2}))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (change_records, "other records"),
        (change_processes, r"saved by 2 process\(es\), not 1"),
        (Path.unlink, "another version of emollm"),
    ],
)
def test_a_step_of_another_run_is_refused(
    records_file: Path, cut: Path, change: Callable[[Path], None], what: str
) -> None:
    change(cut / "checkpoints" / "polish" / "checkpoint-2" / "origin.json")
    with pytest.raises(ConfigError, match=what):
        train(recipe(records_file, cut.parent, "resume=auto"))


def test_a_run_folder_is_refused_by_default(records_file: Path, cut: Path) -> None:
    with pytest.raises(ConfigError):
        train(recipe(records_file, cut.parent))
