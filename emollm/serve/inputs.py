"""How vLLM turns a request's media into the native model's inputs.

A request holds `audio`, `video` or `clip`; a clip is sound and picture of one recording in one item, so that vLLM's caches, which know
items alone, hold what the encoder made of both together. A request that comes with sound and picture apart, as chat messages do, is
joined here, and its prompt then reads as in training: `<|clip|>` and a line's end in the place of `<|audio|>`, a line's end, `<|video|>`,
and a line's end. Tensors are made by the processor that training uses; each item is a row of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature
from vllm.exceptions import VLLMValidationError
from vllm.multimodal.inputs import MultiModalFieldConfig
from vllm.multimodal.parse import MultiModalDataItems, MultiModalDataParser, ProcessorBatchItems
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder,
    BaseMultiModalProcessor,
    BaseProcessingInfo,
    PromptInsertion,
)

from emollm.models.configuration import AUDIO_TOKEN, CLIP_TOKEN, VIDEO_TOKEN, EmoConfig
from emollm.models.modeling import MEDIA_KEYS
from emollm.models.processor import EmoProcessor

# Modality -> whether it has sound and picture, and its marker in the prompt.
MODALITIES: dict[str, tuple[bool, bool, str]] = {
    "audio": (True, False, AUDIO_TOKEN),
    "video": (False, True, VIDEO_TOKEN),
    "clip": (True, True, CLIP_TOKEN),
}


class Clips(ProcessorBatchItems[dict[str, Any]]):
    """Items `{"audio": waveform, "video": frames}`."""

    def __init__(self, data: Sequence[dict[str, Any]]) -> None:
        super().__init__(data, "clip")


class Parser(MultiModalDataParser):
    """Reads what a request gives; knows clips besides vLLM's own modalities."""

    def _parse_clip_data(self, data: dict[str, Any] | Sequence[dict[str, Any]]) -> Clips:
        clips = [data] if isinstance(data, dict) else data
        audio = self._parse_audio_data([clip["audio"] for clip in clips])
        video = self._parse_video_data([clip["video"] for clip in clips])
        return _joined(audio, video)

    def _get_subparsers(self) -> Mapping[str, Any]:
        return {**super()._get_subparsers(), "clip": self._parse_clip_data}


class Info(BaseProcessingInfo):
    """What vLLM asks about the model before it has a request."""

    def get_hf_config(self) -> EmoConfig:
        """Return the model's configuration."""
        return self.ctx.get_hf_config(EmoConfig)

    def get_hf_processor(self, **kwargs: object) -> EmoProcessor:
        """Return the model's processor."""
        return self.ctx.get_hf_processor(EmoProcessor, **kwargs)

    def get_data_parser(self) -> Parser:
        """Return a parser that resamples sound to the model's rate, one channel."""
        rate = self.get_hf_processor().feature_extractor.sampling_rate
        return Parser(target_sr=rate, target_channels=1, expected_hidden_size=self._get_expected_hidden_size())

    def get_supported_mm_limits(self) -> Mapping[str, int]:
        """One item a request: the model reads one recording."""
        return dict.fromkeys(MODALITIES, 1)

    def get_mm_max_tokens_per_item(self, seq_len: int, mm_counts: Mapping[str, int]) -> Mapping[str, int]:
        """Return the soft-prompt positions of each modality, which are always as many."""
        return {name: self.pads(name) for name in mm_counts}

    def pads(self, modality: str) -> int:
        """Return the soft-prompt positions of an item."""
        audio, video, _ = MODALITIES[modality]
        return self.get_hf_config().pads_for(audio, video)


class DummyInputs(BaseDummyInputsBuilder[Info]):
    """The largest inputs that there are, by which vLLM measures memory."""

    def get_dummy_text(self, mm_counts: Mapping[str, int]) -> str:
        """Return the markers."""
        return "".join(marker * mm_counts.get(name, 0) for name, (_, _, marker) in MODALITIES.items())

    def get_dummy_mm_data(
        self, seq_len: int, mm_counts: Mapping[str, int], mm_options: Mapping[str, Any]
    ) -> dict[str, list[Any]]:
        """Return silence and white pictures that fill the model's windows."""
        processor = self.info.get_hf_processor()
        samples = round(processor.audio_window_s * processor.feature_extractor.sampling_rate)
        audio = np.zeros(samples, dtype=np.float32)
        video = np.full((processor.num_frames, processor.frame_size, processor.frame_size, 3), 255, dtype=np.uint8)
        items = {"audio": audio, "video": video, "clip": {"audio": audio, "video": video}}
        return {name: [item] * mm_counts.get(name, 0) for name, item in items.items()}


