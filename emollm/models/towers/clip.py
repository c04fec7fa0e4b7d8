"""Video tower: the vision part of CLIP (Radford et al. 2021, https://arxiv.org/abs/2103.00020), frame by frame.

CLIP's closing norm is applied to patches, as OWL-ViT does, so the states come out at one scale; the class token is left out (AffectGPT
feeds its video branch pooled patches, too). See `frames.py` for `tokens` and `pool`. The text part and the projection are not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import CLIPVisionConfig, CLIPVisionModel

from emollm.models.towers.frames import FrameTower

if TYPE_CHECKING:
    import torch


class ClipTower(FrameTower):
    """CLIP's vision transformer."""

    citation = """@inproceedings{radford2021clip,
  title={Learning Transferable Visual Models From Natural Language Supervision},
  author={Radford, Alec and Kim, Jong Wook and Hallacy, Chris and Ramesh, Aditya and Goh, Gabriel and others},
  booktitle={ICML}, year={2021}
}"""
    model_type = "clip_vision_model"
    config_class = CLIPVisionConfig
    model_class = CLIPVisionModel
    unused_prefixes = ("text_model.", "text_projection.", "visual_projection.", "logit_scale")

    def _encode(self, frames: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = self.backbone(frames.flatten(0, 1)).last_hidden_state[:, 1:]  # (batch * frames, patches, width)
        return self.backbone.post_layernorm(states).unflatten(0, mask.shape), mask
