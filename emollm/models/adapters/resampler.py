"""Perceiver resampler (Flamingo, Alayrac et al. 2022, https://arxiv.org/abs/2204.14198).

Learned queries attend to the states and to themselves, layer by layer. As the queries are never masked, a row without
a single valid step still has something to attend to: outputs and gradients stay finite.
Departs from Flamingo: states are projected to the adapter's own width first, so that a thin adapter fits a wide tower; and attention
starts sharp, as queries that begin as the mean of all states take very long to tell them apart (LOG.md).
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer

from emollm.errors import ConfigError
from emollm.models.adapters.base import Adapter, OwnStart

SHARPNESS = 5.0  # standard deviation of the attention logits of fresh weights


class ResamplerLayer(GradientCheckpointingLayer, OwnStart):
    """Cross-attention from queries to states and queries, then a feed-forward block; both with residuals."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_queries, self.norm_states, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def start(self) -> None:
        """Give every linear layer outputs of about unit scale, and attention its sharpness."""
        for linear in (self.key_value, self.out, self.mlp[0], self.mlp[2]):
            init.lecun_normal_(linear.weight)
        width = self.query.in_features  # keys have about unit scale, so logits have the scale of the query
        init.normal_(self.query.weight, std=SHARPNESS / width**0.5)

    def forward(self, queries: torch.Tensor, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Update `(batch, queries, width)` from `(batch, steps, width)`; mask `(batch, 1, 1, steps + queries)`."""
        normed = self.norm_queries(queries)
        context = torch.cat([self.norm_states(states), normed], dim=1)  # (batch, steps + queries, width)
        query = self.query(normed).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (batch, heads, queries, head width)
        pairs = self.key_value(context).unflatten(2, (2, self.heads, -1))  # (batch, steps + queries, 2, heads, ...)
        key, value = pairs.permute(2, 0, 3, 1, 4)  # each (batch, heads, steps + queries, head width)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        queries = queries + self.out(mixed.transpose(1, 2).flatten(2))  # (batch, queries, width)
        return queries + self.mlp(self.norm_mlp(queries))


class Resampler(Adapter, OwnStart):
    """N learned queries, cross-attention, a few layers.

    Args:
        in_width: Width of the tower's states.
        out_width: Width of the decoder.
        queries: Number of soft-prompt positions.
        width: Width inside the adapter.
        layers: Number of layers.
        heads: Attention heads; must divide `width`.
    """

    citation = """@inproceedings{alayrac2022flamingo,
  title={Flamingo: a Visual Language Model for Few-Shot Learning},
  author={Alayrac, Jean-Baptiste and Donahue, Jeff and Luc, Pauline and Miech, Antoine and Barr, Iain and others},
  booktitle={NeurIPS}, year={2022}
}"""

    def __init__(
        self, in_width: int, out_width: int, queries: int, width: int = 512, layers: int = 2, heads: int = 8
    ) -> None:
        super().__init__()
        if queries < 1 or layers < 1 or heads < 1 or width % heads:
            raise ConfigError(
                f"resampler: queries={queries}, layers={layers}, width={width}, heads={heads}",
                fix="use at least one query, layer and head, and a width that the heads divide",
            )
        self.queries = nn.Embedding(queries, width)
        self.project_in = nn.Linear(in_width, width)
        self.layers = nn.ModuleList(ResamplerLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.project_out = nn.Linear(width, out_width)

    def start(self) -> None:
        """Give queries and projections unit scale."""
        init.normal_(self.queries.weight, std=1.0)
        init.lecun_normal_(self.project_in.weight)
        init.lecun_normal_(self.project_out.weight)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map `(batch, steps, in_width)` and mask `(batch, steps)` to `(batch, queries, out_width)`."""
        weight = self.queries.weight
        queries = weight.expand(states.shape[0], -1, -1)  # (batch, queries, width)
        always = mask.new_ones(queries.shape[:2], dtype=torch.bool)
        visible = torch.cat([mask.bool(), always], dim=1)[:, None, None]  # (batch, 1, 1, steps + queries)
        states = self.project_in(states.to(weight.dtype))
        for layer in self.layers:
            queries = layer(queries, states, visible)
        return self.project_out(self.norm(queries))
