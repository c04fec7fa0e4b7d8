"""Models with visible random weights whose attention heads are as vLLM's CPU attention has them, and clips of every kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emollm.data.sources import record_of
from emollm.records import Media, MediaRef, Record, TextLine
from tests.emollm.models.conftest import FRAMES, QFORMER, WAVES, WORDS

HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 1024}


def changes(name: str) -> dict[str, Any]:
    """Return how a composition departs from the tiny model."""
    from emollm.models.tokens import train_tokenizer

    words = {**WORDS, "vocab_size": 400, "hidden_size": 64, "tie_word_embeddings": True, **HEADS}
    if name == "whisper clip resampler qwen2":
        return {"text": {"model_type": "qwen2", **words}}
    assert name == "hubert siglip qformer llama"
    return {
        "audio": {"model_type": "hubert", **WAVES},
        "audio_tower": {"name": "hubert"},
        "audio_window_s": 1.0,
        "video": {"model_type": "siglip_vision_model", "intermediate_size": 64, **FRAMES},
        "video_tower": {"name": "siglip", "tokens": "patches", "pool": 2},
        "audio_adapter": {**QFORMER, "queries": 4},
        "video_adapter": {**QFORMER, "queries": 6},
        "fusion": {**QFORMER, "queries": 2},
        "standardise": True,
        "decoder": "llama",
        "text": {"model_type": "llama", **words, "tie_word_embeddings": False},
        "tokenizer": train_tokenizer(['{"labels":["happy"]}'], 400, decoder="llama"),
    }


def save(folder: Path, name: str, seed: int = 2) -> Path:
    """Build a composition and save it; the decoder's answers depend on what it reads."""
    import torch

    from emollm.models.build import build, tiny_spec

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model, processor = build(tiny_spec(**changes(name)))
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "norm" not in parameter_name and parameter_name.startswith("model.language_model"):
                parameter.mul_(6)
        for part in model.model.av_encoder.standard.values():  # gathered statistics are not 0 and 1
            part.mean.normal_()
            part.deviation.uniform_(0.5, 2)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_omni(folder: Path, family: str) -> Path:
    """Save a tiny omni model, its decoder's heads 32 wide; its answers depend on what it reads."""
    import torch

    from emollm.models.omni import tiny as parts

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "TEXT", {**parts.TEXT, "num_attention_heads": 2, "num_key_value_heads": 1})
        patch.setattr(parts, "ROPE", {**parts.ROPE, "mrope_section": [4, 6, 6]})
        model, processor = parts.tiny(family)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name and name.startswith(("model.language_model", "model.layers")):
                parameter.mul_(6)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def adapter(
    base: Path, folder: Path, seed: int, rank: int = 4, beside: list[str] | None = None, **options: Any
) -> Path:
    """Save an adapter of the decoder with visible random weights, perhaps with whole blocks beside it."""
    import torch
    from peft import LoraConfig, get_peft_model

    from emollm.models.decoders import DECODERS
    from emollm.models.loading import load

    torch.manual_seed(seed)
    options = {"target_modules": DECODERS["qwen2"].lora_targets, **options}
    config = LoraConfig(r=rank, init_lora_weights=False, modules_to_save=beside, **options)
    get_peft_model(load(base)[0], config).save_pretrained(str(folder))
    return folder


@pytest.fixture
def mixed(make_clip: Callable[..., Path]) -> list[Record]:
    """Sound with picture (two lengths), sound, picture, words, and picture with words."""
    said = Media(video=MediaRef(path=str(make_clip("said.mp4", sound=False, seconds=0.3))))
    return [
        record_of(make_clip("both.mp4")),
        record_of(make_clip("short.mp4", seconds=0.4)),
        record_of(make_clip("sound.wav", seconds=0.5)),
        record_of(make_clip("picture.mp4", sound=False)),
        Record(id="spoken", text=(TextLine(text="I will not go there again, and that is that"),)),
        Record(id="said", text=(TextLine(text="Well"),), media=said),
    ]
