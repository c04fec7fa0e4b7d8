"""A recipe's model without its weights: all shapes, no memory. For `emollm validate`.

The model is built on torch's meta device from configurations alone, so a model of many gigabytes takes seconds. What it tells: that the
parts fit together, how many parameters each block has and trains, and how much memory a training step needs.

Memory is counted, not guessed, as far as shapes go: the forward pass of each block runs on the meta device, and the tensors that autograd
saves are added up (checkpointing included). It lands within a third of what a CPU run keeps; kernels, fragmentation and the
framework itself come on top. https://docs.pytorch.org/docs/stable/notes/autograd.html#saved-tensors
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

from emollm.config import Stage
from emollm.config_model import Parts, Saved
from emollm.errors import ConfigError
from emollm.models.build import build
from emollm.models.choose import choose
from emollm.models.configuration import EmoConfig
from emollm.models.decoders import DECODERS
from emollm.models.modeling import EmoForConditionalGeneration, parameters_by_block
from emollm.models.omni import family_of, model_class
from emollm.models.omni.base import OmniModel
from emollm.models.omni.loading import load_omni_processor
from emollm.models.processor import EmoProcessor
from emollm.models.towers import AUDIO_TOWERS, VIDEO_TOWERS
from emollm.train.native import spec_of

FLOAT32, BFLOAT16 = 4, 2  # bytes of a number
FOUR_BITS = 4.127 / 8  # with the scales of NF4, quantised themselves (Dettmers et al. 2023, section 3)


class NotReachedError(Exception):
    """A hub name that cannot be looked up from here: neither right nor wrong."""


@dataclass(frozen=True)
class StageMemory:
    """What a stage needs on each device, in bytes.

    Attributes:
        weights: All blocks; trained ones in float32.
        gradients: Of what is trained, float32.
        optimizer: Two moments of AdamW, float32.
        activations: What autograd keeps of one batch.
        logits: Scores over the vocabulary for every position, and their gradient.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """Sum of the parts."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def part_names(model: Parts | Saved) -> dict[str, str]:
    """Return the hub names and paths that a model needs, by their key in the recipe."""
    if isinstance(model, Saved):
        return {"model.path": model.path}
    parts = {
        "model.audio.path": model.audio.path,
        "model.video.path": model.video.path,
        "model.text.path": model.text.path,
    }
    return {key: path for key, path in parts.items() if path is not None}


def reach(name: str, where: str) -> None:
    """Make sure that a hub name or folder is there.

    Raises:
        ConfigError: It is not, or the hub refuses it.
        NotReachedError: The hub doesn't answer.
    """
    if Path(name).is_dir():
        if not (Path(name) / "config.json").is_file():
            raise ConfigError("the folder holds no config.json", f"{where}: {name}", "give the folder of a saved model")
        return
    try:
        if isinstance(try_to_load_from_cache(name, "config.json"), str):
            return
        HfApi().model_info(name, timeout=5)
    except GatedRepoError:
        raise ConfigError(
            "the hub asks for permission", f"{where}: {name}", "accept its terms, then: hf auth login"
        ) from None
    except (HFValidationError, RepositoryNotFoundError):
        raise ConfigError("neither a folder nor a name on the hub", f"{where}: {name}", "check the spelling") from None
    except Exception as error:  # the ways in which a network fails have no common class
        raise NotReachedError(f"{name} ({where}): {error}") from None


def outline(
    model: Parts | Saved, texts: Callable[[], Sequence[str]]
) -> tuple[EmoForConditionalGeneration, EmoProcessor]:
    """Build a model without weights, and its real processor.

    Args:
        model: The recipe's `model` section; every name in it must be in reach.
        texts: What a new tokenizer learns from.

    Raises:
        ConfigError: The parts do not fit together.
    """
    if isinstance(model, Saved):
        family = family_of(model.place)
        if family is not None:
            sizes = model_class(family).config_class.from_pretrained(model.place)
            with torch.device("meta"):
                return model_class(family)(sizes), load_omni_processor(model.place, model.omni)
        processor = EmoProcessor.from_pretrained(model.place)
        with torch.device("meta"):
            return EmoForConditionalGeneration(EmoConfig.from_pretrained(model.place)), processor
    spec = spec_of(model, texts)
    readers: dict[str, Any] = {
        "audio": choose("audio tower", AUDIO_TOWERS, model.audio.name),
        "video": choose("video tower", VIDEO_TOWERS, model.video.name),
        "text": choose("decoder", DECODERS, spec.decoder),
    }
    named = {"audio": spec.audio, "video": spec.video, "text": spec.text}
    sizes = {key: readers[key].read_config(name).to_dict() for key, name in named.items() if isinstance(name, str)}
    tokenizer = spec.text if isinstance(spec.text, str) else spec.tokenizer
    with torch.device("meta"):
        return build(replace(spec, **sizes, tokenizer=tokenizer))


def trained_by_block(model: EmoForConditionalGeneration, stage: Stage) -> dict[str, tuple[int, int]]:
    """Return (all, trained) parameters of each block in a stage; LoRA counts as trained parameters of the decoder."""
    model.set_trainable(stage.blocks.model_dump())
    counts = parameters_by_block(model)
    counts["decoder"] = (counts["decoder"][0], counts["decoder"][1] + lora_parameters(model, stage))
    return counts


def lora_parameters(model: EmoForConditionalGeneration, stage: Stage) -> int:
    """Return the parameters that LoRA adds: rank * (in + out) for each linear layer that it changes."""
    if stage.lora is None:
        return 0
    targets = model.lora_targets if isinstance(model, OmniModel) else DECODERS[model.config.decoder_family].lora_targets
    layers = (module for name, module in model.named_modules() if re.fullmatch(targets, name))
    return sum(stage.lora.rank * sum(layer.weight.shape) for layer in layers)  # weight: (out, in)


def memory_of(
    model: EmoForConditionalGeneration,
    stage: Stage,
    length: int,
    bfloat16: bool,
    window_s: float,
    four_bits: bool = False,
) -> StageMemory:
    """Return the memory of a stage whose longest example has `length` tokens, every row with picture and `window_s` of sound.

    Of an omni backbone the decoder's activations are counted, those of its towers are not: frozen, they keep none. `four_bits`: the
    decoder's linear layers are held so.
    """
    counts = trained_by_block(model, stage)
    modes = stage.blocks.model_dump()
    held = BFLOAT16 if bfloat16 else FLOAT32
    lora = lora_parameters(model, stage)
    weights = lora * FLOAT32
    for name, (total, _) in counts.items():
        copies = 2 if lora and modes[name] == "full" else 1  # PEFT keeps the block it started from
        weights += total * (FLOAT32 if modes[name] == "full" else held) * copies
    if four_bits:
        weights -= round(four_bit_weights(model) * (held - FOUR_BITS))
    trained = sum(count for _, count in counts.values())
    return StageMemory(
        weights=weights,
        gradients=trained * FLOAT32,
        optimizer=2 * trained * FLOAT32,
        activations=_activations(model, stage, length, window_s) * held // FLOAT32,
        logits=2 * stage.batch_size * length * model.config.text_config.vocab_size * FLOAT32,
    )


def four_bit_weights(model: EmoForConditionalGeneration) -> int:
    """Return how many weights of an omni backbone four-bit loading would shrink: those of the decoder's linear layers, not its head."""
    decoder = model.block("decoder")[0]
    return sum(layer.weight.numel() for layer in decoder.modules() if isinstance(layer, torch.nn.Linear))


