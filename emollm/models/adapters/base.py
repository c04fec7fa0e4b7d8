"""What an adapter is: states of one modality -> a fixed number of soft-prompt positions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import nn
from transformers import initialization as init

if TYPE_CHECKING:
    import torch

FRAME_STD, PLACE_STD = 0.3, 1.0


@dataclass(frozen=True)
class AdapterOutput:
    """What an adapter with losses of its own gives back.

    Attributes:
        tokens: Soft-prompt positions `(batch, queries, width)`.
        losses: Auxiliary losses by name, already weighted; every trainer adds them.
    """

    tokens: torch.Tensor
    losses: dict[str, torch.Tensor]


class Adapter(nn.Module, ABC):
    """Turns the states of a tower into `queries` positions of the decoder's width.

    Its constructor takes `in_width`, `out_width` and `queries`, and its own options after them.

    Attributes:
        citation: BibTeX of the paper, gathered into the model card.
    """

    citation: ClassVar[str]

    @abstractmethod
    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor | AdapterOutput:
        """Map `(batch, steps, in_width)` and its mask `(batch, steps)` to `(batch, queries, out_width)`, with losses if it has any.

        A row whose mask is all False must give finite values and finite gradients.
        """


class OwnStart(ABC):
    """A module whose fresh weights do not start as transformers would start them."""

    @abstractmethod
    def start(self) -> None:
        """Set fresh weights with `transformers.initialization`, which leaves loaded ones alone."""


class FrameAdapter(nn.Module, OwnStart):
    """An adapter over frames: adds a learned position to the states (which frame, where in it), then runs the adapter.

    Positions start at the scale of the states, which are normalised: at the usual 0.02 they drown, and a model trained from scratch
    did not find the parts of a face (LOG.md).

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
        self.place_positions = nn.Embedding(tokens_per_frame, width)
        self.adapter = adapter

    def start(self) -> None:
        """Let positions start at the scale of the states."""
        init.normal_(self.frame_positions.weight, std=FRAME_STD)
        init.normal_(self.place_positions.weight, std=PLACE_STD)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor | AdapterOutput:
        """Map the states of the frames, `(batch, frames * tokens, width)`, to the adapter's positions."""
        frames = self.frame_positions.weight[: states.shape[1] // self.tokens_per_frame]  # (frames, width)
        positions = (frames[:, None] + self.place_positions.weight).flatten(0, 1)  # (frames * tokens, width)
        encoded: torch.Tensor | AdapterOutput = self.adapter(states + positions.to(states.dtype), mask)
        return encoded
