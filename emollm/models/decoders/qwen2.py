"""Decoder: Qwen2 and Qwen2.5 (Qwen team 2024, https://arxiv.org/abs/2412.15115), in Qwen's chat layout.

A clip with sound and picture is written as one marker, `<|clip|>`; sound alone and picture alone have their own. The
marker stands on a line of its own before the text, wherever the blocks stood in the message, so that training and
serving see one string and several questions about one clip share their beginning. Departs from Qwen's own template:
there is no default system message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Model

from emollm.models.decoders.base import Decoder
from emollm.models.loading import read_with_info

if TYPE_CHECKING:
    import torch

CHAT_TEMPLATE = """\
{%- macro body(content) -%}
{%- if content is string -%}
{{- content -}}
{%- else -%}
{%- set kinds = content | map(attribute='type') | list -%}
{%- if 'audio' in kinds and 'video' in kinds -%}
{{- '<|clip|>\\n' -}}
{%- elif 'audio' in kinds -%}
{{- '<|audio|>\\n' -}}
{%- elif 'video' in kinds -%}
{{- '<|video|>\\n' -}}
{%- endif -%}
{{- content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('\\n') -}}
{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}
{{- body(message['content']) + '<|im_end|>' -}}
{%- endgeneration -%}
{{- '\\n' -}}
{%- else -%}
{{- body(message['content']) + '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


class Qwen2Decoder(Decoder):
    """Qwen2 and Qwen2.5, dense."""

    citation = """@article{qwen2024qwen25,
  title={Qwen2.5 Technical Report},
  author={{Qwen Team}},
  journal={arXiv preprint arXiv:2412.15115}, year={2024}
}"""
    chat_template = CHAT_TEMPLATE
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
