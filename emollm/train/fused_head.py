"""TRL's fused language-model head, told to score only the positions that have a label on a CPU, too.

On a GPU it does so by itself; elsewhere TRL 1.16 scores every position, as some accelerators compile anew for each shape
(trl/trainer/utils.py, `add_fused_lm_head`). A CPU compiles nothing, and two thirds of our positions are prompt: the head of the tiny model
takes a third of the time (0.24 s instead of 0.79 s for a batch of 32). The numbers are the same; a test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from trl.trainer import utils


@contextmanager
def labels_only() -> Iterator[None]:
    """Let heads that run inside score labelled positions only. `_use_triton` decides nothing else in that module."""
    original = utils._use_triton
    utils._use_triton = lambda device: device == torch.device("cpu") or original(device)
    try:
        yield
    finally:
        utils._use_triton = original
