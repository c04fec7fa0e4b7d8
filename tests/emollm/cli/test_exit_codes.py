"""0 all right, 1 an item failed, 2 the call or the configuration is wrong, 130 interrupted; never a traceback."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.errors import ConfigError, EmoError, MediaError


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_all_right() -> None:
    assert run("recipes", "ls").exit_code == 0


@pytest.mark.parametrize(
    "arguments", [["--no-such-option"], ["no-such-command"], ["recipes", "show"], ["recipes", "show", "no/such"]]
)
def test_a_wrong_call(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_wrong_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("nam: x\n")
    result = run("validate", str(path))
    assert result.exit_code == 2
    assert "did you mean `name`?" in result.stderr and "Traceback" not in result.output
    assert result.stdout == "", "errors go to stderr"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("wrong", "here", "do this"), 2),
        (EmoError("wrong", "here", "do this"), 2),
        (MediaError("truncated", "wrong", "here", "do this"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_codes(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    def fail() -> NoReturn:
        raise error

    monkeypatch.setattr("emollm.config.recipe_names", fail)
    result = run("recipes", "ls")
    assert result.exit_code == code
    if isinstance(error, EmoError):
        assert result.stderr == "emollm: here: wrong\n  fix: do this\n"


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr("emollm.config.recipe_names", fail)
    assert isinstance(run("recipes", "ls").exception, ZeroDivisionError)


def test_the_process_carries_the_code() -> None:
    call = [sys.executable, "-m", "emollm.cli.main", "recipes", "show", "no/such"]
    result = subprocess.run(call, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert result.returncode == 2
    assert result.stdout == "" and "no/such: no recipe of this name" in result.stderr
