"""Decoders by name. A new one is a file with a `Decoder` class and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emollm.models.decoders.base import Decoder
from emollm.models.decoders.llama import LlamaDecoder
from emollm.models.decoders.qwen2 import Qwen2Decoder
from emollm.models.decoders.qwen3 import Qwen3Decoder

if TYPE_CHECKING:
    from collections.abc import Mapping

DECODERS: Mapping[str, type[Decoder]] = {"llama": LlamaDecoder, "qwen2": Qwen2Decoder, "qwen3": Qwen3Decoder}

__all__ = ["DECODERS", "Decoder"]
