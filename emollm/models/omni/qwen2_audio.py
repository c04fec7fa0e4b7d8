"""Qwen2-Audio (Chu et al. 2024, https://arxiv.org/abs/2407.10759): hears and does not see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import models
from transformers.cache_utils import Cache

from emollm.models.omni.base import OmniModel
from emollm.models.omni.processor import OmniProcessor


class Qwen2AudioForConditionalGeneration(  # named as in transformers: a saved config.json names its class
    OmniModel, models.qwen2_audio.Qwen2AudioForConditionalGeneration
):
    """The whole model."""

    citation = """@article{chu2024qwen2audio,
  title={{Qwen2-Audio} Technical Report},
  author={Chu, Yunfei and Xu, Jin and Yang, Qian and Wei, Haojie and Wei, Xipin and others},
  journal={arXiv preprint arXiv:2407.10759}, year={2024}
}"""
    blocks = {  # noqa: RUF012
        "audio_tower": ("model.audio_tower",),
        "audio_adapter": ("model.multi_modal_projector",),
        "decoder": ("model.language_model", "lm_head"),
    }
    lora_targets = r"model\.language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"

    def place(
        self,
        input_ids: torch.Tensor | None,
        mask: torch.Tensor | None,
        counts: torch.Tensor | None,
        cache: Cache | None,
        inputs: Mapping[str, Any],
    ) -> torch.Tensor | None:
        """Return `(batch, length)` positions: one number a token, sound or word."""
        if counts is not None or mask is None or input_ids is None:
            return counts
        return (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -input_ids.shape[1] :]


class Qwen2AudioProcessor(OmniProcessor, models.qwen2_audio.Qwen2AudioProcessor):  # type: ignore[misc]
    """Its processor."""

    modalities = ("audio",)

    def steps(self, mask: torch.Tensor) -> int:
        """Return all steps of the window: the tower takes no shorter sound."""
        return mask.shape[-1]

    def audio_tokens(self, steps: int) -> int:
        """Return the placeholders of a sound of so many mel steps (100 a second)."""
        return ((steps - 1) // 2 + 1 - 2) // 2 + 1


Model, Processor = Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor
