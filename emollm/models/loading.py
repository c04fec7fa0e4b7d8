"""Open a saved model, and refuse one whose weights do not fit its configuration.

transformers fills missing keys with fresh values and drops unexpected ones with a warning; both give a model that
runs and is wrong. Here they are errors that list the keys. Only safetensors are read.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from emollm.errors import EmoError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn
    from transformers import PreTrainedModel

    from emollm.models.modeling import EmoForConditionalGeneration
    from emollm.models.processor import EmoProcessor

_SHOWN = 20


def check_loading_info(info: Mapping[str, Any], where: str, unused_prefixes: Sequence[str] = ()) -> None:
    """Raise when keys are missing, unexpected or of the wrong shape.

    Args:
        info: What `from_pretrained(..., output_loading_info=True)` returned.
        where: Name or path of the checkpoint, for the message.
        unused_prefixes: Beginnings of keys that the checkpoint may hold in excess.
    """
    prefixes = tuple(unused_prefixes)
    unexpected = [key for key in info["unexpected_keys"] if not prefixes or not key.startswith(prefixes)]
    mismatched = [f"{key}: {tuple(saved)} instead of {tuple(want)}" for key, saved, want in info["mismatched_keys"]]
    problems = {
        "missing": sorted(info["missing_keys"]),
        "unexpected": sorted(unexpected),
        "of the wrong shape": sorted(mismatched),
        "unreadable": [str(message) for message in info.get("error_msgs") or ()],
    }
    lines = []
    for kind, keys in problems.items():
        if keys:
            lines.append(f"{len(keys)} {kind}:")
            lines += [f"  {key}" for key in keys[:_SHOWN]]
            lines += [f"  ... and {len(keys) - _SHOWN} more"] if len(keys) > _SHOWN else []
    if lines:
        raise EmoError(
            "the weights do not fit the model\n" + "\n".join(lines),
            where=where,
            fix="use the checkpoint that belongs to this configuration; config.json and the weights come from one save",
        )


def read_with_info(cls: type[PreTrainedModel], name: str, dtype: torch.dtype) -> tuple[Any, dict[str, Any]]:
    """Read a checkpoint's safetensors and report what did not fit, instead of stopping at the first wrong shape.

    Args:
        cls: Class to read it into.
        name: Hub name or path.
        dtype: Type to hold the weights in.

    Returns:
        The model and the loading info for `check_loading_info`.
    """
    read: Any = cls.from_pretrained  # typed as returning the model alone
    return read(name, dtype=dtype, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True)


def load(
    path: str | Path, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu"
) -> tuple[EmoForConditionalGeneration, EmoProcessor]:
    """Open a model folder.

    Args:
        path: Folder with config.json, safetensors and the processor's files; or a hub name.
        dtype: Type to hold the weights in.
        device: Where to put them.

    Returns:
        The model in eval mode, and its processor.
    """
    from emollm.models import register
    from emollm.models.modeling import EmoForConditionalGeneration
    from emollm.models.omni import family_of
    from emollm.models.processor import EmoProcessor

    if family_of(path) is not None:
        from emollm.models.omni.loading import load_omni

        return load_omni(path, dtype, device)
    register()
    name = str(path)
    model, info = read_with_info(EmoForConditionalGeneration, name, dtype)
    check_loading_info(info, name)
    processor = EmoProcessor.from_pretrained(name)
    check_processor(model, processor, name)
    return model.to(device).eval(), processor


def cast_weights(module: nn.Module, dtype: torch.dtype) -> None:
    """Cast a module's parameters in place, and leave its buffers alone.

    `module.to(dtype)` casts buffers, too. The decoder's rotary frequencies are one, which transformers keeps in float32 on
    purpose: in bfloat16 they are wrong by up to 0.2 %, more than a radian after a thousand positions.

    Args:
        module: What to cast.
        dtype: Type to hold the parameters in.
    """
    for parameter in module.parameters():
        if parameter.is_floating_point():  # weights of four bits are whole numbers, and stay
            parameter.data = parameter.data.to(dtype)


def check_processor(model: EmoForConditionalGeneration, processor: EmoProcessor, where: str) -> None:
    """Raise when the processor would write other placeholders or other tensors than the model expects.

    Args:
        model: The model.
        processor: Its processor.
        where: Name or path of the checkpoint, for the message.
    """
    from emollm.models.towers import AUDIO_TOWERS

    config = model.config
    tower = AUDIO_TOWERS[config.audio_tower["name"]]
    sizes = ("audio_queries", "video_queries", "fusion_queries", "num_frames")
    wrong = [name for name in sizes if getattr(processor, name) != getattr(config, name)]
    if processor.frame_size != config.video_config.image_size:
        wrong.append("frame_size")
    if not tower.takes(config.audio_config, processor.feature_extractor, processor.audio_window_s):
        wrong.append("the window of sound")
    if len(processor.tokenizer) > config.text_config.vocab_size:
        wrong.append("vocabulary")
    if wrong:
        raise EmoError(
            f"the processor and the model disagree on {', '.join(wrong)}", where=where, fix="save both from one build"
        )


def weights_sha256(path: str | Path) -> str:
    """Hash the tensor files of a model folder, names included, in sorted order.

    Args:
        path: Folder with one or more .safetensors files.
    """
    files = sorted(Path(path).glob("*.safetensors"))
    if not files:
        raise EmoError("there are no safetensors in this folder", where=str(path), fix="name a saved model folder")
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0")
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
