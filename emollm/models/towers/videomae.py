"""Video tower: VideoMAE (Tong et al. 2022, https://arxiv.org/abs/2203.12602), the clip as a whole.

Its patches reach over two frames, and every patch sees every other, so its states know motion. It was trained on clips of 16 frames: a
clip of fewer or more is brought to that number by repeating or skipping frames evenly, so that it never sees padding. A recipe's
`frames` best equals it. `tokens: pooled` gives one state for two frames. See `frames.py` for `tokens` and `pool`.

The decoder of pre-training and the heads of fine-tuned checkpoints are not used. Fine-tuned ones have their closing norm in the head; a
norm without weights stands in for it, so the states come out at one scale.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn
from transformers import VideoMAEConfig, VideoMAEModel

from emollm.errors import ConfigError
from emollm.models.towers.frames import IMAGENET_MEAN, IMAGENET_STD, FrameTower


class VideoMAETower(FrameTower):
    """VideoMAE's encoder: `num_frames / tubelet_size` steps a clip."""

    citation = """@inproceedings{tong2022videomae,
  title={VideoMAE: Masked Autoencoders are Data-Efficient Learners for Self-Supervised Video Pre-Training},
  author={Tong, Zhan and Song, Yibing and Wang, Jue and Wang, Limin},
  booktitle={NeurIPS}, year={2022}
}"""
    model_type = "videomae"
    config_class = VideoMAEConfig
    model_class = VideoMAEModel
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    unused_prefixes = ("decoder.", "encoder_to_decoder.", "mask_token", "fc_norm.", "classifier.")

    def __init__(self, config: Any, tokens: Literal["pooled", "patches"] = "pooled", pool: int = 1) -> None:
        super().__init__(config, tokens, pool)
        self.frames, self.steps = config.num_frames, config.num_frames // config.tubelet_size
        if self.steps * config.tubelet_size != self.frames:
            raise ConfigError(
                f"video tower: num_frames={self.frames} with tubelet_size={config.tubelet_size}",
                fix="make num_frames a multiple of tubelet_size",
            )

    def _encode(self, frames: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count = mask.sum(dim=1, keepdim=True)  # (batch, 1)
        index = torch.arange(self.frames, device=mask.device) * count // self.frames  # (batch, frames of the backbone)
        clips = frames[torch.arange(len(frames), device=mask.device).unsqueeze(1), index]
        states = self.backbone(clips).last_hidden_state  # (batch, steps * patches, width)
        if self.backbone.layernorm is None:
            states = nn.functional.layer_norm(states, (self.width,))
        return states.unflatten(1, (self.steps, -1)), mask.new_ones(len(frames), self.steps)
