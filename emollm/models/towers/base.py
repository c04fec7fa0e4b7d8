"""What a tower is: a pretrained encoder that turns one modality into states over steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, SequenceFeatureExtractor


class Tower(nn.Module, ABC):
    """A pretrained encoder. The Hugging Face module sits in `backbone` and keeps its weight names.

    Attributes:
        citation: BibTeX of the paper, gathered into the model card.
        model_type: What transformers calls the backbone's configuration.
        unused_prefixes: Weights of the pretrained checkpoint that a tower leaves out on purpose.
        fixed: Parameters that are never trained, even when the tower is (by name inside the tower).
        width: Width of the states.
        tokens_per_frame: States that a video tower gives for one frame.
    """

    citation: ClassVar[str]
    model_type: ClassVar[str]
    unused_prefixes: ClassVar[tuple[str, ...]] = ()
    fixed: tuple[str, ...] = ()
    backbone: Any  # a PreTrainedModel of the tower's own class
    width: int
    tokens_per_frame: int = 1

    @abstractmethod
    def forward(self, inputs: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a batch whose every row has this modality.

        Args:
            inputs: The tower's input tensor, rows first.
            mask: True where a step of the input is real.

        Returns:
            States `(batch, steps, width)` and their mask `(batch, steps)`.
        """

    @classmethod
    @abstractmethod
    def read_config(cls, name: str) -> PreTrainedConfig:
        """Read the configuration of a pretrained checkpoint (hub name or path)."""

    @classmethod
    @abstractmethod
    def read_backbone(cls, name: str, dtype: torch.dtype) -> tuple[PreTrainedModel, dict]:
        """Read the pretrained module and transformers' loading info (missing, unexpected and mismatched keys)."""


class AudioTower(Tower):
    """A tower for sound, which also knows the extractor that turns waveforms into its inputs.

    Inputs are rows of features over time, time last: `(batch, mels, steps)` or `(batch, samples)`, mask `(batch, time)`.
    """

    @classmethod
    @abstractmethod
    def random_config(cls, sizes: Mapping[str, Any], window_s: float) -> dict[str, Any]:
        """Complete the sizes of a randomly initialised backbone with what follows from the window of sound.

        Args:
            sizes: Sizes in the words of the backbone's transformers configuration.
            window_s: Longest sound in seconds.

        Raises:
            ConfigError: The sizes contradict the window.
        """

    @classmethod
    @abstractmethod
    def read_extractor(cls, name: str) -> SequenceFeatureExtractor:
        """Read the extractor that belongs to a pretrained checkpoint."""

    @classmethod
    @abstractmethod
    def make_extractor(cls, config: PreTrainedConfig) -> SequenceFeatureExtractor:
        """Make the extractor of a randomly initialised backbone."""

    @classmethod
    @abstractmethod
    def takes(cls, config: PreTrainedConfig, extractor: SequenceFeatureExtractor, window_s: float) -> bool:
        """Tell whether a backbone of this configuration can read this extractor's features of so many seconds."""

    @classmethod
    @abstractmethod
    def input_shape(cls, config: PreTrainedConfig, window_s: float) -> tuple[int, ...]:
        """Return the shape of one row of inputs that fills the window."""
