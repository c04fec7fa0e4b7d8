"""Recipes: one YAML file that describes a training run, read strictly.

    recipe = load_recipe("tiny/sft", ["stages.0.epochs=2", "data=my.jsonl"])
    recipe = load_recipe("tiny/grpo", ["beta=0"], GrpoRecipe)

A recipe is a path, else the name of one that ships with emollm. Dotted overrides follow: list items by index, values in YAML.
Unknown keys, doubled keys and wrong values are refused, all at once, each with its place and the nearest key that exists.

This file holds what all recipes share and the schema of supervised training (`emollm/config_model.py`: the `model` section,
`emollm/config_grpo.py`, `emollm/config_dpo.py`: recipes with another `method`). None of it needs torch: whether a hub name or a records
file is really there is `emollm validate`'s business. `emollm/config_yaml.py` reads YAML and overrides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, cast

import yaml
from pydantic import BeforeValidator, Field, model_validator

from emollm.config_media import MediaChoice
from emollm.config_model import Count, Model, Parts, Positive, Section, Share
from emollm.config_yaml import YamlFile, nearest, validate
from emollm.errors import ConfigError
from emollm.paths import bundled
from emollm.prompts import TASKS

Frozen = Literal["frozen", "full"]


def as_list(value: Any) -> Any:
    """Let one path stand for a list of one; strict mode wants a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Paths = Annotated[tuple[str, ...], BeforeValidator(as_list), Field(min_length=1)]

# ---------------------------------------------------------------- data and stages


class Replay(Section):
    """Chats without media that are mixed in, against forgetting."""

    files: Paths
    """Files of chats (JSONL, a list of `messages` on each line)."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the examples of each epoch."""


class Data(Section):
    """Records files to learn from; relative paths count from the folder that the command runs in."""

    train: Paths
    """Records files (JSONL)."""
    dev: Paths | None = None
    """Records files whose loss is reported at the end of each stage."""
    limit: Count | None = None
    """Use only the first so many training records."""
    replay: Replay | None = None
    """General chats among the training records; stages whose `objective` is cues go without."""
    media_memory_gb: Annotated[float, Field(ge=0)] = 4.0
    """Memory for decoded clips, so that they need not be decoded again."""
    soft_prompt_memory_gb: Annotated[float, Field(ge=0)] = 0.0
    """Memory for soft prompts, so that stages with a frozen encoder encode a clip once."""
    tower_cache_gb: Annotated[float, Field(ge=0)] = 0.0
    """Room in the cache folder for what frozen towers make of clips, so that all stages and runs together encode a clip once."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that decode media; 0 decodes in the training process."""


class ModalityDropout(Section):
    """How often a modality is taken from a training example, as a share of the examples that have it."""

    audio_absent: Share = 0.0
    audio_silent: Share = 0.0
    video_absent: Share = 0.0
    video_black: Share = 0.0
    text_absent: Share = 0.0

    @model_validator(mode="after")
    def _shares(self) -> Self:
        for one, other in (("audio_absent", "audio_silent"), ("video_absent", "video_black")):
            total = self.model_dump()[one] + self.model_dump()[other]
            if total > 1:
                raise ValueError(f"`{one}` and `{other}` exclude each other, but add up to {total:g}")
        return self


class Blocks(Section):
    """What each block of the model does in a stage: every one is named, none is left to a default."""

    audio_tower: Frozen
    video_tower: Frozen
    audio_adapter: Frozen
    video_adapter: Frozen
    fusion: Frozen
    decoder: Literal["frozen", "full", "lora"]

    @model_validator(mode="after")
    def _something_learns(self) -> Self:
        if set(self.model_dump().values()) == {"frozen"}:
            raise ValueError("every block is frozen, so nothing would be trained")
        return self


class Lora(Section):
    """Low-rank updates of the decoder (Hu et al. 2021, https://arxiv.org/abs/2106.09685)."""

    rank: Count = 16
    alpha: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05


