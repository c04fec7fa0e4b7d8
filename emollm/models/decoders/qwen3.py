"""Decoder: Qwen3, dense (Qwen team 2025, https://arxiv.org/abs/2505.09388), in Qwen's chat layout.

Qwen3's own template puts an empty `<think>` block before answers that need no thinking; ours leaves it out, as the model is trained to
write the answer string directly, and a task whose style is `think` asks for the block itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3Model

from emollm.models.decoders.qwen2 import Qwen2Decoder
from emollm.models.loading import read_with_info

if TYPE_CHECKING:
    import torch


class Qwen3Decoder(Qwen2Decoder):
    """Qwen3, dense: the layout, control tokens and linear layers of Qwen2, with norms on queries and keys."""

    citation = """@article{yang2025qwen3,
  title={Qwen3 Technical Report},
  author={{Qwen Team}},
  journal={arXiv preprint arXiv:2505.09388}, year={2025}
}"""

    @classmethod
    def make(cls, config: Qwen3Config) -> Qwen3Model:  # type: ignore[override]
        """Make a Qwen3 model without its head."""
        return Qwen3Model(config)

    @classmethod
    def read_config(cls, name: str) -> Qwen3Config:  # type: ignore[override]
        """Read the configuration of a Qwen3 checkpoint."""
        return Qwen3Config.from_pretrained(name)

    @classmethod
    def read_causal_lm(cls, name: str, dtype: torch.dtype) -> tuple[Qwen3ForCausalLM, dict]:  # type: ignore[override]
        """Read a Qwen3 checkpoint."""
        return read_with_info(Qwen3ForCausalLM, name, dtype)
