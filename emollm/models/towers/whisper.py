"""Audio tower: the encoder of Whisper (Radford et al. 2022, https://arxiv.org/abs/2212.04356) on log-mel windows.

The window is fixed (30 s in the released models, shorter where `max_source_positions` says so) and is padded with
silence; the encoder itself has no mask, so padding is masked in the states instead. The speech decoder is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emollm.errors import ConfigError
from emollm.models.loading import read_with_info
from emollm.models.towers.base import AudioTower

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from transformers import PreTrainedConfig, SequenceFeatureExtractor

STATES_PER_S = 50


class WhisperTower(AudioTower):
    """Whisper's encoder: `input_features` `(batch, mels, steps)` -> states at half the step rate (50 Hz)."""

    citation = """@inproceedings{radford2023whisper,
  title={Robust Speech Recognition via Large-Scale Weak Supervision},
  author={Radford, Alec and Kim, Jong Wook and Xu, Tao and Brockman, Greg and McLeavey, Christine and Sutskever, Ilya},
  booktitle={ICML}, year={2023}
}"""
    model_type = "whisper"
    unused_prefixes = ("proj_out.",)
    fixed = ("backbone.embed_positions.weight",)

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.backbone = WhisperEncoder(config)
        self.width = config.d_model

    def forward(self, inputs: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode log-mel windows.

        Args:
            inputs: Log-mel features `(batch, mels, steps)`, padded to the window.
            mask: `(batch, steps)`, True on real sound.
        """
        states = self.backbone(inputs.to(self.backbone.dtype)).last_hidden_state
        # The second convolution has stride 2: a state stands for two input steps.
        return states, mask[:, ::2].bool()  # (batch, steps / 2)

    @classmethod
    def read_config(cls, name: str) -> WhisperConfig:
        """Read the configuration of a Whisper checkpoint."""
        return WhisperConfig.from_pretrained(name)

    @classmethod
    def read_backbone(cls, name: str, dtype: torch.dtype) -> tuple[WhisperEncoder, dict]:
        """Read a Whisper checkpoint and keep its encoder."""
        model, info = read_with_info(WhisperModel, name, dtype)
        return model.encoder, info

    @classmethod
    def random_config(cls, sizes: Mapping[str, Any], window_s: float) -> dict[str, Any]:
        """Set the number of positions, which is the window: 50 a second."""
        positions = round(window_s * STATES_PER_S)
        given = sizes.get("max_source_positions", positions)
        if given != positions:
            raise ConfigError(
                f"max_source_positions is {given}, but {window_s:g} s of sound need {positions}",
                "model.audio.config",
                "leave max_source_positions out: it follows from audio_window_s",
            )
        return {"model_type": cls.model_type, **sizes, "max_source_positions": positions}

    @classmethod
    def read_extractor(cls, name: str) -> WhisperFeatureExtractor:
        """Read the log-mel extractor of a Whisper checkpoint."""
        return WhisperFeatureExtractor.from_pretrained(name)

    @classmethod
    def make_extractor(cls, config: PreTrainedConfig) -> WhisperFeatureExtractor:
        """Make the log-mel extractor whose window fills the positions."""
        window_s = config.max_source_positions / STATES_PER_S
        if window_s != int(window_s):
            raise ConfigError(f"a window of {window_s} s", where="audio", fix="make max_source_positions 50 a second")
        return WhisperFeatureExtractor(feature_size=config.num_mel_bins, chunk_length=int(window_s))

    @classmethod
    def takes(cls, config: PreTrainedConfig, extractor: SequenceFeatureExtractor, window_s: float) -> bool:
        """The padded features must fill the positions; sound may be cut to less than that."""
        return (
            isinstance(extractor, WhisperFeatureExtractor)
            and extractor.nb_max_frames == 2 * config.max_source_positions
            and window_s <= extractor.chunk_length
        )

    @classmethod
    def input_shape(cls, config: PreTrainedConfig, window_s: float) -> tuple[int, ...]:
        """Return `(mels, steps)`: always the whole window."""
        return config.num_mel_bins, 2 * config.max_source_positions
