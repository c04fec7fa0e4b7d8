"""Recipes for labelling: which omni backbone, and how it looks, listens and holds its weights.

    recipe = load_label_recipe("qwen2.5_omni_3b/label", ["model.omni.frames=8"])

`emollm label clip.mp4 --model RECIPE` opens the model so, and `emollm validate RECIPE` tells what it needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from emollm.config import find_recipe
from emollm.config_media import MediaChoice
from emollm.config_model import Omni, Saved, Section
from emollm.config_yaml import YamlFile, validate
from emollm.paths import bundled


class Backbone(Saved):
    """An omni backbone to label with."""

    omni: Omni = Omni()


class LabelRecipe(Section):
    """How a model is opened for labelling."""

    method: Literal["label"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the recipe."""
    model: Backbone
    media: MediaChoice | None = None
    """Null: as the model was trained, else its own words and whole pictures."""


def is_label_recipe(argument: str | Path) -> bool:
    """Tell whether this is the path or the bundled name of a recipe with `method: label`.

    Raises:
        ConfigError: It is a YAML file that cannot be read.
    """
    named = Path(argument).suffix in {".yaml", ".yml"} and Path(argument).is_file()
    if not named and not (bundled("recipes") / f"{argument}.yaml").is_file():
        return False
    return YamlFile.read(find_recipe(argument)).tree.get("method") == "label"


def load_label_recipe(argument: str | Path, overrides: tuple[str, ...] | list[str] = ()) -> LabelRecipe:
    """Read a recipe for labelling, apply overrides and check it; see `emollm.config.load_recipe`.

    Raises:
        ConfigError: Everything that is wrong, each problem with file, line and key.
    """
    file = YamlFile.read(find_recipe(argument))
    file.override(overrides)
    return validate(LabelRecipe, file)
