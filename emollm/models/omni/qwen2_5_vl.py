"""Qwen2.5-VL (Qwen team 2025, https://arxiv.org/abs/2502.13923): sees and does not hear."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from transformers import models

from emollm.models.omni.base import OmniModel, in_a_row
from emollm.models.omni.processor import SAMPLE_RATE_HZ, OmniProcessor


class Qwen2_5_VLForConditionalGeneration(  # noqa: N801  # named as in transformers: a saved config.json names its class
    OmniModel, models.qwen2_5_vl.Qwen2_5_VLForConditionalGeneration
):
    """The whole model."""

    citation = """@article{bai2025qwen25vl,
  title={{Qwen2.5-VL} Technical Report},
  author={Bai, Shuai and Chen, Keqin and Liu, Xuejing and Wang, Jialin and Ge, Wenbin and others},
  journal={arXiv preprint arXiv:2502.13923}, year={2025}
}"""
    blocks = {  # noqa: RUF012
        "video_tower": ("model.visual",),
        "video_adapter": ("model.visual.merger",),
        "decoder": ("model.language_model", "lm_head"),
    }
    lora_targets = r"model\.language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"

    def positions(self, ids: torch.Tensor, **media: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Place one row; see `OmniModel.positions`."""
        if media["grid"] is None:
            return in_a_row(ids)
        placed: tuple[torch.Tensor, torch.Tensor] = self.model.get_rope_index(
            ids,
            mm_token_type_ids=(ids == self.config.video_token_id).int() * 2,  # 2: a video's
            video_grid_thw=media["grid"],
            second_per_grid_ts=media["seconds"],
        )
        return placed


class Qwen2_5_VLProcessor(OmniProcessor, models.qwen2_5_vl.Qwen2_5_VLProcessor):  # type: ignore[misc]  # noqa: N801
    """Its processor."""

    modalities = ("video",)
    feature_extractor = SimpleNamespace(
        sampling_rate=SAMPLE_RATE_HZ
    )  # engines ask every processor for the rate of sound

    def video_options(self, fps: float, with_sound: bool) -> dict[str, Any]:
        """Return the library's settings for one video; the frame rate counts in positions only, see `video_grid_ms`."""
        return {"do_resize": False, "do_sample_frames": False}


Model, Processor = Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor
