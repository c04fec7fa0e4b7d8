"""The training side of a model family: what trainers must know about it, and nothing else.

Two families implement it: `emollm` (native.py: towers, adapters, fusion, decoder) and `omni` (omni.py: a pretrained multimodal LLM
used whole).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from emollm.config import Recipe
from emollm.config_model import Saved
from emollm.models.omni import family_of


class Backbone(Protocol):
    """What a trainer asks of a model family."""

    @property
    def media_keys(self) -> tuple[str, ...]:
        """Return the names of the media tensors among the model's inputs."""
        ...

    def build_model(self, dtype: str) -> Any:
        """Return the model in `dtype`."""
        ...

    def build_processor(self) -> Any:
        """Return the processor that turns messages and media into the model's inputs."""
        ...

    def split_rows(self, inputs: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the media tensors of a batch row by row."""
        ...

    def lora_targets(self) -> str:
        """Return the regular expression of the decoder modules that LoRA may change."""
        ...

    def adapter_modules(self, modes: Mapping[str, str]) -> list[str]:
        """Return the blocks that train in full beside LoRA, which PEFT must save whole (`modules_to_save`)."""
        ...


def backbone_of(recipe: Recipe, texts: Callable[[], Sequence[str]] = tuple) -> Backbone:
    """Return the backbone of a recipe.

    Args:
        recipe: What is to be trained.
        texts: Gives what a new tokenizer learns from; not called with a pretrained decoder.

    Raises:
        ConfigError: The recipe asks for what its family cannot do.
    """
    if isinstance(recipe.model, Saved) and family_of(recipe.model.place) is not None:
        from emollm.train.omni import OmniBackbone, check_stages

        check_stages(recipe)
        return OmniBackbone(recipe.model)
    from emollm.train.native import NativeBackbone

    return NativeBackbone(recipe.model, texts)
