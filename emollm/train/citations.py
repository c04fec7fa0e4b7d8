"""Which papers a trained model rests on: gathered from its blocks into the card."""

from __future__ import annotations

from typing import Any

from emollm.models.decoders import DECODERS
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.models.omni.base import OmniModel

LORA = """@inproceedings{hu2022lora,
  title={{LoRA}: Low-Rank Adaptation of Large Language Models},
  author={Hu, Edward J. and Shen, Yelong and Wallis, Phillip and Allen-Zhu, Zeyuan and Li, Yuanzhi and others},
  booktitle={ICLR}, year={2022}
}"""
TRL = """@misc{vonwerra2022trl,
  title={{TRL}: Transformer Reinforcement Learning},
  author={von Werra, Leandro and Belkada, Younes and Tunstall, Lewis and Beeching, Edward and Thrush, Tristan and others},
  year={2020}, howpublished={https://github.com/huggingface/trl}
}"""


def citations(model: EmoForConditionalGeneration, *, lora: bool) -> list[str]:
    """Return BibTeX entries of the towers, adapters, fusion, decoder (or of the omni backbone) and training methods, each once."""
    blocks: tuple[Any, ...] = (model,)
    if not isinstance(model, OmniModel):
        encoder = model.model.av_encoder
        blocks = (
            encoder.audio_tower,
            encoder.video_tower,
            encoder.audio_adapter,
            encoder.video_adapter.adapter,
            encoder.fusion,
            DECODERS[model.config.decoder_family],
        )
    found = [block.citation for block in blocks]
    return list(dict.fromkeys(entry for entry in [*found, *([LORA] if lora else []), TRL] if entry))
