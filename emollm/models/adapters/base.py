"""What an adapter is: states of one modality -> a fixed number of soft-prompt positions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import nn

if TYPE_CHECKING:
    import torch


class Adapter(nn.Module, ABC):
    """Turns the states of a tower into `queries` positions of the decoder's width.

    Its constructor takes `in_width`, `out_width` and `queries`, and its own options after them.

    Attributes:
        citation: BibTeX of the paper, gathered into the model card.
    """

    citation: ClassVar[str]

    @abstractmethod
    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map `(batch, steps, in_width)` and its mask `(batch, steps)` to `(batch, queries, out_width)`.

        A row whose mask is all False must give finite values and finite gradients.
        """


class FrameAdapter(nn.Module):
    """An adapter over frames: adds a learned position to the states of each frame, then runs the adapter.

    Args:
        adapter: The adapter that reads the states.
        width: Width of the states.
        tokens_per_frame: States that stand for one frame.
        num_frames: Largest number of frames.
    """

    def __init__(self, adapter: Adapter, width: int, tokens_per_frame: int, num_frames: int) -> None:
        super().__init__()
        self.tokens_per_frame = tokens_per_frame
        self.frame_positions = nn.Embedding(num_frames, width)
        self.adapter = adapter

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map the states of the frames, `(batch, frames * tokens, width)`, to the adapter's positions."""
        positions = self.frame_positions.weight[: states.shape[1] // self.tokens_per_frame]  # (frames, width)
        positions = positions.repeat_interleave(self.tokens_per_frame, dim=0)  # (frames * tokens, width)
        return self.adapter(states + positions.to(states.dtype), mask)
