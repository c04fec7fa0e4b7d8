"""Configuration of the native model: three pretrained parts and the blocks that join them.

Every block is a mapping with a `name` and the options of that block, e.g. `{"name": "resampler", "queries": 8}`;
`emollm.models.choose` refuses what does not exist when the model is made. Token ids are filled in by
`emollm.models.build`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

# The tokens of a clip in the prompt: one marker, then one pad for each soft-prompt position.
AUDIO_TOKEN = "<|audio|>"  # noqa: S105
VIDEO_TOKEN = "<|video|>"  # noqa: S105
CLIP_TOKEN = "<|clip|>"  # noqa: S105
PAD_TOKEN = "<|av_pad|>"  # noqa: S105
MEDIA_TOKENS = (AUDIO_TOKEN, VIDEO_TOKEN, CLIP_TOKEN, PAD_TOKEN)


@strict
class EmoConfig(PreTrainedConfig):
    """What an `EmoForConditionalGeneration` is made of.

    Attributes:
        audio_config: Configuration of the audio tower's own model (for example HuBERT's).
        video_config: Configuration of the video tower's own model (for example CLIP's vision part).
        text_config: Configuration of the decoder.
        audio_tower: Tower name and options.
        video_tower: Tower name and options, for example `{"name": "clip", "tokens": "patches", "pool": 2}`.
        audio_adapter: Adapter name, `queries` and options.
        video_adapter: Adapter name, `queries` and options.
        fusion: Fusion name, `queries` and options.
        decoder_family: Name of the decoder in `DECODERS` (transformers keeps the field name `decoder` for itself).
        num_frames: Frames per clip; each has a learned position.
        standardise: Whether the towers' states and the soft prompt are standardised by gathered statistics.
        audio_token_id: Id of the marker of a row with sound only.
        video_token_id: Id of the marker of a row with picture only.
        clip_token_id: Id of the marker of a row with both.
        av_pad_token_id: Id of the token that each soft-prompt position holds.
        image_token_id: Read by TRL's GRPO trainer, which keeps it from being sampled; the pad token's id.
    """

    model_type = "emollm"
    sub_configs = {"audio_config": AutoConfig, "video_config": AutoConfig, "text_config": AutoConfig}  # type: ignore[dict-item]  # noqa: RUF012

    audio_config: Any = None
    video_config: Any = None
    text_config: Any = None
    audio_tower: dict = field(default_factory=lambda: {"name": "whisper"})
    video_tower: dict = field(default_factory=lambda: {"name": "clip"})
    audio_adapter: dict = field(default_factory=lambda: {"name": "resampler", "queries": 8})
    video_adapter: dict = field(default_factory=lambda: {"name": "resampler", "queries": 8})
    fusion: dict = field(default_factory=lambda: {"name": "attention", "queries": 1})
    decoder_family: str = "qwen2"
    num_frames: int = 8
    standardise: bool = False
    audio_token_id: int = 0
    video_token_id: int = 0
    clip_token_id: int = 0
    av_pad_token_id: int = 0
    image_token_id: int | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Turn the parts' mappings into configurations; a missing one is the default of its usual model."""
        for name, default in (("audio", "whisper"), ("video", "clip_vision_model"), ("text", "qwen2")):
            part = getattr(self, f"{name}_config")
            if part is None or isinstance(part, dict):
                part = dict(part or {})
                setattr(self, f"{name}_config", CONFIG_MAPPING[part.pop("model_type", default)](**part))
        self.tie_word_embeddings = bool(self.text_config.tie_word_embeddings)
        if self.image_token_id is None:
            self.image_token_id = self.av_pad_token_id
        super().__post_init__(**kwargs)
        # TRL's create_model_from_path reads `auto_map` unguarded, and None in its place breaks AutoModel.
        self.auto_map = kwargs.get("auto_map") or {}

    @property
    def audio_queries(self) -> int:
        """Soft-prompt positions of the audio block."""
        return int(self.audio_adapter["queries"])

    @property
    def video_queries(self) -> int:
        """Soft-prompt positions of the video block."""
        return int(self.video_adapter["queries"])

    @property
    def fusion_queries(self) -> int:
        """Soft-prompt positions of the fusion block; 0 without fusion."""
        return int(self.fusion.get("queries", 0))

    def pads_for(self, audio: bool, video: bool) -> int:
        """Number of pad tokens behind the marker of a row with these modalities."""
        return self.audio_queries * audio + self.video_queries * video + self.fusion_queries * (audio and video)
