"""The native model inside vLLM: our own encoder beside vLLM's decoder.

`AVEncoder` is the class that training and transformers hold, with the same weights by the same names, so what the decoder is given is the
same by construction; only the decoder is vLLM's own. Rows of one step may differ in length: they are padded and masked, as in training.

Does not: split the encoder over GPUs (each holds it whole).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from vllm.config import VllmConfig
from vllm.model_executor.models.interfaces import SupportsLoRA, SupportsMultiModal, SupportsPP
from vllm.model_executor.models.module_mapping import MultiModelKeys
from vllm.model_executor.models.utils import (
    AutoWeightsLoader,
    WeightsMapper,
    init_vllm_registered_model,
    maybe_prefix,
)
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.sequence import IntermediateTensors
from vllm.tokenizers import cached_tokenizer_from_config
from vllm.utils.torch_utils import set_default_torch_dtype

from emollm.engines.decoding import never_written
from emollm.models.encoder import AVEncoder
from emollm.models.loading import cast_weights
from emollm.models.modeling import MEDIA_KEYS
from emollm.serve.inputs import MODALITIES, DummyInputs, Info, Processor

_ENCODER = "av_encoder."


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=DummyInputs)
class ServedModel(nn.Module, SupportsMultiModal, SupportsLoRA, SupportsPP):
    """Towers, adapters and fusion of ours, decoder and sampling of vLLM.

    Args:
        vllm_config: All that vLLM knows of this run.
        prefix: Where the model stands inside another one.
    """

    packed_modules_mapping = {  # noqa: RUF012
        "qkv_proj": ["q_proj", "k_proj", "v_proj"],
        "gate_up_proj": ["gate_proj", "up_proj"],
    }
    hf_to_vllm_mapper = WeightsMapper(
        orig_to_new_prefix={
            "model.av_encoder.": _ENCODER,
            "model.language_model.": "language_model.model.",
            "lm_head.": "language_model.lm_head.",
        }
    )

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__()
        model_config = vllm_config.model_config
        self.config = config = model_config.hf_config
        text = config.text_config
        self.configure_mm_token_handling(text.vocab_size, [config.av_pad_token_id])  # type: ignore[operator]
        with self._mark_language_model(vllm_config):  # type: ignore[operator]
            self.language_model = init_vllm_registered_model(
                vllm_config=vllm_config,
                hf_config=text,
                architectures=[MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[text.model_type]],
                prefix=maybe_prefix(prefix, "language_model"),
            )
        # Parameters take the model's number format; buffers (gathered statistics, positions) stay in float32, as in training.
        with set_default_torch_dtype(torch.float32):
            self.av_encoder = AVEncoder(config).eval()
        cast_weights(self.av_encoder, model_config.dtype)
        self.make_empty_intermediate_tensors = self.language_model.make_empty_intermediate_tensors
        stop_ids = (model_config.try_get_generation_config() or {}).get("eos_token_id", text.eos_token_id)
        tokenizer = cached_tokenizer_from_config(model_config)
        never = never_written(tokenizer, [stop_ids] if isinstance(stop_ids, int) else stop_ids, text.vocab_size)
        self.register_buffer("never", torch.tensor(never), persistent=False)

    @classmethod
    def get_placeholder_str(cls, modality: str, i: int) -> str | None:
        """Return the marker that stands for an item in a prompt."""
        return MODALITIES[modality][2] if modality in MODALITIES else None

    def embed_multimodal(self, **media: Any) -> list[torch.Tensor]:
        """Encode the items of one modality, in order.

        Args:
            media: Tensors by modality and name; of items that differ in length, a list of them.

        Returns:
            One `(positions, width)` an item.
        """
        made: list[torch.Tensor] = []
        for name, (audio, video, _) in MODALITIES.items():
            tensors = [_padded(media.get(f"{name}_{key}")) for key in MEDIA_KEYS]
            rows = max((len(tensor) for tensor in tensors if tensor is not None), default=0)
            if rows:
                made += self.av_encoder(*tensors, has_audio=[audio] * rows, has_video=[video] * rows).rows
        return made

    def forward(
        self,
        input_ids: torch.Tensor | None,
        positions: torch.Tensor,
        intermediate_tensors: IntermediateTensors | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: object,
    ) -> torch.Tensor | IntermediateTensors:
        """Run the decoder over tokens `(tokens,)` or their embeddings `(tokens, width)`."""
        embeds = None if intermediate_tensors is not None else inputs_embeds
        return self.language_model.model(input_ids, positions, intermediate_tensors, inputs_embeds=embeds)

    def compute_logits(self, hidden_states: torch.Tensor) -> torch.Tensor | None:
        """Return `(rows, vocabulary)`; media and chat tokens are never written, whoever asks."""
        logits = self.language_model.compute_logits(hidden_states)
        return logits if logits is None else logits.index_fill(1, self.never, float("-inf"))

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        """Load a saved native model; the encoder's weights must fit exactly."""
        encoder: dict[str, torch.Tensor] = {}

        def others() -> Iterator[tuple[str, torch.Tensor]]:
            for name, tensor in self.hf_to_vllm_mapper.apply(weights):
                if name.startswith(_ENCODER):
                    encoder[name.removeprefix(_ENCODER)] = tensor
                else:
                    yield name, tensor

        loaded = AutoWeightsLoader(self).load_weights(others())
        self.av_encoder.load_state_dict(encoder)
        return loaded | {f"{_ENCODER}{name}" for name in encoder}

    def get_mm_mapping(self) -> MultiModelKeys:
        """Say which modules are the decoder, where alone LoRA adapters may stand."""
        blocks = [f"{_ENCODER}{name}" for name in ("audio_adapter", "video_adapter", "fusion", "standard")]
        towers = [f"{_ENCODER}{name}" for name in ("audio_tower", "video_tower")]
        return MultiModelKeys.from_string_field(language_model="language_model", connector=blocks, tower_model=towers)


def _padded(tensors: torch.Tensor | list[torch.Tensor] | None) -> torch.Tensor | None:
    """Stack items that differ in their last dimension, which is time, with zeros behind the shorter ones."""
    if tensors is None or isinstance(tensors, torch.Tensor):
        return tensors
    longest = max(tensor.shape[-1] for tensor in tensors)
    return torch.stack([nn.functional.pad(tensor, (0, longest - tensor.shape[-1])) for tensor in tensors])
