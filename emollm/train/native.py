"""The native family on the training side: a recipe's `model` section becomes a model and a processor.

Pretrained parts come by name or path. A part given by its sizes starts at random, and a decoder of that kind gets a byte-level BPE
tokenizer that is trained on the texts of the training records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from emollm.config_model import Parts, Saved, Tower
from emollm.models.build import Spec, build
from emollm.models.choose import choose
from emollm.models.decoders import DECODERS
from emollm.models.loading import cast_weights, load
from emollm.models.modeling import MEDIA_KEYS, EmoForConditionalGeneration, modules_to_save
from emollm.models.processor import EmoProcessor
from emollm.models.tokens import train_tokenizer
from emollm.models.towers import AUDIO_TOWERS, VIDEO_TOWERS


class NativeBackbone:
    """Implements `emollm.train.backbone.Backbone` for towers, adapters, fusion and decoder.

    Args:
        model: The recipe's `model` section.
        texts: Gives what a new tokenizer learns from; not called with a pretrained decoder.
    """

    media_keys = MEDIA_KEYS

    def __init__(self, model: Parts | Saved, texts: Callable[[], Sequence[str]] = tuple) -> None:
        self.model, self.texts = model, texts

    @cached_property
    def _built(self) -> tuple[EmoForConditionalGeneration, EmoProcessor]:
        if isinstance(self.model, Saved):
            return load(self.model.place)
        return build(spec_of(self.model, self.texts))

    def build_model(self, dtype: str = "float32") -> EmoForConditionalGeneration:
        """Return the model in `dtype`."""
        model = self._built[0]
        cast_weights(model, torch.float32 if dtype == "float32" else torch.bfloat16)
        return model

    def build_processor(self) -> EmoProcessor:
        """Return the processor that turns messages and media into the model's inputs."""
        return self._built[1]

    def split_rows(self, inputs: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the media tensors of a batch row by row: they are aligned with rows, so this is a slice."""
        media = {key: inputs[key] for key in self.media_keys if inputs.get(key) is not None}
        return [{key: value[row : row + 1] for key, value in media.items()} for row in range(len(inputs["input_ids"]))]

    def lora_targets(self) -> str:
        """Return the regular expression of the decoder modules that LoRA may change: names such as q_proj occur in towers, too."""
        return DECODERS[self._built[0].config.decoder_family].lora_targets

    def adapter_modules(self, modes: Mapping[str, str]) -> list[str]:
        """Return the blocks that train in full beside LoRA, which PEFT must save whole: else they are trained and lost."""
        return modules_to_save(modes)


def spec_of(
    model: Parts, texts: Callable[[], Sequence[str]] = tuple, tokenizer: PreTrainedTokenizerBase | None = None
) -> Spec:
    """Return what `emollm.models.build` builds for a recipe's `model` section.

    Args:
        model: The section.
        texts: Gives what a new tokenizer learns from.
        tokenizer: The tokenizer of an earlier build of the same section, in place of learning it again.

    Raises:
        ConfigError: There is no such tower, or its sizes contradict the window of sound.
    """
    adapter, fusion, text = model.adapter, model.fusion, model.text
    hear = choose("audio tower", AUDIO_TOWERS, model.audio.name)
    look = choose("video tower", VIDEO_TOWERS, model.video.name)
    options = adapter.model_dump(include={"name", "width", "layers", "heads"})
    if adapter.name == "linear":
        options = {"name": adapter.name}
    decoder: str | dict[str, Any] = text.path or dict(text.config or {})
    if text.tokenizer is not None and isinstance(decoder, dict):
        tokenizer = tokenizer or train_tokenizer(texts(), text.tokenizer.vocab_size, text.name)
        decoder["vocab_size"] = len(tokenizer)
    return Spec(
        audio=model.audio.path or hear.random_config(model.audio.config or {}, model.audio_window_s),
        video=model.video.path or {"model_type": look.model_type, **(model.video.config or {})},
        text=decoder,
        tokenizer=tokenizer if text.tokenizer is not None else None,
        audio_tower={"name": model.audio.name, **_options(model.audio)},
        video_tower={"name": model.video.name, **_options(model.video)},
        audio_adapter={**options, "queries": adapter.audio_queries},
        video_adapter={**options, "queries": adapter.video_queries},
        fusion={"name": "none"}
        if fusion.name == "none"
        else {"width": adapter.width, **fusion.model_dump(exclude_none=True)},
        decoder=text.name,
        num_frames=model.frames,
        standardise=adapter.standardise,
        audio_window_s=model.audio_window_s,
    )


def _options(tower: Tower) -> dict[str, Any]:
    """Return the options that a recipe sets on a tower; one that the tower does not have is refused when it is made."""
    options: dict[str, Any] = tower.model_dump(exclude={"name", "path", "config"}, exclude_defaults=True)
    return options
