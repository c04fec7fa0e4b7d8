"""Decoder: Llama 3, 3.1, 3.2 (text) and 3.3 (Grattafiori et al. 2024, https://arxiv.org/abs/2407.21783), in Llama 3's chat layout.

Departs from Meta's template: no default system message, and no date. Llama 1 and 2 have other control tokens and are refused for lack of
these. Meta's tokenizers name no padding token; `<|end_of_text|>` pads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel

from emollm.models.decoders.base import Decoder
from emollm.models.decoders.chat import chat_template
from emollm.models.loading import read_with_info

if TYPE_CHECKING:
    import torch


class LlamaDecoder(Decoder):
    """Llama 3, dense, text."""

    citation = """@article{grattafiori2024llama3,
  title={The Llama 3 Herd of Models},
  author={Grattafiori, Aaron and Dubey, Abhimanyu and Jauhri, Abhinav and Pandey, Abhinav and Kadian, Abhishek and others},
  journal={arXiv preprint arXiv:2407.21783}, year={2024}
}"""
    chat_template = chat_template(
        head="<|start_header_id|>", neck="<|end_header_id|>\n\n", end="<|eot_id|>", begin="<|begin_of_text|>"
    )
    control_tokens = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    stop_tokens = ("<|eot_id|>", "<|end_of_text|>")
    lora_targets = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"

    @classmethod
    def make(cls, config: LlamaConfig) -> LlamaModel:
        """Make a Llama model without its head."""
        return LlamaModel(config)

    @classmethod
    def read_config(cls, name: str) -> LlamaConfig:
        """Read the configuration of a Llama checkpoint."""
        return LlamaConfig.from_pretrained(name)

    @classmethod
    def read_causal_lm(cls, name: str, dtype: torch.dtype) -> tuple[LlamaForCausalLM, dict]:
        """Read a Llama checkpoint."""
        return read_with_info(LlamaForCausalLM, name, dtype)
