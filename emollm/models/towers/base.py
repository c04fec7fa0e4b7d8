"""What a tower is: a pretrained encoder that turns one modality into states over steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel


class Tower(nn.Module, ABC):
    """A pretrained encoder. The Hugging Face module sits in `backbone` and keeps its weight names.

    Attributes:
        citation: BibTeX of the paper, gathered into the model card.
        unused_prefixes: Weights of the pretrained checkpoint that a tower leaves out on purpose.
        fixed: Parameters that are never trained, even when the tower is (by name inside the tower).
        width: Width of the states.
        tokens_per_frame: States that a video tower gives for one frame.
    """

    citation: ClassVar[str]
    unused_prefixes: ClassVar[tuple[str, ...]] = ()
    fixed: ClassVar[tuple[str, ...]] = ()
    backbone: Any  # a PreTrainedModel of the tower's own class
    width: int
    tokens_per_frame: int = 1

    @abstractmethod
    def forward(self, inputs: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a batch whose every row has this modality.

        Args:
            inputs: The tower's input tensor, rows first.
            mask: True where a step of the input is real.

        Returns:
            States `(batch, steps, width)` and their mask `(batch, steps)`.
        """

    @classmethod
    @abstractmethod
    def read_config(cls, name: str) -> PreTrainedConfig:
        """Read the configuration of a pretrained checkpoint (hub name or path)."""

    @classmethod
    @abstractmethod
    def read_backbone(cls, name: str, dtype: torch.dtype) -> tuple[PreTrainedModel, dict]:
        """Read the pretrained module and transformers' loading info (missing, unexpected and mismatched keys)."""