def _activations(model: EmoForConditionalGeneration, stage: Stage, length: int, window_s: float) -> int:
    """Count the bytes that autograd saves in the forward pass of one batch in float32."""
    config, batch = model.config, stage.batch_size
    if stage.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    else:
        model.gradient_checkpointing_disable()
    model.train()
    meta: dict[str, Any] = {"device": "meta"}
    embeds = torch.zeros(
        batch, length, config.text_config.hidden_size, requires_grad=True, **meta
    )  # (batch, length, width)
    kinds = getattr(config.text_config, "layer_types", None)  # Llama has one kind, and takes no mapping
    causal = dict.fromkeys(kinds) if kinds else None  # no mask tensor: each kind of layer masks by its own flag
    options: dict[str, Any] = {"inputs_embeds": embeds, "attention_mask": causal, "use_cache": False}
    if isinstance(model, OmniModel):
        decoder = model.block("decoder")[0]
        if hasattr(config.text_config, "num_experts"):
            return 0  # which expert a token takes follows from values, and there are none here
        return _saved_bytes(model, lambda: decoder(**options))
    size = config.video_config.image_size
    sound = AUDIO_TOWERS[config.audio_tower["name"]].input_shape(config.audio_config, window_s)
    media = (
        torch.zeros(batch, *sound, **meta),
        torch.ones(batch, sound[-1], dtype=torch.long, **meta),
        torch.zeros(batch, config.num_frames, 3, size, size, **meta),
        torch.ones(batch, config.num_frames, dtype=torch.long, **meta),
    )
    here = [True] * batch
    return _saved_bytes(model, lambda: model.model.av_encoder(*media, here, here)) + _saved_bytes(
        model, lambda: model.model.language_model(**options)
    )


def _saved_bytes(model: torch.nn.Module, forward: Callable[[], Any]) -> int:
    """Return the bytes of the tensors, weights left out, that autograd keeps for the backward pass of `forward`."""
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _result = forward()  # held until the sum is made, so that no storage is given away twice
    return sum(tensor.untyped_storage().nbytes() for key, tensor in kept.items() if key not in weights)
