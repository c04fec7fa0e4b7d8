"""Compose a model and its processor from pretrained parts (hub names or paths) or from inline configurations.

    model, processor = build(Spec(audio="openai/whisper-large-v3", video="openai/clip-vit-large-patch14",
                                  text="Qwen/Qwen2.5-7B-Instruct"))

The media tokens are added to the tokenizer; their embeddings start as the mean of the others, and the vocabulary is
padded, never shrunk. The blocks between the parts start fresh: use `torch.manual_seed` before for equal runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.initialization import no_init_weights
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from emollm.errors import ConfigError
from emollm.models.choose import choose
from emollm.models.configuration import AUDIO_TOKEN, CLIP_TOKEN, MEDIA_TOKENS, PAD_TOKEN, VIDEO_TOKEN, EmoConfig
from emollm.models.decoders import DECODERS
from emollm.models.loading import check_loading_info, check_processor
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.models.processor import EmoProcessor
from emollm.models.tokens import add_media_tokens, train_tokenizer
from emollm.models.towers import AUDIO_TOWERS, VIDEO_TOWERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedConfig

    from emollm.models.towers import Tower

Part = str | Mapping[str, Any]


@dataclass(frozen=True)
class Spec:
    """What to build.

    Attributes:
        audio: Hub name or path of the audio tower's checkpoint, or an inline configuration with `model_type`.
        video: The same for the video tower.
        text: The same for the decoder.
        tokenizer: Tokenizer, or its hub name or path; None takes the decoder's.
        audio_tower: Tower name and options.
        video_tower: Tower name and options.
        audio_adapter: Adapter name, `queries` and options.
        video_adapter: Adapter name, `queries` and options.
        fusion: Fusion name, `queries` and options.
        decoder: Decoder name.
        num_frames: Frames per clip.
        standardise: Whether the towers' states are standardised; for towers that start at random.
        audio_window_s: Longest sound in seconds; None takes Whisper's own window (other audio towers have none).
        dtype: Type of the weights.
    """

    audio: Part
    video: Part
    text: Part
    tokenizer: str | PreTrainedTokenizerBase | None = None
    audio_tower: Mapping[str, Any] = field(default_factory=lambda: {"name": "whisper"})
    video_tower: Mapping[str, Any] = field(default_factory=lambda: {"name": "clip"})
    audio_adapter: Mapping[str, Any] = field(default_factory=lambda: {"name": "resampler", "queries": 32})
    video_adapter: Mapping[str, Any] = field(default_factory=lambda: {"name": "resampler", "queries": 32})
    fusion: Mapping[str, Any] = field(default_factory=lambda: {"name": "attention", "queries": 1})
    decoder: str = "qwen2"
    num_frames: int = 8
    standardise: bool = False
    audio_window_s: float | None = None
    dtype: torch.dtype = torch.float32


def build(spec: Spec) -> tuple[EmoForConditionalGeneration, EmoProcessor]:
    """Make a model and its processor.

    Args:
        spec: The parts and the blocks that join them.
    """
    tokenizer = _tokenizer(spec)
    original_size = len(tokenizer)
    new_ids = add_media_tokens(tokenizer)
    config = _config(spec, tokenizer)
    with no_init_weights():
        model = EmoForConditionalGeneration._from_config(config, dtype=spec.dtype)
    _read_parts(model, spec)
    model.init_weights()  # what was not read from a checkpoint
    _fit_vocabulary(model, len(tokenizer), new_ids, original_size)
    _set_generation(model, tokenizer, spec.decoder)
    processor = _processor(spec, model.config, tokenizer)
    check_processor(model, processor, "build")
    return model.eval(), processor


def _tokenizer(spec: Spec) -> PreTrainedTokenizerBase:
    """Open the tokenizer and check that it knows the decoder's control tokens."""
    tokenizer = spec.tokenizer
    if tokenizer is None:
        if not isinstance(spec.text, str):
            raise ConfigError("an inline decoder has no tokenizer", where="tokenizer", fix="name or pass one")
        tokenizer = spec.text
    if isinstance(tokenizer, str):
        tokenizer = AutoTokenizer.from_pretrained(tokenizer)
    family = choose("decoder", DECODERS, spec.decoder)
    missing = [token for token in family.control_tokens if token not in tokenizer.get_vocab()]
    if missing:
        raise ConfigError(
            f"the tokenizer lacks {', '.join(missing)}, which decoder {spec.decoder!r} needs",
            where="tokenizer",
            fix="use the decoder's own tokenizer",
        )
    if tokenizer.pad_token is None:  # Llama's names none
        tokenizer.pad_token = family.stop_tokens[1]
    return tokenizer


def _config(spec: Spec, tokenizer: PreTrainedTokenizerBase) -> EmoConfig:
    """Read the three parts' configurations and join them."""
    audio_tower = choose("audio tower", AUDIO_TOWERS, spec.audio_tower["name"])
    video_tower = choose("video tower", VIDEO_TOWERS, spec.video_tower["name"])
    decoder = choose("decoder", DECODERS, spec.decoder)
    ids = tokenizer.get_vocab()
    return EmoConfig(
        audio_config=_tower_config("audio", spec.audio, audio_tower, spec.audio_tower["name"]),
        video_config=_tower_config("video", spec.video, video_tower, spec.video_tower["name"]),
        text_config=_read_config("text", spec.text, decoder.read_config),
        audio_tower=dict(spec.audio_tower),
        video_tower=dict(spec.video_tower),
        audio_adapter=dict(spec.audio_adapter),
        video_adapter=dict(spec.video_adapter),
        fusion=dict(spec.fusion),
        decoder_family=spec.decoder,
        num_frames=spec.num_frames,
        standardise=spec.standardise,
        audio_token_id=ids[AUDIO_TOKEN],
        video_token_id=ids[VIDEO_TOKEN],
        clip_token_id=ids[CLIP_TOKEN],
        av_pad_token_id=ids[PAD_TOKEN],
        dtype=spec.dtype,
    )