class Curriculum(Section):
    """Each epoch goes from one end of a column of the records to the other."""

    column: str
    """Dotted name of a number that every record has, such as `quality.agreement`."""
    first: Literal["low", "high"]
    """Which end comes first; clips that raters agree on are easy, so `high` goes with `quality.agreement`."""


class EarlyStopping(Section):
    """Measure the dev loss whenever a step is saved, and end the stage with the best of these steps."""

    patience: Count = 3
    """Stop after so many dev losses without a better one."""


class Stage(Section):
    """One stretch of training with its own blocks, tasks and learning rate."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    """Name of the stage's folder under checkpoints/; `final` is taken."""
    blocks: Blocks
    lora: Lora | None = None
    """Only, and always, with `decoder: lora`."""
    objective: Literal["answers", "cues"] = "answers"
    """What is learned: to write the tasks' answers, or (towers, adapters and fusion alone) to tell which cues a clip shows."""
    tasks: Annotated[dict[str, Positive], Field(min_length=1)]
    """Tasks of emollm.prompts and their weights; the weights need not add up to 1."""
    modality_dropout: ModalityDropout | None = None
    """In place of the recipe's."""
    learning_rate: Positive
    lr_scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    warmup_ratio: Share = 0.03
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    max_grad_norm: Positive = 1.0
    batch_size: Count = 32
    """Examples of one forward pass on one device."""
    gradient_accumulation: Count = 1
    """Forward passes of one step."""
    epochs: Positive = 1.0
    max_steps: Count | None = None
    """Number of steps; takes the place of `epochs`."""
    max_length: Annotated[int, Field(ge=16)] = 512
    """Longest example in tokens, soft prompt included; longer ones are left out and counted."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    group_by_length: bool = True
    """Put examples of like length into one batch."""
    curriculum: Curriculum | None = None
    early_stopping: EarlyStopping | None = None
    """Needs `data.dev` and `save.every_steps`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        if (self.blocks.decoder == "lora") != (self.lora is not None):
            problems.append(
                "`blocks.decoder` is lora, so `lora` is needed, such as {rank: 16, alpha: 32, dropout: 0.05}"
                if self.lora is None
                else f"`lora` is set, but `blocks.decoder` is {self.blocks.decoder}"
            )
        problems += [f"unknown task `{name}`{nearest(name, TASKS)}" for name in self.tasks if name not in TASKS]
        if self.objective == "cues" and (self.blocks.decoder != "frozen" or set(self.tasks) != {"cues"}):
            problems.append("`objective` cues goes with `blocks.decoder` frozen and `tasks` {cues: 1.0}")
        if self.name == "final":
            problems.append("`name` final is taken by the finished model")
        if problems:
            raise ValueError("; ".join(problems))
        return self


# ---------------------------------------------------------------- recipe


class Save(Section):
    """What is kept on disk."""

    every_steps: Count | None = None
    """Save the model every so many steps; null: at the end of each stage only."""
    keep: Count = 1
    """How many of those to keep."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Number format of the finished model."""


class Training(Section):
    """What the recipes of all methods share."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the run and of its folder."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    model: Model
    data: Data
    modality_dropout: ModalityDropout = ModalityDropout()
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of the forward pass; auto: bfloat16 on a GPU, float32 on a CPU."""
    save: Save = Save()
    resume: Literal["never", "auto"] = "never"
    """auto: go on with the run of that name where it was cut; never: refuse a run folder that exists."""
    output: str = "runs"
    """Folder of the run folders."""

    @property
    def folder(self) -> Path:
        """The run folder: `output/name`."""
        return Path(self.output) / self.name


class Recipe(Training):
    """A supervised training run: `emollm sft RECIPE`."""

    method: Literal["sft"] = "sft"
    media: MediaChoice | None = None
    """Which words and pictures are learned from; null: as the saved model was trained, else the records' words and whole pictures."""
    stages: Annotated[tuple[Stage, ...], BeforeValidator(as_list), Field(min_length=1)]
    """Stages in order; each starts from the model that the one before left."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [stage.name for stage in self.stages]
        gathers = any(stage.objective == "cues" for stage in self.stages)
        frozen = any(one.blocks.audio_tower == one.blocks.video_tower == "frozen" for one in self.stages)
        stops = any(stage.early_stopping for stage in self.stages)
        problems = []
        if len(set(names)) < len(names):
            problems.append(f"two stages have the same name: {', '.join(names)}")
        if isinstance(self.model, Parts) and self.model.adapter.standardise and not gathers:
            problems.append("`model.adapter.standardise` does nothing without a stage whose `objective` is cues")
        if self.data.tower_cache_gb and not frozen:
            problems.append("`data.tower_cache_gb` needs a stage whose towers are frozen")
        dropouts = [self.modality_dropout, *(one.modality_dropout for one in self.stages if one.modality_dropout)]
        if self.media and self.media.transcript == "none" and any(one.text_absent for one in dropouts):
            problems.append("`modality_dropout.text_absent` does nothing with `media.transcript` none")
        if stops and (self.data.dev is None or self.save.every_steps is None):
            problems.append("`early_stopping` needs `data.dev` and `save.every_steps`: it looks at saved steps")
        if problems:
            raise ValueError("; ".join(problems))
        return self


Kind = TypeVar("Kind", bound=Training)
_NO_TRAINING = {
    "annotate": "emollm data annotate {} records.jsonl -o annotated.jsonl",
    "label": "emollm label clip.mp4 --model {}",
}


def load_recipe(
    argument: str | Path,
    overrides: tuple[str, ...] | list[str] = (),
    kind: type[Kind] = Recipe,  # type: ignore[assignment]  # https://github.com/python/mypy/issues/3737
) -> Kind:
    """Read a recipe, apply overrides and check it.

    Args:
        argument: Path of a YAML file, else the name of a recipe that ships with emollm (`tiny/sft`).
        overrides: `key=value` with dotted keys (`stages.0.epochs=2`); `data=FILE` is short for `data.train=[FILE]`.
        kind: Kind of recipe that the caller can run; `Training` takes any.

    Raises:
        ConfigError: Everything that is wrong, each problem with file, line and key; or the recipe is of another kind.
    """
    file = YamlFile.read(find_recipe(argument))
    file.shorten("data", "train")
    file.override(overrides)
    from emollm.config_dpo import DpoRecipe  # they build on this file
    from emollm.config_grpo import GrpoRecipe

    method = str(file.tree.get("method", "sft"))
    kinds: dict[str, type[Training]] = {"sft": Recipe, "grpo": GrpoRecipe, "dpo": DpoRecipe}
    if method in _NO_TRAINING:
        raise ConfigError("this recipe trains nothing", str(argument), f"run: {_NO_TRAINING[method].format(argument)}")
    if method not in kinds:
        raise ConfigError(f"`method` is {method!r}", str(argument), f"known: {', '.join(kinds)}")
    if not issubclass(kinds[method], kind):
        raise ConfigError(f"this recipe is for `emollm {method}`", str(argument), f"run: emollm {method} {argument}")
    return cast("Kind", validate(kinds[method], file))


def find_recipe(argument: str | Path) -> Path:
    """Return the file of a recipe: the path itself, else the bundled recipe of that name.

    Raises:
        ConfigError: There is neither; the message names the nearest bundled recipe.
    """
    path = Path(argument)
    if path.is_file():
        return path
    shipped = bundled("recipes") / f"{argument}.yaml"
    if shipped.is_file():
        return shipped
    if path.suffix in {".yaml", ".yml"}:
        raise ConfigError("no such file", str(argument), "check the path, or list the bundled ones: emollm recipes ls")
    names = recipe_names()
    hint = nearest(str(argument), names)
    raise ConfigError(f"no recipe of this name{hint}", str(argument), f"bundled recipes: {', '.join(names) or 'none'}")


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship with emollm."""
    root = bundled("recipes")
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))


def dump_recipe(recipe: Training) -> str:
    """Return the whole recipe, defaults included, as YAML that `load_recipe` reads back to an equal one."""
    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    return text
