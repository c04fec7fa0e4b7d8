"""Qwen2.5-Omni's thinker (Qwen team 2025, https://arxiv.org/abs/2503.20215): sees and hears, 3B and 7B.

Sound and picture of a clip are interleaved in chunks of two seconds and share one clock of 25 positions a second (TMRoPE). The talker,
which speaks, is not loaded.
"""

from __future__ import annotations

import torch
from transformers import models

from emollm.models.omni.base import OmniModel, place_in_time
from emollm.models.omni.processor import OmniProcessor


class Qwen2_5OmniThinkerForConditionalGeneration(  # noqa: N801  # named as in transformers: a saved config.json names its class
    OmniModel, models.qwen2_5_omni.Qwen2_5OmniThinkerForConditionalGeneration
):
    """The thinker."""

    citation = """@article{xu2025qwen25omni,
  title={{Qwen2.5-Omni} Technical Report},
  author={Xu, Jin and Guo, Zhifang and He, Jinzheng and Hu, Hangrui and He, Ting and others},
  journal={arXiv preprint arXiv:2503.20215}, year={2025}
}"""
    blocks = {  # noqa: RUF012
        "audio_tower": ("audio_tower",),
        "audio_adapter": ("audio_tower.proj",),
        "video_tower": ("visual",),
        "video_adapter": ("visual.merger",),
        "decoder": ("model", "lm_head"),
    }
    lora_targets = r"model\.layers\.\d+\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    unused_prefixes = ("talker.", "token2wav.")

    def positions(self, ids: torch.Tensor, **media: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Place one row; see `OmniModel.positions`."""
        return place_in_time(self, ids, media)


class Qwen2_5OmniProcessor(OmniProcessor, models.qwen2_5_omni.Qwen2_5OmniProcessor):  # type: ignore[misc]  # noqa: N801
    """Its processor."""

    modalities = ("audio", "video")

    def audio_tokens(self, steps: int) -> int:
        """Return the placeholders of a sound of so many mel steps (100 a second)."""
        return ((steps - 1) // 2 + 1 - 2) // 2 + 1


Model, Processor = Qwen2_5OmniThinkerForConditionalGeneration, Qwen2_5OmniProcessor
