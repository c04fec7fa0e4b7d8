"""Omni models inside vLLM: vLLM's own classes, with the token positions of the `hf` engine.

Positions are where vLLM 0.32 and transformers 5.19 differ, and with them the answers. Behind a video of Qwen2.5-VL, vLLM counts on from its
last moment, transformers from the width of its frames; around the sound of a video in Qwen2.5-Omni, vLLM takes no account of the two tokens
that enclose it. So the class that the `hf` engine runs is asked, built without weights. A thinker that was saved alone, as
emollm saves it, is opened as well: vLLM knows the whole model only.

Does not: Qwen3-Omni and Qwen2-Audio.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniConfig
from vllm.config import VllmConfig
from vllm.model_executor.models import qwen2_5_omni_thinker as thinker
from vllm.model_executor.models.qwen2_5_vl import (
    Qwen2_5_VLDummyInputsBuilder,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLMultiModalProcessor,
    Qwen2_5_VLProcessingInfo,
)
from vllm.model_executor.models.utils import WeightsMapper
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.inputs import MultiModalFeatureSpec
from vllm.tokenizers import cached_tokenizer_from_config

from emollm.engines.decoding import never_written
from emollm.engines.vllm_omni import stop_tokens
from emollm.models.omni import model_class
from emollm.models.omni.base import MS

Positions = Callable[..., tuple[torch.Tensor, torch.Tensor]]


class _AsInHF(nn.Module):
    """What is changed of both families."""

    def _follow(self, family: str, config: Any, vllm_config: VllmConfig) -> None:
        """Take positions from a family's class, and note the tokens that are never written."""
        with torch.device("meta"):
            self._positions: Positions = model_class(family)(config).positions  # a method: no weights of this model
        tokenizer = cached_tokenizer_from_config(vllm_config.model_config)
        never = never_written(tokenizer, stop_tokens(tokenizer), config.text_config.vocab_size)
        self.register_buffer("never", torch.tensor(never), persistent=False)

    def get_mrope_input_positions(
        self, input_tokens: list[int], mm_features: list[MultiModalFeatureSpec]
    ) -> tuple[torch.Tensor, int]:
        """Return the positions `(3, tokens)` of a prompt, and what is added to a later token's number."""
        media = {name: field.data for one in mm_features for name, field in one.data.items()}
        lengths, grid, step_s = (
            media.get(name) for name in ("audio_feature_lengths", "video_grid_thw", "second_per_grid_ts")
        )
        apart = lengths is not None and grid is not None and not media["use_audio_in_video"]
        if apart:  # sound and picture one behind the other, as a server sends them: `hf` has no such prompts
            return super().get_mrope_input_positions(input_tokens, mm_features)  # type: ignore[misc,no-any-return]
        placed, delta = self._positions(
            torch.tensor([input_tokens]),
            audio_lengths=None if lengths is None else lengths.reshape(1),
            grid=None if grid is None else grid.reshape(1, 3),
            seconds=None if step_s is None else (step_s.reshape(1) * MS).round() / MS,
        )
        return placed[:, 0], int(delta)

    def compute_logits(self, hidden_states: torch.Tensor) -> torch.Tensor | None:
        """Return `(rows, vocabulary)`; media and chat tokens are never written."""
        logits = super().compute_logits(hidden_states)  # type: ignore[misc]
        return logits if logits is None else logits.index_fill(1, self.never, float("-inf"))


@MULTIMODAL_REGISTRY.register_processor(
    Qwen2_5_VLMultiModalProcessor, info=Qwen2_5_VLProcessingInfo, dummy_inputs=Qwen2_5_VLDummyInputsBuilder
)
class ServedVL(_AsInHF, Qwen2_5_VLForConditionalGeneration):
    """Qwen2.5-VL."""

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        self._follow("qwen2_5_vl", vllm_config.model_config.hf_config, vllm_config)


class _Info(thinker.Qwen2_5OmniThinkerProcessingInfo):
    """What vLLM asks about the thinker, of the whole model or alone."""

    def get_hf_config(self) -> Any:
        """Return the thinker's configuration."""
        return _thinker_config(self.ctx.get_hf_config())


@MULTIMODAL_REGISTRY.register_processor(
    thinker.Qwen2_5OmniThinkerMultiModalProcessor, info=_Info, dummy_inputs=thinker.Qwen2_5OmniThinkerDummyInputsBuilder
)
class ServedThinker(_AsInHF, thinker.Qwen2_5OmniThinkerForConditionalGeneration):
    """Qwen2.5-Omni's thinker."""

    hf_to_vllm_mapper = thinker.Qwen2_5OmniThinkerForConditionalGeneration.hf_to_vllm_mapper | WeightsMapper(
        orig_to_new_prefix={"lm_head.": "language_model.lm_head.", "model.": "language_model.model."}
    )

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        given = vllm_config.model_config.hf_config
        config = _thinker_config(given)
        whole = vllm_config
        if config is given:  # saved alone
            ties = {"tie_word_embeddings": config.tie_word_embeddings}
            wrapped = Qwen2_5OmniConfig(thinker_config=config.to_dict(), **ties)
            whole = vllm_config.with_hf_config(wrapped, given.architectures)
        super().__init__(vllm_config=whole, prefix=prefix)
        self._follow("qwen2_5_omni", config, vllm_config)


def _thinker_config(config: Any) -> Any:
    return getattr(config, "thinker_config", config)
