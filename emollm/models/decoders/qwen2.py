"""Decoder: Qwen2 and Qwen2.5 (Qwen team 2024, https://arxiv.org/abs/2412.15115), in Qwen's chat layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Model

from emollm.models.decoders.base import Decoder
from emollm.models.decoders.chat import chat_template
from emollm.models.loading import read_with_info

if TYPE_CHECKING:
    import torch


class Qwen2Decoder(Decoder):
    """Qwen2 and Qwen2.5, dense."""

    citation = """@article{qwen2024qwen25,
  title={Qwen2.5 Technical Report},
  author={{Qwen Team}},
  journal={arXiv preprint arXiv:2412.15115}, year={2024}
}"""
    chat_template = chat_template("<|im_start|>", "\n", "<|im_end|>", "\n")
    control_tokens = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    stop_tokens = ("<|im_end|>", "<|endoftext|>")
    lora_targets = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"

    @classmethod
    def make(cls, config: Qwen2Config) -> Qwen2Model:
        """Make a Qwen2 model without its head."""
        return Qwen2Model(config)

    @classmethod
    def read_config(cls, name: str) -> Qwen2Config:
        """Read the configuration of a Qwen2 or Qwen2.5 checkpoint."""
        return Qwen2Config.from_pretrained(name)

    @classmethod
    def read_causal_lm(cls, name: str, dtype: torch.dtype) -> tuple[Qwen2ForCausalLM, dict]:
        """Read a Qwen2 or Qwen2.5 checkpoint."""
        return read_with_info(Qwen2ForCausalLM, name, dtype)
