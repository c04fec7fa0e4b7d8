"""AVEncoder: towers -> adapters -> fusion -> the soft prompt of each row.

A plain module without a decoder, so that training, generation and serving hold the same class with the same weight
names. It encodes only the rows that have a modality. Blocks whose parameters are all frozen stay in eval mode under
`train()`, and frozen towers run without gradients: gradient checkpointing with PEFT hooks the embeddings of every
sub-model and would otherwise send a backward pass through them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from emollm.errors import EmoError
from emollm.models.adapters import ADAPTERS, AdapterOutput, FrameAdapter, Standardise
from emollm.models.choose import make
from emollm.models.fusion import FUSIONS, FusionOutput
from emollm.models.towers import AUDIO_TOWERS, VIDEO_TOWERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emollm.models.configuration import EmoConfig
    from emollm.models.towers import Tower


@dataclass(frozen=True)
class SoftPrompt:
    """The encoder's answer.

    Attributes:
        rows: One tensor `(positions, width)` a row, in the order audio, video, fusion; zero positions without media.
        losses: Auxiliary losses of adapters and fusion, as `<block>/<name>`.
    """

    rows: list[torch.Tensor]
    losses: dict[str, torch.Tensor]


def is_frozen(block: nn.Module) -> bool:
    """Tell whether no parameter of a block is trained."""
    return not any(parameter.requires_grad for parameter in block.parameters())


class AVEncoder(nn.Module):
    """Everything between media and decoder; its children are the blocks that a recipe freezes or trains.

    Args:
        config: Configuration of the whole model.
    """

    def __init__(self, config: EmoConfig) -> None:
        super().__init__()
        width = config.text_config.hidden_size
        self.width = width
        self.audio_tower = make("audio tower", AUDIO_TOWERS, config.audio_tower, config=config.audio_config)
        self.video_tower = make("video tower", VIDEO_TOWERS, config.video_tower, config=config.video_config)
        audio_width, video_width = self.audio_tower.width, self.video_tower.width
        self.audio_adapter = make(
            "audio adapter", ADAPTERS, config.audio_adapter, in_width=audio_width, out_width=width
        )
        self.video_adapter = FrameAdapter(
            make("video adapter", ADAPTERS, config.video_adapter, in_width=video_width, out_width=width),
            width=video_width,
            tokens_per_frame=self.video_tower.tokens_per_frame,
            num_frames=config.num_frames,
        )
        self.fusion = make(
            "fusion", FUSIONS, config.fusion, audio_width=audio_width, video_width=video_width, out_width=width
        )
        self.standard = nn.ModuleDict()
        if config.standardise:
            self.standard["audio_states"] = Standardise(audio_width)
            self.standard["video_states"] = Standardise(video_width, self.video_tower.tokens_per_frame)
            self.standard["audio_tokens"] = Standardise(width, config.audio_queries)
            self.standard["video_tokens"] = Standardise(width, config.video_queries)
            if config.fusion_queries:
                self.standard["fusion_tokens"] = Standardise(width, config.fusion_queries)

    def train(self, mode: bool = True) -> AVEncoder:
        """Set training mode; frozen blocks stay in eval mode, so that their dropout stays off."""
        super().train(mode)
        for block in self.children():
            if is_frozen(block):
                block.eval()
        return self

    def forward(
        self,
        input_features: torch.Tensor | None,
        input_features_mask: torch.Tensor | None,
        pixel_values_videos: torch.Tensor | None,
        video_frame_mask: torch.Tensor | None,
        has_audio: Sequence[bool],
        has_video: Sequence[bool],
    ) -> SoftPrompt:
        """Encode a batch.

        Args:
            input_features: `(batch, mels, steps)` or `(batch, samples)`, as the audio tower takes it; only rows with
                sound are read. None when no row has any.
            input_features_mask: `(batch, steps)` or `(batch, samples)`.
            pixel_values_videos: `(batch, frames, 3, height, width)`; only rows with picture are read.
            video_frame_mask: `(batch, frames)`.
            has_audio: Which rows have sound.
            has_video: Which rows have picture.
        """
        parts: list[list[torch.Tensor]] = [[] for _ in has_audio]
        losses: dict[str, torch.Tensor] = {}
        audio_rows = [row for row, present in enumerate(has_audio) if present]
        video_rows = [row for row, present in enumerate(has_video) if present]
        if audio_rows:
            audio, audio_mask = _encode(self.audio_tower, input_features, input_features_mask, audio_rows)
            audio = self._standardised("audio_states", audio, audio_mask)
            tokens = _tokens("audio_adapter", self.audio_adapter(audio, audio_mask), losses)
            _hand_out(parts, audio_rows, self._standardised("audio_tokens", tokens))
        if video_rows:
            video, video_mask = _encode(self.video_tower, pixel_values_videos, video_frame_mask, video_rows)
            video = self._standardised("video_states", video, video_mask)
            tokens = _tokens("video_adapter", self.video_adapter(video, video_mask), losses)
            _hand_out(parts, video_rows, self._standardised("video_tokens", tokens))
        both = [row for row in audio_rows if has_video[row]]
        if both:
            in_audio, in_video = ([rows.index(row) for row in both] for rows in (audio_rows, video_rows))
            fused = self.fusion(audio[in_audio], audio_mask[in_audio], video[in_video], video_mask[in_video])
            tokens = _tokens("fusion", fused, losses)
            _hand_out(parts, both, self._standardised("fusion_tokens", tokens))
        empty = next(self.audio_adapter.parameters()).new_zeros(0, self.width)
        return SoftPrompt([torch.cat(row) if row else empty for row in parts], losses)

    def _standardised(self, name: str, states: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Standardise `(rows, steps, width)` where the model does so; without a mask every step counts."""
        if name not in self.standard:
            return states
        return self.standard[name](states, states.new_ones(states.shape[:2]) if mask is None else mask)


def _encode(
    tower: Tower, inputs: torch.Tensor | None, mask: torch.Tensor | None, rows: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run a tower on some rows, without gradients when it is frozen: states `(rows, steps, width)` and mask."""
    if inputs is None or mask is None:
        raise EmoError(f"rows {rows} have a modality, but its tensors are missing", fix="pass the tensor and its mask")
    with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen(tower)):
        return tower(inputs[rows], mask[rows])


def _tokens(
    block: str, encoded: torch.Tensor | AdapterOutput | FusionOutput, losses: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Return a block's tokens, and enter its losses."""
    if isinstance(encoded, torch.Tensor):
        return encoded
    losses |= {f"{block}/{name}": loss for name, loss in encoded.losses.items()}
    return encoded.tokens


def _hand_out(parts: list[list[torch.Tensor]], rows: list[int], tokens: torch.Tensor) -> None:
    """Append `(rows, queries, width)` to the parts of the rows that they belong to."""
    for row, block in zip(rows, tokens.unbind(0), strict=True):
        parts[row].append(block)
