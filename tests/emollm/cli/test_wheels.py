"""`emollm wheels`: imported by content, shown word by word, linted."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.emotions.maps import maps_names

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "mer_wheels"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no ../shared/reference/mer_wheels")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["wheels", *arguments])


def test_show_of_our_own_wheels() -> None:
    lines = run("show", "Very happy!", "blargh", "\x1b[31mtable").output.splitlines()
    assert lines[:3] == ["happy (emollm-1)", "  emotion: base happy, concept joy", "  plutchik: joy > joy"]
    assert "  unknown" in lines and "\x1b" not in "".join(lines)


def test_lint_of_our_own_wheels_leaves_no_concept_out() -> None:
    result = run("lint")
    assert result.exit_code == 0 and "on the circumplex only: none" in result.output


def test_a_folder_without_the_files_imports_nothing(tmp_path: Path) -> None:
    result = run("import", str(tmp_path))
    assert result.exit_code == 2 and "7 files are missing" in result.stderr
    assert maps_names() == ["emollm"]


@pytest.mark.parametrize("command", [("show", "fear"), ("lint",)])
def test_wheels_that_were_never_imported(command: tuple[str, ...]) -> None:
    result = run(*command, "--wheels", "mer2025")
    assert result.exit_code == 2 and "emollm wheels import DIR" in result.stderr


@needs_reference
def test_the_published_wheels() -> None:
    assert run("import", str(REFERENCE / "2025")).output.startswith("mer2025: 7386 words, 12 groupings")
    shown = run("show", "fear", "--wheels", "mer2025").output
    assert "bases: fear, fearful, fearless" in shown and "W2: happy > powerful (through courageous)" in shown
    linted = run("lint", "--wheels", "mer2025")
    assert (
        linted.exit_code == 1 and "W4: 12 of 102 words" in linted.output and "  fear: fear -> genius" in linted.output
    )
    assert "W4: 32 of 102 words" in run("lint", "--wheels", "mer2025", "--level", "2").output
