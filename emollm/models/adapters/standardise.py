"""Standardisation of a tower's states by fixed statistics, gathered once on training data.

Behind a tower that starts at random, most of the variance of the states is the same in every clip (position, brightness): what tells clips
apart is small beside it, and an adapter learns it very slowly (LOG.md). Taking off the mean and dividing by the standard deviation of each
channel, at each place of a frame, brings it to the front, as batch normalisation does (Ioffe and Szegedy 2015,
https://arxiv.org/abs/1502.03167).

Departs from batch normalisation: the same running statistics are used in training and evaluation, and they are gathered only while
`gathering` is set (`emollm.train.perceive`). So a row never depends on the other rows of its batch, in no mode. Fresh statistics change
nothing. A pretrained tower, whose states are already spread, does not need this.
"""

from __future__ import annotations

import torch
from torch import nn

MOMENTUM, EPSILON = 0.1, 1e-5


class Standardise(nn.Module):
    """Channel by channel: `(state - mean) / deviation`.

    Args:
        width: Width of the states.
        places: States of one frame; each place has statistics of its own.

    Attributes:
        gathering: Whether statistics follow the batches that come by.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, width: int, places: int = 1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(places, width))
        self.register_buffer("deviation", torch.ones(places, width))
        self.gathering = False
        self._fresh = True

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Standardise `(batch, steps, width)`; steps outside `mask` `(batch, steps)` are not counted."""
        places = self.mean.shape[0]
        grid = states.unflatten(1, (-1, places))  # (batch, frames, places, width)
        if self.gathering:
            self._gather(grid.detach(), mask.unflatten(1, (-1, places)))
        return ((grid - self.mean.to(states.dtype)) / self.deviation.to(states.dtype)).flatten(1, 2)

    def _gather(self, grid: torch.Tensor, mask: torch.Tensor) -> None:
        """Move the statistics towards those of a batch; its valid steps must be at least two."""
        weight = mask.to(grid.dtype).unsqueeze(-1)  # (batch, frames, places, 1)
        count = weight.sum(dim=(0, 1))  # (places, 1)
        if count.min() < 2:
            return
        mean = (grid * weight).sum(dim=(0, 1)) / count  # (places, width)
        variance = ((grid - mean).square() * weight).sum(dim=(0, 1)) / count
        step = 1.0 if self._fresh else MOMENTUM
        self.mean.lerp_(mean.to(self.mean.dtype), step)
        self.deviation.lerp_((variance + EPSILON).sqrt().to(self.deviation.dtype), step)
        self._fresh = False