class Processor(BaseMultiModalProcessor[Info]):
    """Media -> tensors, and where in the prompt their soft prompt stands."""

    def apply(self, inputs: Any, timing_ctx: Any) -> Any:
        """Process one request; sound and picture that come apart are joined first.

        Raises:
            VLLMValidationError: The request names media that it does not give anew, and these came apart.
        """
        media = inputs.mm_data_items
        options = {name: value for name, value in inputs.hf_processor_mm_kwargs.items() if name != "use_audio_in_video"}
        inputs.hf_processor_mm_kwargs = options  # vLLM has split the file already; the processor knows no such option
        if media.get_count("audio", strict=False) and media.get_count("video", strict=False):
            inputs.mm_data_items = MultiModalDataItems({"clip": _joined(media["audio"], media["video"])})
            known = inputs.mm_uuid_items or {}
            names = [(known.get(modality) or [None])[0] for modality in ("audio", "video")]
            inputs.mm_uuid_items = {"clip": ["|".join(names)]} if all(names) else None
            inputs.prompt = self._joined_prompt(inputs.prompt)
        return super().apply(inputs, timing_ctx)

    def _joined_prompt(self, ids: list[int]) -> list[int]:
        """Write one clip's marker for those of its sound and picture, whichever comes first, on one line."""
        config, newline = self.info.get_hf_config(), self.info.get_tokenizer().encode("\n", add_special_tokens=False)
        apart = (config.audio_token_id, config.video_token_id)
        places = [place for place, token in enumerate(ids) if token in apart]
        if len(places) != 2 or config.clip_token_id in ids:
            return ids
        first, second = places
        end = first + 1 + len(newline) if ids[first + 1 : first + 1 + len(newline)] == newline else first + 1
        return [*ids[:first], *ids[end:second], config.clip_token_id, *ids[second + 1 :]]

    def _call_hf_processor(self, hf_data: Mapping[str, object], hf_kwargs: Mapping[str, object]) -> BatchFeature:
        """Make the tensors; they come out in the model's number format."""
        return self.info.ctx.call_hf_processor(partial(make_tensors, self.info.get_hf_processor()), hf_data, hf_kwargs)

    def _get_mm_fields_config(
        self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]
    ) -> Mapping[str, MultiModalFieldConfig]:
        """Say which tensor belongs to which modality: one row an item."""
        return {f"{name}_{key}": MultiModalFieldConfig.batched(name) for name in MODALITIES for key in MEDIA_KEYS}

    def _get_prompt_updates(
        self, mm_items: MultiModalDataItems, hf_processor_mm_kwargs: Mapping[str, object], out_mm_kwargs: Any
    ) -> list[PromptInsertion]:
        """Write the pads behind each marker."""
        tokens, pad = self.info.get_tokenizer(), self.info.get_hf_config().av_pad_token_id
        return [
            PromptInsertion(name, [tokens.convert_tokens_to_ids(marker)], [pad] * self.info.pads(name))
            for name, (_, _, marker) in MODALITIES.items()
        ]


def make_tensors(
    processor: EmoProcessor,
    audio: Sequence[Any] = (),
    videos: Sequence[Any] = (),
    clips: Sequence[dict[str, Any]] = (),
    return_tensors: str = "pt",
) -> BatchFeature:
    """Make the tensors of each modality's items; names begin with the modality, since vLLM tells modalities by names.

    Args:
        processor: The model's processor.
        audio: Waveforms `(samples,)` of items of sound alone.
        videos: Frames `(frames, height, width, 3)`, uint8, of items of picture alone.
        clips: Items of both.
        return_tensors: Only "pt".
    """
    sounds = {"audio": audio, "clip": [clip["audio"] for clip in clips]}
    pictures = {"video": videos, "clip": [clip["video"] for clip in clips]}
    tensors: dict[str, torch.Tensor] = {}
    for name in MODALITIES:
        waves = [np.asarray(wave, dtype=np.float32) for wave in sounds.get(name, ())]
        frames = [np.asarray(frames) for frames in pictures.get(name, ())]
        if waves or frames:
            made = processor(audio=waves or None, videos=frames or None, return_tensors=return_tensors)
            tensors |= {f"{name}_{key}": value for key, value in made.items()}
    return BatchFeature(tensors)


def _joined(audio: Any, video: Any) -> Clips:
    """Pair sound and picture of the same recording.

    Raises:
        VLLMValidationError: There is not one picture for each sound, or one of them is only named.
    """
    if len(audio) != len(video):
        raise VLLMValidationError(f"{len(audio)} sounds and {len(video)} pictures: a clip has one of each")
    pairs = [{"audio": audio[i], "video": video[i]} for i in range(len(audio))]
    if any(part is None for pair in pairs for part in pair.values()):
        raise VLLMValidationError("sound and picture of a clip are sent with every request, not named by uuid alone")
    return Clips(pairs)
