"""Tiny omni models with random weights, for tests and trials: transformers' real architectures, a vocabulary that is learned in code.

    model, processor = tiny("qwen2_5_omni")
    model.save_pretrained("folder"); processor.save_pretrained("folder")

What they answer means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast, Qwen2VLVideoProcessor, WhisperFeatureExtractor, models
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

from emollm.models.omni import model_class, processor_class
from emollm.models.omni.loading import set_generation
from emollm.models.omni.processor import Look
from emollm.models.tokens import train_tokenizer

AUDIO = {"audio_token": "<|AUDIO|>", "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>"}
VIDEO = {
    "image_token": "<|IMAGE|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
}
TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['content'] is string -%}{{- message['content'] -}}{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'audio' -%}{{- '<|audio_bos|><|AUDIO|><|audio_eos|>' -}}
{%- elif part['type'] == 'video' -%}{{- '<|vision_bos|><|VIDEO|><|vision_eos|>' -}}
{%- else -%}{{- part['text'] -}}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
TEXT = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 2048, "tie_word_embeddings": False,
}  # fmt: skip
ROPE = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
WINDOW_S = 2
HEARING = {
    "d_model": 32, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "num_mel_bins": 80,
    "max_source_positions": 50 * WINDOW_S,
}  # fmt: skip
SEEING = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64}


def tiny(family: str, texts: Iterable[str] = ('{"labels":["happy"]}',), seed: int = 0) -> tuple[Any, Any]:
    """Make a random model of a family, below a million parameters, and its processor: 4 frames, 4 tokens each at most, 2 s of sound.

    Args:
        family: A key of `emollm.models.omni.FAMILIES`.
        texts: What the tokenizer learns from.
        seed: Of the weights.
    """
    tokenizer = train_tokenizer(texts, 400)
    names = {**(AUDIO if family != "qwen2_5_vl" else {}), **(VIDEO if family != "qwen2_audio" else {})}
    tokenizer.add_tokens(
        [AddedToken(token, special=True, normalized=False) for token in names.values()], special_tokens=True
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        eos_token=tokenizer.eos_token,
        pad_token=tokenizer.pad_token,
        model_specific_special_tokens=names,
        extra_special_tokens=[token for token in tokenizer.all_special_tokens if token not in names.values()],
        clean_up_tokenization_spaces=False,
    )
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    torch.manual_seed(seed)
    model = model_class(family)(_config(family, len(tokenizer), ids)).eval()
    processor = processor_class(family)(**_parts(family, model.config), tokenizer=tokenizer, chat_template=TEMPLATE)
    side = 28 if family != "qwen3_omni" else 32
    processor.look = Look(num_frames=4, max_pixels=4 * side**2, audio_window_s=WINDOW_S)
    set_generation(model, processor)
    return model, processor


def _parts(family: str, config: Any) -> dict[str, Any]:
    """Return the processor's parts that make tensors out of media."""
    parts: dict[str, Any] = {}
    if family != "qwen2_audio":
        side = config.vision_config.patch_size
        parts["image_processor"] = Qwen2VLImageProcessor(patch_size=side)
        parts["video_processor"] = Qwen2VLVideoProcessor(patch_size=side, cap_pixels_per_frame=False)
    if family != "qwen2_5_vl":
        mels = config.audio_config.num_mel_bins
        parts["feature_extractor"] = WhisperFeatureExtractor(
            feature_size=mels, chunk_length=WINDOW_S, return_attention_mask=True
        )
    return parts


def _config(family: str, size: int, ids: dict[str, Any]) -> Any:
    """Return a configuration of the family with small sizes."""
    text = {**TEXT, "vocab_size": size}
    tokens = {
        "audio_token_id": ids.get("audio_token"), "audio_start_token_id": ids.get("audio_bos_token"),
        "audio_end_token_id": ids.get("audio_eos_token"), "image_token_id": ids.get("image_token"),
        "video_token_id": ids.get("video_token"), "vision_start_token_id": ids.get("vision_bos_token"),
        "vision_end_token_id": ids.get("vision_eos_token"),
    }  # fmt: skip
    return _CONFIGS[family](text, tokens)


def _qwen2_5_omni(text: dict[str, Any], tokens: dict[str, Any]) -> Any:
    return models.qwen2_5_omni.Qwen2_5OmniThinkerConfig(
        audio_config={**HEARING, "output_dim": 64, "n_window": 100},
        vision_config={**SEEING, "patch_size": 14, "fullatt_block_indexes": [1], "window_size": 112},
        text_config={**text, "rope_parameters": ROPE},
        **tokens,
    )


def _qwen3_omni(text: dict[str, Any], tokens: dict[str, Any]) -> Any:
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    return models.qwen3_omni_moe.Qwen3OmniMoeThinkerConfig(
        audio_config={**HEARING, "output_dim": 64, "n_window": 50, "downsample_hidden_size": 8},
        vision_config={**SEEING, "patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]},
        text_config={**text, **experts, "rope_parameters": {**ROPE, "mrope_interleaved": True}},
        position_id_per_seconds=13,
        **tokens,
    )


def _qwen2_5_vl(text: dict[str, Any], tokens: dict[str, Any]) -> Any:
    return models.qwen2_5_vl.Qwen2_5_VLConfig(
        vision_config={**SEEING, "patch_size": 14, "fullatt_block_indexes": [1], "window_size": 112},
        text_config={**text, "rope_parameters": ROPE},
        **{name: token for name, token in tokens.items() if token is not None},
    )


def _qwen2_audio(text: dict[str, Any], tokens: dict[str, Any]) -> Any:
    return models.qwen2_audio.Qwen2AudioConfig(
        audio_config=HEARING, text_config=text, audio_token_index=tokens["audio_token_id"]
    )


_CONFIGS = {
    "qwen2_5_omni": _qwen2_5_omni,
    "qwen3_omni": _qwen3_omni,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen2_audio": _qwen2_audio,
}
