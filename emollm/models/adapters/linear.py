"""Linear adapter (LLaVA 1.5, Liu et al. 2023, https://arxiv.org/abs/2310.03744): every state is projected by itself, by two layers.

Departs from LLaVA: the states of a clip are many, so the valid ones are first averaged in as many equal spans as there are positions. Steps
are averaged in their order: of frames (pooled states) this keeps time, of patches it keeps the place inside the frame only while there are
at least as many positions as patches.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import initialization as init

from emollm.errors import ConfigError
from emollm.models.adapters.base import Adapter, OwnStart
from emollm.models.spans import span_means


class Linear(Adapter, OwnStart):
    """Averages of spans, then two linear layers.

    Args:
        in_width: Width of the tower's states.
        out_width: Width of the decoder.
        queries: Number of soft-prompt positions.
    """

    citation = """@inproceedings{liu2024llava15,
  title={Improved Baselines with Visual Instruction Tuning},
  author={Liu, Haotian and Li, Chunyuan and Li, Yuheng and Lee, Yong Jae},
  booktitle={CVPR}, year={2024}
}"""

    def __init__(self, in_width: int, out_width: int, queries: int) -> None:
        super().__init__()
        if queries < 1:
            raise ConfigError(f"linear: queries={queries}", fix="use at least one")
        self.queries = queries
        self.project_in = nn.Linear(in_width, out_width)
        self.project_out = nn.Linear(out_width, out_width)

    def start(self) -> None:
        """Give both layers outputs of about the scale of their inputs."""
        init.lecun_normal_(self.project_in.weight)
        init.lecun_normal_(self.project_out.weight)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map `(batch, steps, in_width)` and mask `(batch, steps)` to `(batch, queries, out_width)`."""
        spans = span_means(states.to(self.project_in.weight.dtype), mask, self.queries)  # (batch, queries, in_width)
        return self.project_out(nn.functional.gelu(self.project_in(spans)))
