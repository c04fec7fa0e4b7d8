"""The training side of a model family: what trainers must know about it, and nothing else.

Two families implement it: `emollm` (native: towers, adapters, fusion, decoder) and, later, `omni` (a pretrained multimodal LLM used whole).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Backbone(Protocol):
    """What a trainer asks of a model family."""

    media_keys: tuple[str, ...]
    """Names of the media tensors among the model's inputs."""

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
