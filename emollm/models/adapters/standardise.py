"""Standardisation of a tower's states and of the soft prompt, by statistics gathered on training data.

Behind a tower that starts at random, most of the variance of the states is the same in every clip (position, brightness): what tells clips
apart is small beside it, and an adapter learns it very slowly (LOG.md). Taking off the mean and dividing by the standard deviation of each
channel, at each place of a frame, brings it to the front: batch normalisation (Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167)
without its gain and shift.

While `gathering` is set (`emollm.train.perceive`), states are standardised by their own batch, gradients pass through its statistics, and
the running statistics follow. A block that is standardised by running ones is paid for moving its mean away from where they lag, on and on
(LOG.md: means at 75 deviations). At all other times the running statistics are fixed, so a row does not depend on the other rows of its
batch. Fresh statistics change nothing. A pretrained tower, whose states are already spread, does not need this.
"""

from __future__ import annotations

import torch
from torch import nn

MOMENTUM, EPSILON = 0.02, 1e-5


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
        mean, deviation = self.mean, self.deviation
        if self.gathering and len(states) > 1:  # one row has nothing to be compared with
            mean, deviation = _statistics(grid, mask.unflatten(1, (-1, places)))
            self._follow(mean.detach(), deviation.detach())
        return ((grid - mean.to(states.dtype)) / deviation.to(states.dtype)).flatten(1, 2)

    def _follow(self, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        step = 1.0 if self._fresh else MOMENTUM
        self.mean.lerp_(mean, step)
        self.deviation.lerp_(deviation, step)
        self._fresh = False


def _statistics(grid: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and deviation, float32 `(places, width)`, of `(batch, frames, places, width)` where `(batch, frames, places)` is set."""
    weight = mask.unsqueeze(-1).float()  # (batch, frames, places, 1)
    count = weight.sum(dim=(0, 1)).clamp(min=1)  # (places, 1)
    mean = (grid.float() * weight).sum(dim=(0, 1)) / count
    variance = ((grid.float() - mean).square() * weight).sum(dim=(0, 1)) / count
    return mean, (variance + EPSILON).sqrt()
