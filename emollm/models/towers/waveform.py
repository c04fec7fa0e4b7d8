"""What towers on raw 16 kHz waveforms share: wav2vec 2.0 and its descendants, HuBERT and WavLM, are one encoder trained in three ways.

States come at 50 Hz, not averaged over time. `layers` averages the outputs of the last so many layers; the last one is taken after the
encoder's closing norm, where the model has one, the others before it, as in transformers 4.

A row's states do not depend on the rows beside it: padding is masked in attention, and in models whose first convolution is
normalised over time (`feat_extract_norm: group`, the base models) the statistics are those of the real samples. transformers
itself includes the padding there. SpecAugment (Park et al. 2019, https://arxiv.org/abs/1904.08779) is off unless `spec_augment`
is set, whatever the checkpoint says, and never on in eval mode. The heads of fine-tuned checkpoints are not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn
from torch.nn.utils import parametrize
from transformers import Wav2Vec2FeatureExtractor

from emollm.errors import ConfigError
from emollm.models.loading import read_with_info
from emollm.models.towers.base import AudioTower

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedConfig, PreTrainedModel, SequenceFeatureExtractor

SAMPLE_RATE_HZ = 16_000


class WaveformTower(AudioTower):
    """A convolutional transformer: waveforms `(batch, samples)` -> states, one for each 20 ms.

    Args:
        config: Configuration of the encoder.
        layers: How many of the last layers' outputs are averaged.
        spec_augment: Mask spans of steps and channels while the tower is trained, as often as the configuration says.

    Attributes:
        config_class: Class of the backbone's configuration.
        model_class: Class of the backbone.
    """

    config_class: ClassVar[type[PreTrainedConfig]]
    model_class: ClassVar[type[PreTrainedModel]]
    unused_prefixes: ClassVar[tuple[str, ...]] = (
        "masked_spec_embed",
        "lm_head.",
        "projector.",
        "classifier.",
        "layer_weights",
    )

    def __init__(self, config: Any, layers: int = 1, spec_augment: bool = False) -> None:
        super().__init__()
        if not 1 <= layers <= config.num_hidden_layers:
            raise ConfigError(
                f"audio tower: layers={layers}, and the encoder has {config.num_hidden_layers}",
                fix="average over 1 (the last) to all of its layers",
            )
        if getattr(config, "add_adapter", False):
            raise ConfigError(
                "audio tower: add_adapter is set, and layers behind the encoder are not used",
                fix="take a checkpoint without them: thinning is the adapter's task",
            )
        self.backbone = self.model_class(config)
        self.width = config.hidden_size
        self.layers, self.spec_augment = layers, spec_augment
        if not spec_augment and max(config.mask_time_prob, config.mask_feature_prob) > 0:
            self.fixed = ("backbone.masked_spec_embed",)  # the vector that stands for masked steps
        # Samples that the convolutions need for one state.
        self.least = 1
        for kernel, stride in reversed(list(zip(config.conv_kernel, config.conv_stride, strict=True))):
            self.least = (self.least - 1) * stride + kernel
        _start_positions(self.backbone.encoder.pos_conv_embed.conv)

    def forward(self, inputs: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode waveforms.

        Args:
            inputs: Waveforms `(batch, samples)` as the extractor made them, zeros behind the end.
            mask: `(batch, samples)`, True on real sound. Less than 25 ms of it counts as 25 ms, the rest silence.
        """
        missing = max(0, self.least - inputs.shape[1])
        waves = nn.functional.pad(inputs.to(self.backbone.dtype), (0, missing))  # (batch, samples)
        mask = nn.functional.pad(mask.bool(), (0, missing))
        mask = mask | (torch.arange(mask.shape[1], device=mask.device) < self.least)
        features = self._convolve(waves, mask.sum(dim=1)).transpose(1, 2)  # (batch, steps, channels)
        valid = self.backbone._get_feature_vector_attention_mask(features.shape[1], mask)  # (batch, steps)
        hidden = _states(self.backbone.feature_projection(features))  # (batch, steps, width)
        if self.spec_augment:
            hidden = self.backbone._mask_hidden_states(hidden, attention_mask=valid)
        return self._encode(hidden, valid), valid

    def _convolve(self, waves: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Run the convolutions over waveforms `(batch, samples)`: features `(batch, channels, steps)`."""
        first, *others = self.backbone.feature_extractor.conv_layers
        hidden = waves.unsqueeze(1)  # (batch, 1, samples)
        if self.backbone.config.feat_extract_norm == "group":
            hidden = first.conv(hidden)
            steps = (lengths - first.conv.kernel_size[0]) // first.conv.stride[0] + 1  # (batch,)
            hidden = first.activation(_normalise(hidden, steps, first.layer_norm))
        else:
            hidden = first(hidden)
        for layer in others:
            hidden = layer(hidden)
        return hidden

    def _encode(self, hidden: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Run the transformer and average its last layers: `(batch, steps, width)`."""
        encoder, kept = self.backbone.encoder, []
        hooks = [
            layer.register_forward_hook(lambda _layer, _inputs, output: kept.append(_states(output)))
            for layer in encoder.layers[-self.layers : -1]
        ]
        try:
            # Without values (on the meta device) a mask cannot be looked into.
            last = encoder(hidden, attention_mask=None if hidden.is_meta else valid).last_hidden_state
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack([*kept, last]).mean(dim=0) if kept else last  # (layers, batch, steps, width) before the mean

    @classmethod
    def read_config(cls, name: str) -> PreTrainedConfig:
        """Read the configuration of a checkpoint."""
        return cls.config_class.from_pretrained(name)

    @classmethod
    def read_backbone(cls, name: str, dtype: torch.dtype) -> tuple[PreTrainedModel, dict]:
        """Read a checkpoint without its head."""
        return read_with_info(cls.model_class, name, dtype)

    @classmethod
    def random_config(cls, sizes: Mapping[str, Any], window_s: float) -> dict[str, Any]:
        """Return the sizes as they are: none follows from the window."""
        return {"model_type": cls.model_type, **sizes}

    @classmethod
    def read_extractor(cls, name: str) -> Wav2Vec2FeatureExtractor:
        """Read a checkpoint's extractor, which says whether waveforms are normalised."""
        return Wav2Vec2FeatureExtractor.from_pretrained(name)

    @classmethod
    def make_extractor(cls, config: PreTrainedConfig) -> Wav2Vec2FeatureExtractor:
        """Make an extractor that normalises each waveform to mean 0 and variance 1."""
        return Wav2Vec2FeatureExtractor(sampling_rate=SAMPLE_RATE_HZ, do_normalize=True, return_attention_mask=True)

    @classmethod
    def takes(cls, config: PreTrainedConfig, extractor: SequenceFeatureExtractor, window_s: float) -> bool:
        """Any length goes, at the sample rate that these encoders were trained on."""
        return isinstance(extractor, Wav2Vec2FeatureExtractor) and extractor.sampling_rate == SAMPLE_RATE_HZ

    @classmethod
    def input_shape(cls, config: PreTrainedConfig, window_s: float) -> tuple[int, ...]:
        """Return `(samples,)` of the longest sound."""
        return (round(window_s * SAMPLE_RATE_HZ),)


def _states(output: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Return the states that a module gives, alone (HuBERT) or as the first of several tensors (WavLM)."""
    return output[0] if isinstance(output, tuple) else output


def _normalise(hidden: torch.Tensor, steps: torch.Tensor, norm: nn.GroupNorm) -> torch.Tensor:
    """Normalise each channel of `(batch, channels, steps)` over its first `steps` `(batch,)`.

    What `norm`, whose groups are single channels, does to each row without its padding.
    """
    real = torch.arange(hidden.shape[2], device=hidden.device) < steps.unsqueeze(1)  # (batch, steps)
    real = real.unsqueeze(1).to(hidden.dtype)  # (batch, 1, steps)
    hidden, count = hidden * real, steps.unsqueeze(1)
    mean = hidden.sum(dim=2, dtype=torch.float32) / count  # (batch, channels)
    square = torch.linalg.vector_norm(hidden, dim=2, dtype=torch.float32).square() / count
    scale = norm.weight * torch.rsqrt((square - mean.square()).clamp_min(0) + norm.eps)  # (batch, channels)
    shift = norm.bias - mean * scale
    scale, shift = (part.unsqueeze(2).to(hidden.dtype) for part in (scale, shift))
    return torch.addcmul(shift, hidden, scale)


@torch.no_grad()
def _start_positions(conv: nn.Conv1d) -> None:
    """Give the convolution over positions its random start, as fairseq does.

    transformers draws into the product of weight norm, which is a copy, and leaves the factors as they were allocated.
    """
    if parametrize.is_parametrized(conv):
        std = 2 / (conv.kernel_size[0] * conv.in_channels) ** 0.5
        conv.weight = torch.randn_like(conv.weight) * std