def _tower_config(where: str, part: Part, tower: type[Tower], name: str) -> PreTrainedConfig:
    """Read the configuration of a tower's backbone, and refuse one of another kind."""
    config = _read_config(where, part, tower.read_config)
    if config.model_type != tower.model_type:
        raise ConfigError(
            f"tower {name!r} with model_type={config.model_type!r}",
            where=where,
            fix=f"use model_type {tower.model_type}, or another tower",
        )
    return config


def _read_config(name: str, part: Part, read: Callable[[str], PreTrainedConfig]) -> PreTrainedConfig:
    """Read the configuration of a checkpoint, or make it from a mapping with `model_type`."""
    if isinstance(part, str):
        return read(part)
    options = dict(part)
    if options.get("model_type") not in CONFIG_MAPPING:
        raise ConfigError(
            f"inline configuration with model_type={options.get('model_type')!r}",
            where=name,
            fix="give a transformers model_type such as whisper, clip_vision_model or qwen2",
        )
    return CONFIG_MAPPING[options.pop("model_type")](**options)


def _read_parts(model: EmoForConditionalGeneration, spec: Spec) -> None:
    """Put pretrained parts in their places; refuse checkpoints whose keys do not fit."""
    config, encoder = model.config, model.model.av_encoder
    if isinstance(spec.audio, str):
        config.audio_config = _read_tower(encoder.audio_tower, spec.audio, spec.dtype)
    if isinstance(spec.video, str):
        config.video_config = _read_tower(encoder.video_tower, spec.video, spec.dtype)
    if isinstance(spec.text, str):
        causal, info = DECODERS[spec.decoder].read_causal_lm(spec.text, spec.dtype)
        check_loading_info(info, spec.text)
        model.model.language_model = causal.get_decoder()
        model.lm_head = causal.get_output_embeddings()
        model.generation_config = causal.generation_config
        config.text_config = causal.config


def _read_tower(tower: Tower, name: str, dtype: torch.dtype) -> PreTrainedConfig:
    """Put a pretrained backbone into a tower; return the backbone's configuration."""
    backbone, info = tower.read_backbone(name, dtype)
    check_loading_info(info, name, tower.unused_prefixes)
    tower.backbone = backbone
    return backbone.config


@torch.no_grad()
def _fit_vocabulary(model: EmoForConditionalGeneration, size: int, new_ids: list[int], original_size: int) -> None:
    """Grow the embeddings to `size` where they are smaller, and start new tokens at the mean of the original ones."""
    if size > model.config.text_config.vocab_size:
        model.resize_token_embeddings(size, mean_resizing=False)
    if not new_ids:
        return
    for table in (model.get_input_embeddings(), model.get_output_embeddings()):
        weight = table.get_parameter("weight")  # (vocabulary, width)
        weight[new_ids] = weight[:original_size].mean(dim=0)


def _set_generation(model: EmoForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, decoder: str) -> None:
    """Stop at the decoder's stop tokens, and never sample a media token: it would be a placeholder without media."""
    generation = model.generation_config
    generation.eos_token_id = tokenizer.convert_tokens_to_ids(list(DECODERS[decoder].stop_tokens))
    generation.pad_token_id = tokenizer.pad_token_id
    generation.suppress_tokens = tokenizer.convert_tokens_to_ids(list(MEDIA_TOKENS))


def _processor(spec: Spec, config: EmoConfig, tokenizer: PreTrainedTokenizerBase) -> EmoProcessor:
    """Make the processor whose sizes follow from the towers' configurations."""
    tower, name = AUDIO_TOWERS[spec.audio_tower["name"]], spec.audio
    return EmoProcessor(
        tower.read_extractor(name) if isinstance(name, str) else tower.make_extractor(config.audio_config),
        tokenizer,
        chat_template=DECODERS[spec.decoder].chat_template,
        num_frames=spec.num_frames,
        frame_size=config.video_config.image_size,
        audio_queries=config.audio_queries,
        video_queries=config.video_queries,
        fusion_queries=config.fusion_queries,
        audio_window_s=spec.audio_window_s,
    )


def tiny_spec(texts: Iterable[str] = ('{"labels":["happy"]}',), vocab_size: int = 400, **changes: Any) -> Spec:
    """Describe a random model below a million parameters, for tests: 1 s of sound, 4 frames of 32 pixels.

    Args:
        texts: What the tokenizer learns from.
        vocab_size: Largest vocabulary.
        changes: Fields of `Spec` to replace.
    """
    tokenizer = train_tokenizer(texts, vocab_size)
    resampler = {"name": "resampler", "width": 32, "layers": 1, "heads": 2}
    spec = Spec(
        audio={
            "model_type": "whisper", "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2,
            "encoder_ffn_dim": 64, "num_mel_bins": 80, "max_source_positions": 50,
            "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 64,
        },
        video={
            "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
        },
        text={
            "model_type": "qwen2", "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": 512, "tie_word_embeddings": True,
        },
        tokenizer=tokenizer,
        audio_adapter={**resampler, "queries": 4},
        video_adapter={**resampler, "queries": 6},
        fusion={"name": "attention", "queries": 2, "width": 32},
        num_frames=4,
    )  # fmt: skip
    return replace(spec, **changes)
