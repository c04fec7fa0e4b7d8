"""`emollm recipes`: what ships is listed, shown byte for byte, and copied without overwriting."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import find_recipe, recipe_names


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["recipes", *arguments])


def test_ls_lists_every_recipe() -> None:
    listed = [line.split()[0] for line in run("ls").output.splitlines()]
    assert listed == recipe_names() and "tiny/sft" in listed


def test_show_prints_the_file() -> None:
    assert run("show", "tiny/sft").output == find_recipe("tiny/sft").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", [True, False])
def test_cp(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "sft.yaml"
    result = run("cp", "tiny/sft", str(tmp_path if folder else target))
    assert result.exit_code == 0 and result.output.strip() == str(target)
    assert target.read_bytes() == find_recipe("tiny/sft").read_bytes()


def test_cp_overwrites_nothing(tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    target.write_text("mine")
    result = run("cp", "tiny/sft", str(target))
    assert result.exit_code == 2 and "exists already" in result.stderr
    assert target.read_text() == "mine"


def test_a_typo_names_the_nearest() -> None:
    assert "did you mean `tiny/sft`?" in run("show", "tiny/stf").stderr
