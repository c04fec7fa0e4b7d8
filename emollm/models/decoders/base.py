"""What a decoder is: the language model that reads the soft prompt and writes the answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel


class Decoder(ABC):
    """Facts about one family of language models; the model itself is transformers' own.

    Attributes:
        citation: BibTeX of the paper, gathered into the model card.
        chat_template: Jinja template that writes chat messages with our media blocks, `{% generation %}` included.
        control_tokens: Tokens that text from outside must never contain; the tokenizer must know them all.
        stop_tokens: The token that ends an answer and the one that ends a text, which also pads.
        lora_targets: Regular expression of the linear layers that LoRA may touch: the decoder's, nothing else's.
    """

    citation: ClassVar[str]
    chat_template: ClassVar[str]
    control_tokens: ClassVar[tuple[str, ...]]
    stop_tokens: ClassVar[tuple[str, str]]
    lora_targets: ClassVar[str]

    @classmethod
    @abstractmethod
    def make(cls, config: Any) -> PreTrainedModel:
        """Make the decoder without its head, with fresh weights."""

    @classmethod
    @abstractmethod
    def read_config(cls, name: str) -> PreTrainedConfig:
        """Read the configuration of a pretrained checkpoint (hub name or path)."""

    @classmethod
    @abstractmethod
    def read_causal_lm(cls, name: str, dtype: torch.dtype) -> tuple[PreTrainedModel, dict]:
        """Read the pretrained decoder with its head and transformers' loading info."""
