"""The recipes for annotation are read strictly, name their paper, and their header is a command that runs them."""

import re
import shlex
from pathlib import Path

import pytest

from emollm.config import find_recipe, recipe_names
from emollm.data.annotate_recipe import load_annotation

RECIPES = [name for name in recipe_names() if name.startswith("annotate/")]


def test_there_are_recipes() -> None:
    assert {
        "annotate/crowd",
        "annotate/multi_agent",
        "annotate/self_ask",
        "annotate/text_only",
        "annotate/votes",
    } <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_valid_and_its_header_runs_it(name: str) -> None:
    text = find_recipe(name).read_text(encoding="utf-8")
    assert load_annotation(name).name == name.removeprefix("annotate/")
    calls = [
        shlex.split(line[1:]) for line in text.splitlines() if line.startswith(f"#   emollm data annotate {name} ")
    ]
    assert calls
    for call in calls:
        settings = [word for word in call[5:] if "=" in word]
        load_annotation(name, settings)


def test_the_recipe_of_the_page_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "annotate.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mine.yaml").write_text(block, encoding="utf-8")
    assert load_annotation(tmp_path / "mine.yaml").result.description == "voice"
