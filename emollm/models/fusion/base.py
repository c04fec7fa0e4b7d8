"""What a fusion block is: the states of sound and picture of one clip -> joint soft-prompt positions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from torch import nn

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class FusionOutput:
    """What a fusion block gives back.

    Attributes:
        tokens: Soft-prompt positions `(batch, queries, width)`.
        losses: Auxiliary losses by name, already weighted; every trainer adds them.
    """

    tokens: torch.Tensor
    losses: dict[str, torch.Tensor] = field(default_factory=dict)


class Fusion(nn.Module, ABC):
    """Joins the two modalities of rows that have both.

    Its constructor takes `audio_width`, `video_width` and `out_width`, and its own options after them.

    Attributes:
        citation: BibTeX of the paper, gathered into the model card; empty for none.
    """

    citation: ClassVar[str]

    @abstractmethod
    def forward(
        self, audio_states: torch.Tensor, audio_mask: torch.Tensor, video_states: torch.Tensor, video_mask: torch.Tensor
    ) -> FusionOutput:
        """Fuse `(batch, audio steps, audio width)` and `(batch, video steps, video width)`, each with its mask."""
