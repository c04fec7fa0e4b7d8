"""`emollm sft` and `emollm merge` from the command line."""

from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import Recipe
from emollm.models.loading import load


def test_train_then_merge(make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    make_recipe()
    call = ["sft", str(tmp_path / "recipe.yaml"), "stages.0.max_steps=1", "stages.1.max_steps=1", "name=by-hand"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    assert str(tmp_path / "runs" / "by-hand") in result.output
    out = tmp_path / "merged"
    result = CliRunner().invoke(app, ["merge", str(tmp_path / "runs" / "by-hand"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    load(out)
    assert (out / "README.md").is_file()
    again = CliRunner().invoke(app, call)
    assert again.exit_code == 2 and "not empty" in again.output


def test_wrong_calls(tmp_path: Path) -> None:
    unknown = CliRunner().invoke(app, ["sft", "tiny/sfd"])
    assert unknown.exit_code == 2 and "tiny/sft" in unknown.output
    missing = CliRunner().invoke(app, ["sft", "tiny/sft", "data=nowhere.jsonl", f"output={tmp_path}"])
    assert missing.exit_code == 2 and "nowhere.jsonl" in missing.output
    assert not (tmp_path / "tiny-sft").exists(), "nothing is made before the records are read"
    nothing = CliRunner().invoke(app, ["merge", str(tmp_path), "-o", str(tmp_path / "out")])
    assert nothing.exit_code == 2 and "neither" in nothing.output
