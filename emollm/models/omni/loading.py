"""Open an omni checkpoint, and refuse one whose weights or placeholders do not fit; four bits on request.

A hub checkpoint that holds more than the model (Qwen2.5-Omni's talker, which speaks) is opened without the rest. Four-bit weights are NF4
(Dettmers et al. 2023, https://arxiv.org/abs/2305.14314) by bitsandbytes; towers, projections and head keep their format.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

from emollm.errors import ConfigError, EmoError
from emollm.models.loading import check_loading_info
from emollm.models.omni import family_of, model_class, processor_class
from emollm.models.omni.processor import Look

Weights = Literal["full", "4bit"]


def load_omni(
    path: str | Path,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    weights: Weights = "full",
    look: Any = None,
) -> tuple[Any, Any]:
    """Open a model folder or hub name.

    Args:
        path: Where it is.
        dtype: Type to hold the weights in; with four bits, that of the arithmetic.
        device: Where to put them.
        weights: `full`, or `4bit` for the decoder's linear layers.
        look: Attributes `frames`, `max_pixels`, `audio_window_s`: how clips are looked at; None takes what was saved with the model.

    Returns:
        The model in eval mode, and its processor.

    Raises:
        ConfigError: It is of no omni family, or four bits are wanted without bitsandbytes.
        EmoError: The weights do not fit the model.
    """
    name, cls = str(path), _class_of(path)
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "output_loading_info": True}
    if weights == "4bit":
        options |= {"quantization_config": four_bits(cls, dtype), "device_map": {"": device}}
    model, info = cls.from_pretrained(name, **options)
    check_loading_info(info, name, getattr(cls, "unused_prefixes", ()))
    processor = load_omni_processor(path, look)
    check_tokens(model, processor, name)
    set_generation(model, processor)
    return (model if weights == "4bit" else model.to(device)).eval(), processor


def load_omni_processor(path: str | Path, look: Any = None) -> Any:
    """Open the processor of a model folder, adapter folder or hub name; `look` as in `load_omni`."""
    family = family_of(path)
    if family is None:
        raise ConfigError("of no omni family", str(path), "give a folder or hub name of a model that emollm knows")
    processor = processor_class(family).from_pretrained(path)
    if look is not None:
        processor.look = Look(look.frames, look.max_pixels, look.audio_window_s)
    longest = getattr(processor.feature_extractor, "chunk_length", processor.audio_window_s)
    if processor.audio_window_s > longest:
        what = f"the model hears {longest:g} s at most, {processor.audio_window_s:g} s are wanted"
        raise ConfigError(what, "model.omni.audio_window_s", f"take {longest:g} or less")
    return processor


def four_bits(cls: Any, dtype: torch.dtype) -> Any:
    """Return transformers' settings for four-bit weights of a family's decoder."""
    from importlib.util import find_spec

    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise ConfigError(
            "four-bit weights need bitsandbytes", fix="pip install 'emollm[quant]', or take weights: full"
        )
    kept = [path for name, paths in cls.blocks.items() for path in paths if name != "decoder"]
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=[*kept, "lm_head"],
    )


def check_tokens(model: Any, processor: Any, where: str) -> None:
    """Raise when the processor writes other placeholders than the model looks for."""
    ids = processor.tokenizer.get_vocab()
    wrong = [
        kind
        for kind in processor.modalities
        if ids.get(getattr(processor, f"{kind}_token")) != getattr(model.config, f"{kind}_token_id")
    ]
    if len(ids) > model.config.get_text_config().vocab_size:
        wrong.append("vocabulary")
    if wrong:
        raise EmoError(
            f"the processor and the model disagree on {', '.join(wrong)}", where, "take both from one checkpoint"
        )


def set_generation(model: Any, processor: Any) -> None:
    """Let answers end at the end of a turn or text."""
    tokenizer = processor.tokenizer
    known = tokenizer.get_vocab()
    stops = [tokenizer.eos_token, *(token for token in ("<|im_end|>", "<|endoftext|>") if token in known)]
    model.generation_config.eos_token_id = [known[token] for token in dict.fromkeys(stops)]
    model.generation_config.pad_token_id = tokenizer.pad_token_id


def _class_of(path: str | Path) -> Any:
    family = family_of(path)
    if family is None:
        raise ConfigError("of no omni family", str(path), "give a folder or hub name of a model that emollm knows")
    return model_class(family)
