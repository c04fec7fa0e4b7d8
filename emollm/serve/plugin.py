"""Our models as a plugin of vLLM: installed with emollm, found by vLLM itself through the entry point `vllm.general_plugins`.

    python -m vllm.entrypoints.openai.api_server --model runs/tiny-sft/checkpoints/final --chat-template-content-format openai

vLLM calls `register` in each of its processes, before it reads a model's configuration. Nothing is imported that would start a GPU:
the models' classes are named, and imported where they are needed.
"""

from __future__ import annotations

CLASSES = {
    "EmoForConditionalGeneration": "emollm.serve.model:ServedModel",
    "EmoQwen2_5_VL": "emollm.serve.omni:ServedVL",
    "EmoQwen2_5Omni": "emollm.serve.omni:ServedThinker",
}
"""`architectures` of config.json to our class; those of omni models are asked for by name (engines/vllm_omni.py)."""


def register() -> None:
    """Make our models known to vLLM and to transformers' Auto classes; may be called any number of times."""
    from vllm import ModelRegistry

    from emollm.models import register as register_classes

    register_classes()
    for architecture in CLASSES.keys() - ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(architecture, CLASSES[architecture])
