"""No fusion: sound and picture reach the decoder side by side only. The baseline of ablations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emollm.models.fusion.base import Fusion, FusionOutput

if TYPE_CHECKING:
    import torch


class NoFusion(Fusion):
    """Gives zero soft-prompt positions."""

    citation = ""

    def __init__(self, audio_width: int, video_width: int, out_width: int) -> None:
        super().__init__()
        self.out_width = out_width

    def forward(
        self, audio_states: torch.Tensor, audio_mask: torch.Tensor, video_states: torch.Tensor, video_mask: torch.Tensor
    ) -> FusionOutput:
        """Return `(batch, 0, out_width)`."""
        return FusionOutput(audio_states.new_zeros(audio_states.shape[0], 0, self.out_width))
