"""Conv-attention pre-fusion of Emotion-LLaMAv2 (Peng et al. 2026, https://arxiv.org/abs/2601.16449).

Each stream is brought to the same number of steps and to a narrow width. Two branches read them side by side: one gives each stream of a
step a weight and sums (global), the other runs residual convolutions along the steps (local). The sum of both is projected to the decoder,
one soft-prompt position a step. Departs from the released code: sound and picture are its streams (there, a third one
repeats the picture of a single frame), any number of steps (there 64), and a norm stands before the projection.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import initialization as init

from emollm.errors import ConfigError
from emollm.models.adapters.base import OwnStart
from emollm.models.fusion.base import Fusion, FusionOutput
from emollm.models.spans import span_means


class ConvAttentionFusion(Fusion, OwnStart):
    """Weighted sums of two streams, plus convolutions over both.

    Args:
        audio_width: Width of the audio tower's states.
        video_width: Width of the video tower's states.
        out_width: Width of the decoder.
        queries: Number of soft-prompt positions.
        width: Width inside the block.
        layers: Number of residual convolutions.
        softmax: Whether the two weights of a step sum to one; the released code has none.
    """

    citation = """@article{peng2026emotionllamav2,
  title={Emotion-LLaMAv2 and MMEVerse: A New Framework and Benchmark for Multimodal Emotion Understanding},
  author={Peng, Xiaojiang and Chen, Jingyi and Cheng, Zebang and Peng, Bao and Wu, Fengyi and Dong, Yifei and others},
  journal={arXiv preprint arXiv:2601.16449}, year={2026}
}"""

    def __init__(
        self,
        audio_width: int,
        video_width: int,
        out_width: int,
        queries: int,
        width: int = 128,
        layers: int = 4,
        softmax: bool = False,
    ) -> None:
        super().__init__()
        if queries < 1 or layers < 1:
            raise ConfigError(
                f"fusion 'conv_attention': queries={queries}, layers={layers}", fix="use at least one of each"
            )
        self.queries, self.softmax = queries, softmax
        self.project_audio, self.project_video = _project(audio_width, width), _project(video_width, width)
        self.weigh = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 2))
        self.join = nn.Conv1d(2 * width, width, kernel_size=1)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, kernel_size=3, padding=1) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.project_out = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, out_width))

    def start(self) -> None:
        """Give every layer outputs of about the scale of its inputs."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv1d):
                init.lecun_normal_(module.weight)

    def forward(
        self, audio_states: torch.Tensor, audio_mask: torch.Tensor, video_states: torch.Tensor, video_mask: torch.Tensor
    ) -> FusionOutput:
        """Fuse the states of rows that have sound and picture into `(batch, queries, out_width)`."""
        dtype = self.norm.weight.dtype
        audio = self.project_audio(span_means(audio_states.to(dtype), audio_mask, self.queries))
        video = self.project_video(span_means(video_states.to(dtype), video_mask, self.queries))
        both = torch.cat([audio, video], dim=-1)  # (batch, queries, 2 * width)
        weights = self.weigh(both)  # (batch, queries, 2)
        if self.softmax:
            weights = weights.softmax(dim=-1)
        attended = (weights.unsqueeze(-1) * torch.stack([audio, video], dim=2)).sum(dim=2)  # (batch, queries, width)
        local = self.join(both.transpose(1, 2))  # (batch, width, queries)
        for convolution in self.convolutions:
            local = local + nn.functional.silu(convolution(local))
        return FusionOutput(self.project_out(self.norm(attended + local.transpose(1, 2))))


def _project(in_width: int, width: int) -> nn.Sequential:
    """Make the network that narrows a stream, with a hidden layer four times as wide as the result."""
    return nn.Sequential(nn.Linear(in_width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
