"""The commands of the pages that guide newcomers: `bash` blocks run in order, `console` blocks are calls that would be taken."""

import csv
import io
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import load_recipe

ROOT = Path(__file__).parents[2]
PAGES = ("quickstart", "train", "oom", "serve")
SHOWN = ("annotate", "data", "describe", "eval", "report", "score")  # `bash` blocks name a reader's own files
ROOT_COMMAND: Any = typer.main.get_command(app)


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"), re.DOTALL)


def commands(page: str, kind: str) -> list[list[str]]:
    lines = [line for block in blocks(page, kind) for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic clips, made once."""
    folder = tmp_path_factory.mktemp("made")
    arguments = ["data", "make-synth", "--n", "2", "--seed", "7", "--split", "dev", "--workers", "1", "-o", str(folder)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `clip.mp4`, and the files that a page shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    clips = sorted((made / "media").glob("*.mp4"))
    shutil.copy(clips[0], tmp_path / "clip.mp4")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_command_runs(page: str, folder: Path, made: Path) -> None:
    if page == "oom":
        shutil.copytree(made, folder / "made")
    for table in blocks(page, "csv"):
        (folder / "labels.csv").write_text(table)
        (folder / "clips").mkdir()
        for row in csv.DictReader(io.StringIO(table)):
            (folder / row["clip"]).write_bytes((folder / "clip.mp4").read_bytes() + row["clip"].encode())
    for mapping in blocks(page, "yaml"):
        (folder / "mapping.yaml").write_text(mapping)
    ran = commands(page, "bash")
    assert ran
    for words in ran:
        assert words[0] == "emollm"
        result = CliRunner().invoke(app, words[1:], input="")
        assert result.exit_code == 0, f"{shlex.join(words)}\n{result.output}\n{result.exception!r}"


@pytest.mark.parametrize("page", PAGES + SHOWN)
def test_every_other_command_would_be_taken(page: str) -> None:
    found = commands(page, "console") + (commands(page, "bash") if page in SHOWN else [])
    assert found or page not in SHOWN
    for words in found:
        words = words[words.index("emollm.cli.main") + 1 :] if words[0] == "torchrun" else words[1:]
        command, context = ROOT_COMMAND, None
        while getattr(command, "commands", None):
            context = command.make_context("emollm", [], parent=context, resilient_parsing=True)
            _, command, words = command.resolve_command(context, words)
        values = command.make_context(command.name, list(words), parent=context).params
        assert values or not words, f"{shlex.join(words)}: nothing was understood"
        if "overrides" in values:
            recipe = values["recipe"] if not values["recipe"].endswith(".yaml") else "clip_hubert_qwen2.5_0.5b/sft"
            load_recipe(recipe, values["overrides"] or [])


def test_python_blocks_are_python() -> None:
    found = [(page, block) for page in PAGES for block in blocks(page, "python")]
    assert found
    for page, block in found:
        compile(block, page, "exec")


def test_settings_that_are_named_exist() -> None:
    """Each `key=value` of the page about memory is a key of a recipe."""
    page = re.sub(r"```.*?```", "", (ROOT / "docs" / "oom.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    named = [part for span in re.findall(r"`([^`]*)`", page) for part in span.split() if "=" in part]
    assert len(named) > 8
    load_recipe("clip_hubert_qwen2.5_7b/sft", named)  # its only stage has LoRA


def test_every_limit_of_the_gateway_is_an_option() -> None:
    page = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    options = {name for parameter in ROOT_COMMAND.commands["serve"].params for name in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)", page)) <= options
