"""Qwen3-Omni's thinker (Qwen team 2025, https://arxiv.org/abs/2509.17765): sees and hears, a mixture of experts with 30B parameters.

Sound and picture of a clip are merged token by token on one clock of 13 positions a second. LoRA changes the attention layers: the
experts' weights are no linear layers of their own. The talker, which speaks, is not loaded.
"""

from __future__ import annotations

import torch
from transformers import models

from emollm.models.omni.base import OmniModel, place_in_time
from emollm.models.omni.processor import OmniProcessor


class Qwen3OmniMoeThinkerForConditionalGeneration(  # named as in transformers: a saved config.json names its class
    OmniModel, models.qwen3_omni_moe.Qwen3OmniMoeThinkerForConditionalGeneration
):
    """The thinker."""

    citation = """@article{xu2025qwen3omni,
  title={{Qwen3-Omni} Technical Report},
  author={Xu, Jin and Guo, Zhifang and Hu, Hangrui and Chu, Yunfei and Wang, Xiong and others},
  journal={arXiv preprint arXiv:2509.17765}, year={2025}
}"""
    blocks = {  # noqa: RUF012
        "audio_tower": ("audio_tower",),
        "audio_adapter": ("audio_tower.proj1", "audio_tower.proj2"),
        "video_tower": ("visual",),
        "video_adapter": ("visual.merger", "visual.merger_list"),
        "decoder": ("model", "lm_head"),
    }
    lora_targets = r"model\.layers\.\d+\.self_attn\.(q_proj|k_proj|v_proj|o_proj)"
    unused_prefixes = ("talker.", "code2wav.")

    def positions(self, ids: torch.Tensor, **media: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Place one row; see `OmniModel.positions`."""
        return place_in_time(self, ids, media)


class Qwen3OmniMoeProcessor(OmniProcessor, models.qwen3_omni_moe.Qwen3OmniMoeProcessor):  # type: ignore[misc]
    """Its processor."""

    modalities = ("audio", "video")

    def audio_tokens(self, steps: int) -> int:
        """Return the placeholders of a sound of so many mel steps: 13 of each whole second, and three times the half of the rest."""
        rest = steps % 100
        for _ in range(3):
            rest = (rest - 1) // 2 + 1
        return rest + steps // 100 * 13


Model, Processor = Qwen3OmniMoeThinkerForConditionalGeneration, Qwen3OmniMoeProcessor
