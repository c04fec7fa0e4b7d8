"""Video tower: DINOv2 (Oquab et al. 2024, https://arxiv.org/abs/2304.07193), frame by frame.

The states are those of the patches behind the closing norm; the class token is left out. See `frames.py` for `tokens` and `pool`.
Released checkpoints hold positions for 518 pixels, and are used at 224 or at any other size by interpolating them. Here that is done
once, when a checkpoint is read: frames have 224 pixels, 16 x 16 patches of the usual models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import Dinov2Config, Dinov2Model

from emollm.models.towers.frames import IMAGENET_MEAN, IMAGENET_STD, FrameTower

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

FRAME_PX = 224


class Dinov2Tower(FrameTower):
    """DINOv2's vision transformer."""

    citation = """@article{oquab2024dinov2,
  title={DINOv2: Learning Robust Visual Features without Supervision},
  author={Oquab, Maxime and Darcet, Timoth{\\'e}e and Moutakanni, Th{\\'e}o and Vo, Huy and Szafraniec, Marc and others},
  journal={Transactions on Machine Learning Research}, year={2024}
}"""
    model_type = "dinov2"
    config_class = Dinov2Config
    model_class = Dinov2Model
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    unused_prefixes = ("classifier.",)

    @property
    def fixed(self) -> tuple[str, ...]:  # type: ignore[override]
        """The token of masked patches, which only pre-training shows."""
        return ("backbone.embeddings.mask_token",) if self.backbone.config.use_mask_token else ()

    def _encode(self, frames: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = self.backbone(frames.flatten(0, 1)).last_hidden_state[:, 1:]  # (batch * frames, patches, width)
        return states.unflatten(0, mask.shape), mask

    @classmethod
    def read_config(cls, name: str) -> PreTrainedConfig:
        """Read the configuration of a DINOv2 checkpoint, for frames of 224 pixels."""
        return Dinov2Config.from_pretrained(name, image_size=FRAME_PX)

    @classmethod
    def read_backbone(cls, name: str, dtype: torch.dtype) -> tuple[PreTrainedModel, dict]:
        """Read a DINOv2 checkpoint without its head, and bring its positions to frames of 224 pixels."""
        model, info = super().read_backbone(name, dtype)
        _fit_positions(model)
        return model, info


@torch.no_grad()
def _fit_positions(model: Any) -> None:
    """Interpolate a model's positions to `FRAME_PX`, in place."""
    embeddings, config = model.embeddings, model.config
    patches = (FRAME_PX // config.patch_size) ** 2
    like = torch.empty(1, 1 + patches, config.hidden_size)  # class token and patches
    positions = embeddings.interpolate_pos_encoding(like, FRAME_PX, FRAME_PX)  # (1, 1 + patches, width)
    embeddings.position_embeddings = nn.Parameter(positions.clone())
    config.image_size = FRAME_PX
