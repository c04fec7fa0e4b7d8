"""Help is instant (nothing heavy is imported), and the examples under it are calls that would be taken."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import Training, load_recipe

ROOT: Any = typer.main.get_command(app)
HEAVY = (
    "torch",
    "transformers",
    "numpy",
    "yaml",
    "av",
    "PIL",
    "rich.console",
    "emollm.records",
    "emollm.config",
)


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, (*path, name))


COMMANDS = dict(walk(ROOT))
LEAVES = {path: command for path, command in COMMANDS.items() if not getattr(command, "commands", None)}
EXAMPLES = [
    line.strip()
    for command in COMMANDS.values()
    for line in (command.epilog or "").splitlines()
    if line.strip().startswith("emollm ")
]


def test_help_of_everything_imports_nothing_heavy() -> None:
    """One process prints every help text; what it imported on the way is then looked at."""
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from emollm.cli.main import app\n"
        f"for path in {list(COMMANDS)!r}:\n"
        "    assert CliRunner().invoke(app, [*path, '--help']).exit_code == 0, path\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_says_what_it_does_and_how(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0
    assert COMMANDS[path].help, "a command says what it does"
    if path in LEAVES:
        assert re.search(rf"Examples:\s+emollm {' '.join(path)}", result.output), "a command shows how it is called"


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    assert [parameter.name for parameter in LEAVES[path].params if not getattr(parameter, "help", "")] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_taken(example: str) -> None:
    """The command line is parsed as it stands; a recipe in it is read with its overrides."""
    if example == "emollm --version":
        return
    command, arguments, context = ROOT, shlex.split(example)[1:], None
    while getattr(command, "commands", None):
        context = command.make_context("emollm", [], parent=context, resilient_parsing=True)
        _, command, arguments = command.resolve_command(context, arguments)
        assert command is not None
    values = command.make_context(command.name, list(arguments), parent=context).params
    if "overrides" in values and not values["recipe"].endswith(".yaml"):
        load_recipe(values["recipe"], values["overrides"] or [], Training)


def test_version() -> None:
    import emollm

    assert CliRunner().invoke(app, ["--version"]).output.strip() == f"emollm {emollm.__version__}"
