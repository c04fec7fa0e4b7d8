"""What towers on frames share: which states of a picture they give, and the scale of the pixels.

`tokens: pooled` gives one state a frame (the mean of its patches); `tokens: patches` gives every patch of every frame, thinned by
average pooling with `pool`, for models that need detail inside the frame.

Frames come normalised as CLIP wants them, whatever the tower: the processor knows one scale. A tower that was trained on another
converts, which costs next to nothing beside its first layer.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import nn

from emollm.errors import ConfigError
from emollm.models.loading import read_with_info
from emollm.models.processor import CLIP_MEAN, CLIP_STD
from emollm.models.towers.base import Tower

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

Colour = tuple[float, float, float]
IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)


class FrameTower(Tower):
    """A vision transformer: frames `(batch, frames, 3, height, width)` -> states, frame after frame.

    Args:
        config: Configuration of the vision transformer.
        tokens: `pooled` (one state a frame) or `patches`.
        pool: Side of the square of patches that is averaged into one state; only with `patches`.

    Attributes:
        config_class: Class of the backbone's configuration.
        model_class: Class of the backbone.
        mean: Mean of each colour channel, in 0..1, that the backbone was trained with.
        std: Standard deviation of each colour channel.
    """

    config_class: ClassVar[type[PreTrainedConfig]]
    model_class: ClassVar[type[PreTrainedModel]]
    mean: ClassVar[Colour] = CLIP_MEAN
    std: ClassVar[Colour] = CLIP_STD

    def __init__(self, config: Any, tokens: Literal["pooled", "patches"] = "pooled", pool: int = 1) -> None:
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
        self.backbone = self.model_class(config)
        self.width = config.hidden_size
        self.tokens, self.pool, self.side = tokens, pool, side
        self.tokens_per_frame = 1 if tokens == "pooled" else (side // pool) ** 2

    def forward(self, inputs: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode frames.

        Args:
            inputs: Frames `(batch, frames, 3, height, width)`, normalised for CLIP.
            mask: `(batch, frames)`, True on real frames, which come first.
        """
        frames = self._normalise(inputs).to(self.backbone.dtype)
        states, valid = self._encode(frames, mask.bool())  # (batch, steps, patches, width) and (batch, steps)
        states = states.mean(2, keepdim=True) if self.tokens == "pooled" else self._thin(states)
        valid = valid.repeat_interleave(self.tokens_per_frame, dim=1)  # (batch, steps * tokens)
        return states.flatten(1, 2), valid  # (batch, steps * tokens, width)

    @abstractmethod
    def _encode(self, frames: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the states of the patches `(batch, steps, patches, width)` and which steps are real `(batch, steps)`."""

    def _normalise(self, frames: torch.Tensor) -> torch.Tensor:
        """Bring frames from CLIP's normalisation to the backbone's."""
        if (self.mean, self.std) == (CLIP_MEAN, CLIP_STD):
            return frames
        theirs, ours = (
            [frames.new_tensor(values).view(3, 1, 1) for values in pair]  # (3, 1, 1)
            for pair in ((CLIP_MEAN, CLIP_STD), (self.mean, self.std))
        )
        return frames * (theirs[1] / ours[1]) + (theirs[0] - ours[0]) / ours[1]

    def _thin(self, states: torch.Tensor) -> torch.Tensor:
        """Average squares of patches: `(batch, steps, patches, width)` -> `(batch, steps, patches / pool^2, width)`."""
        if self.pool == 1:
            return states
        grid = states.flatten(0, 1).transpose(1, 2).unflatten(2, (self.side, self.side))  # (rows, width, side, side)
        thin = nn.functional.avg_pool2d(grid, self.pool).flatten(2).transpose(1, 2)  # (rows, tokens, width)
        return thin.unflatten(0, states.shape[:2])

    @classmethod
    def read_config(cls, name: str) -> PreTrainedConfig:
        """Read the configuration of a checkpoint."""
        return cls.config_class.from_pretrained(name)

    @classmethod
    def read_backbone(cls, name: str, dtype: torch.dtype) -> tuple[PreTrainedModel, dict]:
        """Read a checkpoint without its head."""
        return read_with_info(cls.model_class, name, dtype)
