"""Audio tower: the encoder of Whisper (Radford et al. 2022, https://arxiv.org/abs/2212.04356) on log-mel windows.

The window is fixed (30 s in the released models, shorter where `max_source_positions` says so) and is padded with
silence; the encoder itself has no mask, so padding is masked in the states instead. The speech decoder is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import WhisperConfig, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emollm.models.loading import read_with_info
from emollm.models.towers.base import Tower

if TYPE_CHECKING:
    import torch


class WhisperTower(Tower):
    """Whisper's encoder: `input_features` `(batch, mels, steps)` -> states at half the step rate (50 Hz)."""

    citation = """@inproceedings{radford2023whisper,
  title={Robust Speech Recognition via Large-Scale Weak Supervision},
  author={Radford, Alec and Kim, Jong Wook and Xu, Tao and Brockman, Greg and McLeavey, Christine and Sutskever, Ilya},
  booktitle={ICML}, year={2023}
}"""
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
