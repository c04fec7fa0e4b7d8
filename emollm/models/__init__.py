"""The native model: audio and video towers -> adapters -> fusion -> soft prompt -> decoder, and its processor.

Names are imported on first use, so `import emollm.models` stays light. `register()` makes the classes known to the
Auto classes of transformers; it may be called any number of times. Models are composed by `emollm.models.build.build`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emollm.models.configuration import EmoConfig
    from emollm.models.encoder import AVEncoder
    from emollm.models.loading import load, weights_sha256
    from emollm.models.modeling import EmoForConditionalGeneration, EmoModel
    from emollm.models.processor import EmoProcessor

_HOMES = {
    "AVEncoder": "encoder",
    "EmoConfig": "configuration",
    "EmoForConditionalGeneration": "modeling",
    "EmoModel": "modeling",
    "EmoProcessor": "processor",
    "load": "loading",
    "weights_sha256": "loading",
}

__all__ = [
    "AVEncoder",
    "EmoConfig",
    "EmoForConditionalGeneration",
    "EmoModel",
    "EmoProcessor",
    "load",
    "register",
    "weights_sha256",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def register() -> None:
    """Make `emollm` known to AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMultimodalLM and AutoProcessor.

    TRL opens models given by name through AutoModelForCausalLM, and vLLM opens configurations through AutoConfig.
    """
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoModelForMultimodalLM,
        AutoProcessor,
    )

    from emollm.models.configuration import EmoConfig
    from emollm.models.modeling import EmoForConditionalGeneration, EmoModel
    from emollm.models.processor import EmoProcessor

    AutoConfig.register(EmoConfig.model_type, EmoConfig, exist_ok=True)
    AutoModel.register(EmoConfig, EmoModel, exist_ok=True)
    for auto in (AutoModelForCausalLM, AutoModelForImageTextToText, AutoModelForMultimodalLM):
        auto.register(EmoConfig, EmoForConditionalGeneration, exist_ok=True)
    AutoProcessor.register(EmoConfig, EmoProcessor, exist_ok=True)
