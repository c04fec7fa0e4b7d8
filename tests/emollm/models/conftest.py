"""One tiny random model for the whole folder, and rows that cover every case of modalities."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from emollm.models.build import build, tiny_spec
from emollm.models.tokens import train_tokenizer

CASES = ("clip", "audio", "video", "text", "short clip")
RATE_HZ = 16_000
WAVES = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "hidden_dropout": 0, "attention_dropout": 0,
    "activation_dropout": 0, "feat_proj_dropout": 0, "layerdrop": 0,
}  # fmt: skip
FRAMES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
WORDS = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128}
QFORMER = {"name": "qformer", "width": 32, "layers": 2, "heads": 2}


def combination(name: str) -> dict[str, Any]:
    """Changes of the tiny model: between them, the combinations hold every block."""
    if name == "usual":
        return {}
    if name == "wavlm siglip qformer qwen3":
        return {
            "audio": {"model_type": "wavlm", **WAVES},
            "audio_tower": {"name": "wavlm", "layers": 2},
            "audio_window_s": 1.0,
            "video": {"model_type": "siglip_vision_model", "intermediate_size": 64, **FRAMES},
            "video_tower": {"name": "siglip", "tokens": "patches", "pool": 2},
            "audio_adapter": {**QFORMER, "queries": 4},
            "video_adapter": {**QFORMER, "queries": 6, "cross_every": 2},
            "fusion": {**QFORMER, "queries": 2},
            "decoder": "qwen3",
            "text": {"model_type": "qwen3", "vocab_size": 400, "hidden_size": 64, "head_dim": 16,
                     "tie_word_embeddings": True, **WORDS},
        }  # fmt: skip
    if name == "wav2vec2 dinov2 conv_attention llama":
        return {
            "audio": {"model_type": "wav2vec2", **WAVES},
            "audio_tower": {"name": "wav2vec2"},
            "audio_window_s": 1.0,
            "video": {"model_type": "dinov2", **FRAMES},
            "video_tower": {"name": "dinov2"},
            "fusion": {"name": "conv_attention", "queries": 2, "width": 16, "layers": 2},
            "decoder": "llama",
            "text": {"model_type": "llama", "vocab_size": 400, "hidden_size": 64, "tie_word_embeddings": True, **WORDS},
            "tokenizer": train_tokenizer(['{"labels":["happy"]}'], 400, decoder="llama"),
        }
    if name == "hubert videomae":
        return {
            "audio": {"model_type": "hubert", "feat_extract_norm": "layer", "do_stable_layer_norm": True, **WAVES},
            "audio_tower": {"name": "hubert"},
            "audio_window_s": 1.0,
            "video": {"model_type": "videomae", "num_frames": 4, "intermediate_size": 64, **FRAMES},
            "video_tower": {"name": "videomae", "tokens": "patches"},
        }
    raise ValueError(name)


def make_row(processor: Any, case: str, answer: str | None = None) -> dict[str, Any]:
    """Text, sound and frames of one row; its media depend on the case alone."""
    seed = np.random.default_rng(CASES.index(case))
    sound = "clip" in case or case == "audio"
    picture = "clip" in case or case == "video"
    seconds, frames = (0.4, 2) if case == "short clip" else (1.0, 4)
    blocks = [{"type": "audio"}] * sound + [{"type": "video"}] * picture
    messages = [{"role": "user", "content": [*blocks, {"type": "text", "text": f"what does this {case} express"}]}]
    if answer is not None:
        messages.append({"role": "assistant", "content": answer})
    return {
        "text": processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer is None),
        "audio": seed.normal(size=int(seconds * RATE_HZ)).astype(np.float32) * 0.1 if sound else None,
        "videos": seed.integers(0, 255, (frames, 24, 40, 3), dtype=np.uint8) if picture else None,
    }


@pytest.fixture(scope="session")
def parts(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A model with visible random weights (larger than the usual start) and its processor; never changed by a test."""
    torch.manual_seed(0)
    model, processor = build(tiny_spec(**combination(getattr(request, "param", "usual"))))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name.lower():
                parameter.mul_(3)
    return model, processor


@pytest.fixture
def model(parts: tuple[Any, Any]) -> Any:
    """A fresh copy of the model."""
    return copy.deepcopy(parts[0])


@pytest.fixture(scope="session")
def processor(parts: tuple[Any, Any]) -> Any:
    """The model's processor."""
    return parts[1]


@pytest.fixture(scope="session")
def batch(processor: Any) -> Callable[..., dict[str, torch.Tensor]]:
    """Make a left-padded batch of the named cases."""

    def make(*cases: str, answer: str | None = None) -> dict[str, torch.Tensor]:
        rows = [make_row(processor, case, answer) for case in cases]
        return dict(processor(**{key: [row[key] for row in rows] for key in rows[0]}, padding_side="left"))

    return make
