"""Omni backbones: pretrained multimodal LLMs used whole, one family a file.

A folder belongs to a family by `model_type` in its config.json (or, beside a LoRA adapter, by the class of its processor). Looking that up
is light; the family's file, and with it transformers' model code, is imported when it is needed.

What each family takes: Qwen2.5-Omni and Qwen3-Omni see and hear, sound and picture of a clip interleaved in time; Qwen2.5-VL sees;
Qwen2-Audio hears. All are transformers' own architectures, so what is saved here opens there, and the other way round.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

FAMILIES = {
    "qwen2_5_omni": ("qwen2_5_omni", "qwen2_5_omni_thinker", "Qwen2_5OmniProcessor"),
    "qwen3_omni": ("qwen3_omni_moe", "qwen3_omni_moe_thinker", "Qwen3OmniMoeProcessor"),
    "qwen2_5_vl": ("qwen2_5_vl", "Qwen2_5_VLProcessor"),
    "qwen2_audio": ("qwen2_audio", "Qwen2AudioProcessor"),
}
"""Family to the words by which its folders are known: `model_type` of config.json, class of the processor."""


def family_of(path: str | Path) -> str | None:
    """Return the family of a model folder or hub name; None when it is of none, such as the native model's."""
    word = _word(str(path))
    return next((family for family, words in FAMILIES.items() if word in words), None)


def model_class(family: str) -> Any:
    """Return the class of a family's model."""
    return import_module(f"{__name__}.{family}").Model


def processor_class(family: str) -> Any:
    """Return the class of a family's processor."""
    return import_module(f"{__name__}.{family}").Processor


def _word(path: str) -> str | None:
    """Read what kind of model lies in a folder, else at a hub name."""
    for file, key in (("config.json", "model_type"), ("processor_config.json", "processor_class")):
        local = Path(path) / file
        if local.is_file():
            return _value(local, key)
    if Path(path).exists() or path.count("/") != 1:
        return None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return _value(Path(hf_hub_download(path, "config.json")), "model_type")
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError):
        return None  # who opens the model tells what is wrong with its name


def _value(file: Path, key: str) -> str | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return content.get(key) if isinstance(content, dict) else None
