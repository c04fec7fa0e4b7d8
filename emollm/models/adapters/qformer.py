"""Q-Former (BLIP-2, Li et al. 2023, https://arxiv.org/abs/2301.12597), as transformers' Blip2QFormerModel.

Learned queries attend to each other, then to the states, then pass a feed-forward block, layer by layer, as in BERT. Departs from BLIP-2:
it starts at random, without BERT's weights and the two stages of pre-training, so it is small (2 layers, all with
cross-attention, as AffectGPT uses it); there is no text branch, and no dropout unless it is asked for. Fresh linear layers
keep the scale of their inputs at any width; BERT's 0.02 is made for a width of 768.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel
from transformers import initialization as init

from emollm.errors import ConfigError
from emollm.models.adapters.base import Adapter, OwnStart


class QFormer(Adapter, OwnStart):
    """Queries with self-attention and cross-attention.

    Args:
        in_width: Width of the tower's states.
        out_width: Width of the decoder.
        queries: Number of soft-prompt positions.
        width: Width inside the adapter.
        layers: Number of layers.
        heads: Attention heads; must divide `width`.
        cross_every: Every so many layers, from the first on, have cross-attention; BLIP-2: 2.
        dropout: Probability of dropping a value, in attention and behind layers; BLIP-2: 0.1.
    """

    citation = """@inproceedings{li2023blip2,
  title={BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large Language Models},
  author={Li, Junnan and Li, Dongxu and Savarese, Silvio and Hoi, Steven},
  booktitle={ICML}, year={2023}
}"""

    def __init__(
        self,
        in_width: int,
        out_width: int,
        queries: int,
        width: int = 512,
        layers: int = 2,
        heads: int = 8,
        cross_every: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(queries, layers, heads, cross_every) < 1 or width % heads or not 0 <= dropout < 1:
            raise ConfigError(
                f"qformer: queries={queries}, layers={layers}, width={width}, heads={heads}, "
                f"cross_every={cross_every}, dropout={dropout}",
                fix="use at least one query, layer and head, a width that the heads divide, and dropout from 0 to below 1",
            )
        self.queries = nn.Embedding(queries, width)
        self.qformer = Blip2QFormerModel(
            Blip2QFormerConfig(
                hidden_size=width,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                intermediate_size=4 * width,
                encoder_hidden_size=in_width,
                cross_attention_frequency=cross_every,
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
                initializer_range=width**-0.5,
            )
        )
        self.project_out = nn.Linear(width, out_width)

    def start(self) -> None:
        """Give queries and the projection unit scale."""
        init.normal_(self.queries.weight, std=1.0)
        init.lecun_normal_(self.project_out.weight)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map `(batch, steps, in_width)` and mask `(batch, steps)` to `(batch, queries, out_width)`."""
        weight = self.queries.weight
        queries = weight.expand(states.shape[0], -1, -1)  # (batch, queries, width)
        # A bias, and not the mask: a row without a valid step then attends to all alike, which is finite.
        bias = weight.new_zeros(mask.shape).masked_fill(~mask.bool(), torch.finfo(weight.dtype).min)
        out = self.qformer(
            query_embeds=queries,
            encoder_hidden_states=states.to(weight.dtype),
            encoder_attention_mask=bias[:, None, None].expand(-1, 1, len(weight), -1),  # (batch, 1, queries, steps)
        )
        return self.project_out(out.last_hidden_state)
