"""The native model as a plugin of vLLM: installed with emollm, found by vLLM itself through the entry point `vllm.general_plugins`.

    python -m vllm.entrypoints.openai.api_server --model runs/tiny-sft/checkpoints/final --chat-template-content-format openai

vLLM calls `register` in each of its processes, before it reads a model's configuration. Nothing is imported that would start a GPU:
the model's class is named, and imported where it is needed.
"""

from __future__ import annotations

ARCHITECTURE = "EmoForConditionalGeneration"


def register() -> None:
    """Make the native model known to vLLM and to transformers' Auto classes; may be called any number of times."""
    from vllm import ModelRegistry

    from emollm.models import register as register_classes

    register_classes()
    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(ARCHITECTURE, "emollm.serve.model:ServedModel")
