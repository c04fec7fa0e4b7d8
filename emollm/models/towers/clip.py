"""Video tower: the vision part of CLIP (Radford et al. 2021, https://arxiv.org/abs/2103.00020), frame by frame.

`tokens: pooled` gives one state a frame (the mean of its patches, as AffectGPT feeds its video branch);
`tokens: patches` gives every patch of every frame, thinned by average pooling with `pool`, for models that need detail
inside the frame. CLIP's closing norm is applied to patches, as OWL-ViT does, so the states come out at one scale.
The text part and the projection of CLIP are not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from emollm.errors import ConfigError
from emollm.models.loading import read_with_info
from emollm.models.towers.base import Tower

if TYPE_CHECKING:
    import torch


class ClipTower(Tower):
    """CLIP's vision transformer: frames `(batch, frames, 3, height, width)` -> states, frame after frame.

    Args:
        config: Configuration of the vision transformer.
        tokens: `pooled` (one state a frame) or `patches`.
        pool: Side of the square of patches that is averaged into one state; only with `patches`.
    """

    citation = """@inproceedings{radford2021clip,
  title={Learning Transferable Visual Models From Natural Language Supervision},
  author={Radford, Alec and Kim, Jong Wook and Hallacy, Chris and Ramesh, Aditya and Goh, Gabriel and others},
  booktitle={ICML}, year={2021}
}"""
    model_type = "clip_vision_model"
    unused_prefixes = ("text_model.", "text_projection.", "visual_projection.", "logit_scale")

    def __init__(
        self, config: CLIPVisionConfig, tokens: Literal["pooled", "patches"] = "pooled", pool: int = 1
    ) -> None:
        super().__init__()
        if not isinstance(config.image_size, int) or not isinstance(config.patch_size, int):
            raise ConfigError("video tower: frames and patches must be square", fix="give image_size as one number")
        side = config.image_size // config.patch_size
        if tokens not in ("pooled", "patches"):
            raise ConfigError(f"video tower: tokens={tokens!r}", fix="use 'pooled' or 'patches'")
        if pool < 1 or side % pool or (tokens == "pooled" and pool != 1):
            raise ConfigError(
                f"video tower: pool={pool} with tokens={tokens!r} does not fit {side} x {side} patches",
                fix="use a divisor of the patches per side, and pool=1 with pooled tokens",
            )
        self.backbone = CLIPVisionModel(config)
        self.width = config.hidden_size
        self.tokens, self.pool, self.side = tokens, pool, side
        self.tokens_per_frame = 1 if tokens == "pooled" else (side // pool) ** 2

    def forward(self, inputs: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode frames.

        Args:
            inputs: Normalised frames `(batch, frames, 3, height, width)`.
            mask: `(batch, frames)`, True on real frames.
        """
        batch, frames = inputs.shape[:2]
        pixels = inputs.flatten(0, 1).to(self.backbone.dtype)  # (batch * frames, 3, height, width)
        states = self.backbone(pixels).last_hidden_state[:, 1:]  # (batch * frames, patches, width), class token dropped
        states = self.backbone.post_layernorm(states)
        states = states.mean(1, keepdim=True) if self.tokens == "pooled" else self._thin(states)
        states = states.unflatten(0, (batch, frames)).flatten(1, 2)  # (batch, frames * tokens, width)
        return states, mask.bool().repeat_interleave(self.tokens_per_frame, dim=1)  # (batch, frames * tokens)

    def _thin(self, states: torch.Tensor) -> torch.Tensor:
        """Average squares of patches: `(rows, patches, width)` -> `(rows, patches / pool^2, width)`."""
        if self.pool == 1:
            return states
        grid = states.transpose(1, 2).unflatten(2, (self.side, self.side))  # (rows, width, side, side)
        return nn.functional.avg_pool2d(grid, self.pool).flatten(2).transpose(1, 2)  # (rows, tokens, width)

    @classmethod
    def read_config(cls, name: str) -> CLIPVisionConfig:
        """Read the vision configuration of a CLIP checkpoint (whole or vision part alone)."""
        return CLIPVisionConfig.from_pretrained(name)

    @classmethod
    def read_backbone(cls, name: str, dtype: torch.dtype) -> tuple[CLIPVisionModel, dict]:
        """Read the vision part of a CLIP checkpoint."""
        return read_with_info(CLIPVisionModel, name, dtype)
