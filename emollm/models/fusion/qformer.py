"""Q-Former pre-fusion of AffectGPT (Lian et al. 2025, https://arxiv.org/abs/2501.16566).

Learned queries read the states of sound and picture in one sequence, so each query may join any moment of one with any of the other.
States are brought to one width and scale, and carry which modality they belong to and when in the clip they stand. Departs from
AffectGPT: its two streams have eight steps each and learned positions; ours have as many as the towers give, so positions
are sinusoids (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762) of the time as a share of the clip, the same for both streams.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import initialization as init

from emollm.errors import ConfigError
from emollm.models.adapters.base import OwnStart
from emollm.models.adapters.qformer import QFormer
from emollm.models.fusion.base import Fusion, FusionOutput

TICKS = 256  # the finest wave of the positions tells this many moments of a clip apart


class QFormerFusion(Fusion, OwnStart):
    """Queries over the concatenation of two streams.

    Args:
        audio_width: Width of the audio tower's states.
        video_width: Width of the video tower's states.
        out_width: Width of the decoder.
        queries: Number of soft-prompt positions.
        width: Width inside the block; even.
        layers: Number of layers.
        heads: Attention heads; must divide `width`.
        dropout: Probability of dropping a value, in attention and behind layers.
    """

    citation = """@inproceedings{lian2025affectgpt,
  title={AffectGPT: A New Dataset, Model, and Benchmark for Emotion Understanding with Multimodal Large Language Models},
  author={Lian, Zheng and Chen, Haoyu and Chen, Lan and Sun, Haiyang and Sun, Licai and Ren, Yong and others},
  booktitle={ICML}, year={2025}
}"""

    def __init__(
        self,
        audio_width: int,
        video_width: int,
        out_width: int,
        queries: int,
        width: int = 512,
        layers: int = 2,
        heads: int = 8,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width % 2:
            raise ConfigError(f"fusion 'qformer': width={width}", fix="use an even width: positions are pairs of waves")
        self.project_audio = nn.Linear(audio_width, width)
        self.project_video = nn.Linear(video_width, width)
        self.norm_audio, self.norm_video = nn.LayerNorm(width), nn.LayerNorm(width)
        self.kinds = nn.Embedding(2, width)
        self.read = QFormer(width, out_width, queries, width, layers, heads, dropout=dropout)

    def start(self) -> None:
        """Let the mark of the modality start at the scale of the states."""
        init.normal_(self.kinds.weight, std=1.0)

    def forward(
        self, audio_states: torch.Tensor, audio_mask: torch.Tensor, video_states: torch.Tensor, video_mask: torch.Tensor
    ) -> FusionOutput:
        """Fuse the states of rows that have sound and picture into `(batch, queries, out_width)`."""
        kinds, width = self.kinds.weight, self.kinds.embedding_dim
        audio = self.norm_audio(self.project_audio(audio_states.to(kinds.dtype)))  # (batch, audio steps, width)
        video = self.norm_video(self.project_video(video_states.to(kinds.dtype)))  # (batch, video steps, width)
        audio = audio + kinds[0] + positions(audio_mask, width).to(kinds.dtype)
        video = video + kinds[1] + positions(video_mask, width).to(kinds.dtype)
        tokens = self.read(torch.cat([audio, video], dim=1), torch.cat([audio_mask, video_mask], dim=1))
        return FusionOutput(tokens)


def positions(mask: torch.Tensor, width: int) -> torch.Tensor:
    """Return waves of the time of each step as a share of the clip: `(batch, steps)` -> `(batch, steps, width)`, float32."""
    rank = mask.long().cumsum(dim=1) - 0.5  # middle of each valid step
    time = rank / mask.long().sum(dim=1, keepdim=True).clamp(min=1)  # (batch, steps), from 0 to 1
    speed = torch.logspace(0, -1, width // 2, base=TICKS, device=mask.device)  # (width / 2,), from 1 down to 1 / TICKS
    angle = TICKS * time.unsqueeze(-1) * speed  # (batch, steps, width / 2)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
