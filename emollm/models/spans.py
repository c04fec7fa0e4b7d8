"""Averages over equal spans of time, for blocks that need a fixed number of steps."""

from __future__ import annotations

import torch


def span_means(states: torch.Tensor, mask: torch.Tensor, steps: int) -> torch.Tensor:
    """Average the valid steps of each row in `steps` equal spans; zeros for a row without any.

    Args:
        states: `(batch, any number, width)`.
        mask: `(batch, any number)`, True on valid steps.
        steps: Number of spans. Where there are fewer valid steps, neighbouring spans share one.

    Returns:
        `(batch, steps, width)`.
    """
    valid = mask.long()
    rank, count = (valid.cumsum(dim=1) - 1).unsqueeze(1), valid.sum(dim=1).view(-1, 1, 1)
    span = torch.arange(steps, device=mask.device).view(1, -1, 1)
    inside = (rank >= span * count // steps) & (rank < -(-(span + 1) * count // steps)) & mask.bool().unsqueeze(1)
    weights = inside.to(states.dtype)  # (batch, steps, any number)
    return weights @ states / weights.sum(dim=2, keepdim=True).clamp(min=1)
