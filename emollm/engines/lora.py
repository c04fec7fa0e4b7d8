"""LoRA adapters on their model in vLLM, one or several beside each other (Hu et al. 2021, https://arxiv.org/abs/2106.09685).

Adapters share a model when they were trained on it and change its decoder alone: the encoder is then the same for all of them. An adapter
that was trained together with towers, adapters or fusion (PEFT's `modules_to_save`) brings these along; where they equal the model's, its
LoRA part is served, and where they do not, it is refused: `emollm merge` makes a model of its own out of it.

vLLM 0.32 on CPUs answers requests to the model itself with the adapter of the last slot when both are in one batch
(https://github.com/vllm-project/vllm/pull/48421), so there is one slot more than adapters, which stays empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from emollm.config import Training, load_recipe
from emollm.config_model import Saved
from emollm.config_policy import PolicyRecipe
from emollm.errors import ConfigError, collect
from emollm.models.loading import weights_sha256
from emollm.paths import whole_file

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM has room for
_PREFIX = "base_model.model."  # PEFT's, before the names that the model itself has


@dataclass(frozen=True)
class Adapter:
    """One adapter that vLLM can take: the name that requests call it by, its folder, its rank, and the hash of its weights."""

    name: str
    folder: Path
    rank: int
    sha256: str


def find_adapters(model: Path, folders: Mapping[str, Path], scratch: Path) -> list[Adapter]:
    """Check adapters against the model that they are to share.

    Args:
        model: The model's folder.
        folders: Folder of each adapter (`RUN/checkpoints/STAGE`, or another of PEFT's), by the name that it is to have.
        scratch: Where an adapter is written anew that brings along what the model has, too; it stays as long as vLLM runs.

    Raises:
        ConfigError: Adapters are missing, or cannot share the model; all of them are told.
    """
    made, problems = [], []
    for name, folder in folders.items():
        try:
            made.append(_adapter(model, name, folder, scratch / name))
        except ConfigError as error:
            problems.append(error)
    wrong = collect(problems, "{n} of the adapters cannot be served with this model:", ConfigError)
    if wrong is not None:
        raise wrong
    return made


def lora_options(made: list[Adapter]) -> dict[str, Any]:
    """Return the options of vLLM for these adapters; empty without any."""
    if not made:
        return {}
    rank = next(room for room in RANKS if room >= max(adapter.rank for adapter in made))
    return {"enable_lora": True, "max_loras": len(made) + 1, "max_lora_rank": rank}


def _adapter(model: Path, name: str, folder: Path, scratch: Path) -> Adapter:
    """Check one adapter; write its LoRA part into `scratch` if it has others.

    Raises:
        ConfigError: It is none, changes more than the decoder, is another model's, or of a kind that vLLM does not know.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        rank = max(int(config["r"]), *map(int, (config.get("rank_pattern") or {}).values()), 0)
        with safe_open(folder / WEIGHTS, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # an opened file is no mapping
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        fix = "give a folder that `emollm sft` wrote for a LoRA stage: RUN/checkpoints/STAGE"
        raise ConfigError(f"no LoRA adapter here ({error})", str(folder), fix) from None
    merge = f"run `emollm merge {folder} -o FOLDER` and serve that as a model of its own"
    if config.get("use_dora") or config.get("bias", "none") != "none" or rank > RANKS[-1]:
        what = f"vLLM knows plain LoRA up to rank {RANKS[-1]}, without biases and without DoRA"
        raise ConfigError(what, str(folder), merge)
    _check_origin(model, folder, config, merge)
    lora = {key: tensor for key, tensor in tensors.items() if "lora_" in key}
    targets = _targets(model)
    outside = [key for key in sorted(lora) if not re.fullmatch(targets, key.removeprefix(_PREFIX).split(".lora_")[0])]
    if outside:
        raise ConfigError(f"it changes more than the decoder: {outside[0]} and others", str(folder), merge)
    others = {key.removeprefix(_PREFIX): tensor for key, tensor in tensors.items() if key not in lora}
    changed = list(_changed(others, model))
    if changed:
        what = (
            f"its encoder is another one: {len(changed)} of its tensors differ from the model's, {changed[0]} for one"
        )
        raise ConfigError(what, str(folder), merge)
    if others:
        scratch.mkdir(parents=True, exist_ok=True)
        save_file(lora, scratch / WEIGHTS)
        with whole_file(scratch / CONFIG) as out:
            json.dump({**config, "modules_to_save": None}, out)
    return Adapter(name, scratch if others else folder, rank, weights_sha256(folder))


def _check_origin(model: Path, folder: Path, config: Mapping[str, Any], merge: str) -> None:
    """Raise unless the adapter was trained on this model: on other weights its changes mean nothing."""
    origin = _origin(folder, config)
    if origin is None or not (origin / "config.json").is_file():
        raise ConfigError("the model that it was trained on is not known, or not there any more", str(folder), merge)
    if origin.resolve() != model.resolve() and weights_sha256(origin) != weights_sha256(model):
        raise ConfigError(f"it was trained on another model, {origin}", str(folder), f"serve that one, or {merge}")


def _origin(folder: Path, config: Mapping[str, Any]) -> Path | None:
    """Return the folder of the model that an adapter was trained on; None where there is none.

    The run knows it: PEFT's own note names the model that a run began with, also for an adapter of a later stage.
    """
    place = folder.resolve()
    run = next((parent for parent in place.parents[1:3] if (parent / "config.yaml").is_file()), None)
    if run is None:
        named = config.get("base_model_name_or_path")
        return Path(named) if named else None
    recipe: Any = load_recipe(run / "config.yaml", kind=Training)
    if isinstance(recipe, PolicyRecipe):
        return Path(recipe.start)
    stages = [stage.name for stage in recipe.stages]
    stage = place.relative_to(run).parts[1]
    index = stages.index(stage) if stage in stages else 0
    if index:
        return run / "checkpoints" / stages[index - 1]
    return Path(recipe.model.place) if isinstance(recipe.model, Saved) else None


def _targets(model: Path) -> str:
    """Return the regular expression of the layers that LoRA may change: the decoder's, which vLLM knows to change."""
    from emollm.models import EmoConfig
    from emollm.models.decoders import DECODERS
    from emollm.models.omni import family_of, model_class

    family = family_of(model)
    if family is not None:
        return str(model_class(family).lora_targets)
    return DECODERS[EmoConfig.from_pretrained(model).decoder_family].lora_targets


def _changed(tensors: Mapping[str, Any], model: Path) -> Iterator[str]:
    """Yield the names of tensors that the model does not hold alike."""
    homes = {}
    for weights in sorted(model.glob("*.safetensors")):
        with safe_open(weights, "pt") as held:
            homes.update(dict.fromkeys(held.keys(), weights))
    for name, theirs in tensors.items():
        if name not in homes:
            yield name
            continue
        with safe_open(homes[name], "pt") as held:
            ours = held.get_tensor(name)
        if ours.shape != theirs.shape or not bool((ours == theirs.to(ours.dtype)).all()):
            yield name
