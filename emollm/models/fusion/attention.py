"""Attention pre-fusion of AffectGPT (Lian et al. 2025, https://arxiv.org/abs/2501.16566).

Sound and picture are pooled to one vector each; a small network reads both and gives each a weight; the weighted sum is
projected to the decoder. The released code uses the weights as they come, without softmax: `softmax: false`.
Departs from it: there may be several positions, each with weights and an offset of its own (the paper has one),
and a norm stands before the projection.
"""

from __future__ import annotations

import torch
from torch import nn

from emollm.errors import ConfigError
from emollm.models.fusion.base import Fusion, FusionOutput


class AttentionFusion(Fusion):
    """Weighted sums of two pooled vectors.

    Args:
        audio_width: Width of the audio tower's states.
        video_width: Width of the video tower's states.
        out_width: Width of the decoder.
        queries: Number of soft-prompt positions.
        width: Width inside the block.
        softmax: Whether the two weights of a position sum to one.
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
        softmax: bool = True,
    ) -> None:
        super().__init__()
        if queries < 1:
            raise ConfigError(f"fusion 'attention': queries={queries}", fix="use at least one, or fusion 'none'")
        self.softmax = softmax
        self.project_audio = nn.Linear(audio_width, width)
        self.project_video = nn.Linear(video_width, width)
        self.mix = nn.Linear(2 * width, width)
        self.weigh = nn.Linear(width, 2 * queries)
        self.offsets = nn.Embedding(queries, width)
        self.norm = nn.LayerNorm(width)
        self.project_out = nn.Linear(width, out_width)

    def forward(
        self, audio_states: torch.Tensor, audio_mask: torch.Tensor, video_states: torch.Tensor, video_mask: torch.Tensor
    ) -> FusionOutput:
        """Fuse the states of rows that have sound and picture into `(batch, queries, out_width)`."""
        dtype = self.offsets.weight.dtype
        audio = self.project_audio(masked_mean(audio_states.to(dtype), audio_mask))  # (batch, width)
        video = self.project_video(masked_mean(video_states.to(dtype), video_mask))  # (batch, width)
        hidden = nn.functional.gelu(self.mix(torch.cat([audio, video], dim=-1)))  # (batch, width)
        weights = self.weigh(hidden).unflatten(1, (-1, 2))  # (batch, queries, 2)
        if self.softmax:
            weights = weights.softmax(dim=-1)
        fused = weights @ torch.stack([audio, video], dim=1).to(weights.dtype)  # (batch, queries, width)
        return FusionOutput(self.project_out(self.norm(fused + self.offsets.weight)))


def masked_mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the valid steps, `(batch, steps, width)` -> `(batch, width)`; zeros for a row without any."""
    keep = mask.to(states.dtype).unsqueeze(-1)  # (batch, steps, 1)
    return (states * keep).sum(dim=1) / keep.sum(dim=1).clamp(min=1)
