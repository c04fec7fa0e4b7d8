"""Video tower: the vision part of SigLIP (Zhai et al. 2023, https://arxiv.org/abs/2303.15343), frame by frame.

The states are those of the patches behind the closing norm; SigLIP has no class token, and its attention-pooling head, made for matching
texts, is left out. See `frames.py` for `tokens` and `pool`. The text part is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from transformers import SiglipVisionConfig, SiglipVisionModel

from emollm.models.towers.frames import FrameTower

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class SiglipTower(FrameTower):
    """SigLIP's vision transformer."""

    citation = """@inproceedings{zhai2023siglip,
  title={Sigmoid Loss for Language Image Pre-Training},
  author={Zhai, Xiaohua and Mustafa, Basil and Kolesnikov, Alexander and Beyer, Lucas},
  booktitle={ICCV}, year={2023}
}"""
    model_type = "siglip_vision_model"
    config_class = SiglipVisionConfig
    model_class = SiglipVisionModel
    mean = std = (0.5, 0.5, 0.5)
    unused_prefixes = ("text_model.", "logit_scale", "logit_bias")

    def __init__(self, config: Any, tokens: Literal["pooled", "patches"] = "pooled", pool: int = 1) -> None:
        super().__init__(config, tokens, pool)
        _behead(self.backbone)

    def _encode(self, frames: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = self.backbone(frames.flatten(0, 1)).last_hidden_state  # (batch * frames, patches, width)
        return states.unflatten(0, mask.shape), mask

    @classmethod
    def read_backbone(cls, name: str, dtype: torch.dtype) -> tuple[PreTrainedModel, dict]:
        """Read the vision part of a SigLIP checkpoint."""
        model, info = super().read_backbone(name, dtype)
        _behead(model)
        return model, info


def _behead(model: Any) -> None:
    """Take the pooling head away, in place: its weights would be held and saved, and never trained."""
    if model.use_head:
        del model.head
        model.use_head = False
