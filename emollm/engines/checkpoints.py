"""Find a model by the word a user gives: `tiny`, a run folder, a checkpoint folder, a recipe for labelling, or a hub name.

A model folder holds config.json, safetensors and the processor's files, and may hold `emollm.json`:

    {"name": "tiny", "valid_for": "synthetic", "licences": [...]}

`name` is what predictions carry as the model's name; `valid_for` says on which clips its answers mean anything, and is stamped on
every prediction; `licences` are those of its data and weights (emollm/licences.py). All may be missing. Does not: open weights, merge
LoRA adapters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from emollm.config_label import is_label_recipe, load_label_recipe
from emollm.config_media import MediaChoice, saved_choice
from emollm.config_model import Omni
from emollm.errors import ConfigError
from emollm.licences import INFO_FILE, check_commercial, of_model
from emollm.paths import TINY

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Checkpoint:
    """A model folder on this machine, the name that predictions carry, and what its answers are valid for (None: not said).

    `omni` is how a recipe for labelling wants an omni backbone opened; `media` which words and pictures the model is given.
    """

    path: Path
    name: str
    valid_for: str | None = None
    omni: Omni | None = None
    media: MediaChoice = field(default_factory=MediaChoice)


def find_checkpoint(model: str | Path) -> Checkpoint:
    """Return the model folder that `model` names; a hub name is fetched.

    Raises:
        ConfigError: There is no such model; the error lists where it was looked for.
    """
    text = str(model)
    if is_label_recipe(text):
        recipe = load_label_recipe(text)
        found = find_checkpoint(recipe.model.path)
        return replace(found, omni=recipe.model.omni, media=recipe.media or found.media)
    looked = [TINY] if text == "tiny" else [Path(text), Path(text) / "checkpoints" / "final"]
    for folder in looked:
        if (folder / "config.json").is_file():
            return _describe(folder, text)
        if (folder / "adapter_config.json").is_file():
            raise ConfigError(
                "these are LoRA adapters without their model", str(folder), "run `emollm merge` on them first"
            )
    if not Path(text).exists() and text != "tiny" and _HUB_NAME.fullmatch(text):
        return _describe(_fetch(text), text)
    places = "\n".join(f"    {folder / 'config.json'}" for folder in looked)
    hub = "" if text == "tiny" or Path(text).exists() else "\n    the hub (a hub name is owner/name)"
    raise ConfigError(
        f"there is no model here; looked for\n{places}{hub}",
        f"model {text!r}",
        "name `tiny`, a run folder of `emollm sft`, a checkpoint folder, a recipe for labelling, or a hub name",
    )


def allow_commercial(model: str | Path, engine: str = "hf", adapters: Iterable[Path] = ()) -> None:
    """Refuse commercial use of a model, or of an adapter, unless its licences are known to allow it.

    Args:
        model: What `find_checkpoint` takes.
        engine: What runs it.
        adapters: Folders of LoRA adapters that are put on it.

    Raises:
        ConfigError: A licence forbids it or is not told, or the model lies behind a server.
    """
    if engine == "openai":
        what = "the licences of a model behind a server are not known here"
        raise ConfigError(what, "--commercial", "ask who runs it, and leave the option out")
    for folder in (find_checkpoint(model).path, *adapters):
        check_commercial(
            of_model(folder) or of_model(folder.parent / "final"), folder
        )  # an adapter's run has them there


def _describe(folder: Path, given: str) -> Checkpoint:
    """Read the folder's `emollm.json`, if it has one."""
    file, called = folder / INFO_FILE, Path(given).name if Path(given).exists() else given
    if not file.is_file():
        return Checkpoint(folder, called, media=saved_choice(folder))
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
        name, valid_for = info.get("name"), info.get("valid_for")
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"not a JSON object ({error})", str(file), 'write {"name": ..., "valid_for": ...}') from None
    if not all(value is None or (isinstance(value, str) and value) for value in (name, valid_for)):
        raise ConfigError("`name` and `valid_for` are texts", str(file), 'write {"name": ..., "valid_for": ...}')
    return Checkpoint(folder, name or called, valid_for, media=saved_choice(folder))


def _fetch(name: str) -> Path:
    """Fetch a model from the hub (or its cache), only files that are data."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.jinja", "*.model"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"there is no such folder, and the hub did not give it ({type(error).__name__}: {reason})",
            f"model {name!r}",
            "check the name and the network, or name a folder on this machine",
        ) from None
