"""Every recipe that ships is read strictly, and its header comment is a command that runs it."""

import re
import shlex
from pathlib import Path

import pytest

from emollm.config import Training, find_recipe, load_recipe, recipe_names
from emollm.config_label import is_label_recipe
from emollm.paths import bundled

RECIPES = [  # the others: test_omni_recipes.py, test_annotate_recipes.py
    name for name in recipe_names() if not is_label_recipe(name) and not name.startswith("annotate/")
]


def header(name: str) -> str:
    """Return the comment at the head of a recipe, without its `#`."""
    lines = find_recipe(name).read_text(encoding="utf-8").splitlines()
    end = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.removeprefix("#").strip() for line in lines[:end])


def test_there_are_recipes() -> None:
    assert "tiny/sft" in RECIPES


def test_the_folder_holds_recipes_only() -> None:
    assert [path for path in bundled("recipes").rglob("*") if path.is_file() and path.suffix != ".yaml"] == []


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_valid(name: str) -> None:
    recipe = load_recipe(name, kind=Training)
    assert not Path(recipe.output).is_absolute() and not any(Path(path).is_absolute() for path in recipe.data.train)


@pytest.mark.parametrize("name", RECIPES)
def test_header_tells_how_to_run_it(name: str) -> None:
    calls = [shlex.split(call) for call in re.findall(r"^emollm \w+ " + re.escape(name) + r"\b.*", header(name), re.M)]
    assert calls, f"the header of {name} has no line `emollm ... {name}`"
    for call in calls:
        overrides = [argument for argument in call[3:] if "=" in argument and not argument.startswith("-")]
        load_recipe(call[2], overrides, Training)


def test_run_names_differ() -> None:
    names = [load_recipe(name, kind=Training).name for name in RECIPES]
    assert len(set(names)) == len(names), "two recipes would share a run folder"
