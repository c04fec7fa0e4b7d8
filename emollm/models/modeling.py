"""EmoModel (encoder and decoder) and EmoForConditionalGeneration (with the language-model head).

TRL 1.16 calls `model.base_model(**inputs).last_hidden_state` and then the head, so `base_model_prefix` is "model",
EmoModel takes every media tensor, and the decoder inside is one without a head. Media tensors are aligned with rows
(dimension 0 is the batch, zeros where a row has none), which survives shuffling, splitting and repetition of rows.
Which modalities a row has is told by the marker in its ids; placeholders and media that disagree raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.utils.generic import can_return_tuple

from emollm.errors import ConfigError, EmoError
from emollm.models.adapters.base import OwnStart
from emollm.models.choose import choose
from emollm.models.configuration import EmoConfig
from emollm.models.decoders import DECODERS
from emollm.models.encoder import AVEncoder, is_frozen
from emollm.models.towers import Tower

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers.cache_utils import Cache

ENCODER_BLOCKS = ("audio_tower", "video_tower", "audio_adapter", "video_adapter", "fusion")
BLOCKS = (*ENCODER_BLOCKS, "decoder")
MEDIA_KEYS = ("input_features", "input_features_mask", "pixel_values_videos", "video_frame_mask")
SOFT_PROMPTS = "soft_prompts"  # in place of media: what the encoder made of them


@dataclass
class EmoModelOutput(BaseModelOutputWithPast):
    """Decoder states plus `aux_losses`, the encoder's own losses by name."""

    aux_losses: dict[str, torch.Tensor] | None = None


class EmoPreTrainedModel(PreTrainedModel):
    """What both classes share with transformers' loading and saving."""

    config: EmoConfig
    config_class = EmoConfig
    base_model_prefix = "model"
    input_modalities = ["audio", "video", "text"]  # noqa: RUF012
    supports_gradient_checkpointing = True
    _no_split_modules = ["ResamplerLayer"]  # noqa: RUF012
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_compile_fullgraph = False

    @classmethod
    def is_custom_code(cls) -> bool:
        """Say no: transformers 5.19 passes over modules without weights of their own when it starts custom code.

        That would leave out what library models do for such modules (Whisper's sinusoidal positions, CLIP's scales), silently.
        """
        return False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Start fresh weights; called for children before their parents."""
        super()._init_weights(module)
        if isinstance(module, OwnStart):
            module.start()


class EmoModel(EmoPreTrainedModel):
    """Encoder and decoder: ids and media -> last hidden states.

    Args:
        config: Configuration of the whole model.
    """

    def __init__(self, config: EmoConfig) -> None:
        super().__init__(config)
        self.av_encoder = AVEncoder(config)
        self.language_model = choose("decoder", DECODERS, config.decoder_family).make(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the decoder's token embeddings."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the decoder's token embeddings."""
        self.language_model.set_input_embeddings(value)

    def train(self, mode: bool = True) -> EmoModel:
        """Set training mode; a frozen decoder stays in eval mode.

        Its layers keep the flag itself, which only switches gradient checkpointing: gradients of the adapters pass
        through a frozen decoder, and its activations are what fills the memory.
        """
        super().train(mode)
        if mode and is_frozen(self.language_model):
            self.language_model.eval()
            for layer in self.language_model.modules():
                if isinstance(layer, GradientCheckpointingLayer):
                    layer.training = True
        return self

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        input_features_mask: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        video_frame_mask: torch.Tensor | None = None,
        soft_prompts: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> EmoModelOutput:
        """Fill the soft prompt in and run the decoder.

        Args:
            input_ids: `(batch, length)` with markers and pads.
            attention_mask: `(batch, length)`.
            position_ids: `(batch, length)`.
            past_key_values: Cache; media belong to the first call (prefill) only.
            inputs_embeds: `(batch, length, width)` in place of `input_ids`, without media.
            input_features: `(batch, mels, steps)` or `(batch, samples)`, as the audio tower takes it.
            input_features_mask: `(batch, steps)` or `(batch, samples)`.
            pixel_values_videos: `(batch, frames, 3, height, width)`.
            video_frame_mask: `(batch, frames)`.
            soft_prompts: `(batch, longest soft prompt, width)` in place of media, zeros behind a row's own: what
                `av_encoder` made of them before. For a frozen encoder, which need not see a clip twice.
            kwargs: Passed on to the decoder.
        """
        media = dict(
            zip(MEDIA_KEYS, (input_features, input_features_mask, pixel_values_videos, video_frame_mask), strict=True)
        )
        given = [name for name, value in {**media, SOFT_PROMPTS: soft_prompts}.items() if value is not None]
        prefill = past_key_values is None or past_key_values.get_seq_length() == 0
        if given and (input_ids is None or not prefill):
            raise EmoError(
                f"media ({', '.join(given)}) without the prompt that they belong to",
                fix="pass media together with input_ids and an empty cache; later steps take ids alone",
            )
        losses: dict[str, torch.Tensor] = {}
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)  # (batch, length, width)
        if soft_prompts is not None and input_ids is not None:
            inputs_embeds = self._insert_soft_prompts(input_ids, inputs_embeds, soft_prompts)
        elif input_ids is not None and prefill:
            inputs_embeds, losses = self._insert_media(input_ids, inputs_embeds, media)
        out = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )
        return EmoModelOutput(**out, aux_losses=losses)

    def _insert_media(
        self, input_ids: torch.Tensor, embeds: torch.Tensor, media: dict[str, torch.Tensor | None]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Put the soft prompt of each row in the place of its pads."""
        has_audio, has_video = self.modalities(input_ids, media)
        if not any(has_audio) and not any(has_video):
            return embeds, {}
        soft = self.av_encoder(*(media[name] for name in MEDIA_KEYS), has_audio=has_audio, has_video=has_video)
        return self._fill_pads(input_ids, embeds, torch.cat(soft.rows)), soft.losses

    def _insert_soft_prompts(self, input_ids: torch.Tensor, embeds: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
        """Put soft prompts that were made before in the place of the pads; raise when they do not belong together."""
        wanted = (input_ids == self.config.av_pad_token_id).sum(dim=1)  # (batch,)
        given = soft.any(dim=-1).sum(dim=1)
        if len(soft) != len(input_ids) or not torch.equal(wanted, given):
            raise EmoError(
                f"soft prompts of {given.tolist()} positions, the rows have {wanted.tolist()} pads",
                fix="give one soft prompt a row, zeros behind it, made from the same media as the ids",
            )
        return self._fill_pads(input_ids, embeds, soft[soft.any(dim=-1)])

    def _fill_pads(self, input_ids: torch.Tensor, embeds: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Put `values` (pads of all rows, width) in the place of the pads."""
        pads = (input_ids == self.config.av_pad_token_id).unsqueeze(-1)  # (batch, length, 1)
        return embeds.masked_scatter(pads, values.to(embeds.device, embeds.dtype))

    def modalities(
        self, input_ids: torch.Tensor, media: Mapping[str, torch.Tensor | None]
    ) -> tuple[list[bool], list[bool]]:
        """Read from the markers which rows have sound and picture; raise when pads or media disagree.

        Without this, a row would silently train on empty placeholders or drop its media.
        """
        config, batch = self.config, input_ids.shape[0]
        tokens = (config.audio_token_id, config.video_token_id, config.clip_token_id, config.av_pad_token_id)
        counts = [(input_ids == token).sum(dim=1) for token in tokens]
        for features, mask in (MEDIA_KEYS[:2], MEDIA_KEYS[2:]):
            _check_pair(features, media[features], mask, media[mask], batch)
            real = media[mask]
            counts.append(torch.zeros_like(counts[0]) if real is None else real.bool().any(dim=1).to(counts[0]))
        has_audio, has_video = [], []
        for row, (audio, video, clip, pads, sound, picture) in enumerate(torch.stack(counts, dim=1).tolist()):
            needs_sound, needs_picture = bool(audio or clip), bool(video or clip)
            expected = config.pads_for(needs_sound, needs_picture)
            if audio + video + clip > 1 or pads != expected:
                raise EmoError(
                    f"row {row} has {audio + video + clip} media markers and {pads} soft-prompt pads, "
                    f"expected {expected} pads behind at most one marker",
                    fix="make the batch with EmoProcessor, do not truncate prompts, and suppress the media tokens "
                    "when sampling",
                )
            for name, needed, present in (("sound", needs_sound, sound), ("picture", needs_picture, picture)):
                if needed != bool(present):
                    raise EmoError(
                        f"row {row} has {'a placeholder for' if needed else 'no placeholder for its'} {name}"
                        f"{', but no media' if needed else ''}",
                        fix="pass the media tensors that EmoProcessor made together with these ids",
                    )
            has_audio.append(needs_sound)
            has_video.append(needs_picture)
        return has_audio, has_video


def _check_pair(
    name: str, features: torch.Tensor | None, mask_name: str, mask: torch.Tensor | None, batch: int
) -> None:
    """Media tensors come with their mask and with one row for each row of ids."""
    if (features is None) != (mask is None):
        raise EmoError(f"{name} and {mask_name} belong together, but only one was given", fix="pass both or neither")
    if features is not None and mask is not None and (features.shape[0] != batch or mask.shape[0] != batch):
        raise EmoError(
            f"{name} has {features.shape[0]} rows and {mask_name} {mask.shape[0]}, the ids have {batch}",
            fix="media are aligned with rows: zeros where a row has none",
        )


class EmoForConditionalGeneration(EmoPreTrainedModel, GenerationMixin):
    """EmoModel with its language-model head: loss for training, logits for generation.

    Args:
        config: Configuration of the whole model.
    """

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: EmoConfig) -> None:
        super().__init__(config)
        self.model = EmoModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the decoder's token embeddings."""
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the decoder's token embeddings."""
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """Return the language-model head."""
        return self.lm_head

    def set_output_embeddings(self, value: nn.Module) -> None:
        """Replace the language-model head."""
        self.lm_head = value

    def prepare_inputs_for_generation(self, *args: Any, is_first_iteration: bool | None = False, **kwargs: Any) -> Any:
        """Give media to the first step only; with a cache, later steps already contain them."""
        prepare: Any = super().prepare_inputs_for_generation  # type: ignore[misc]
        inputs = prepare(*args, is_first_iteration=is_first_iteration, **kwargs)
        if not is_first_iteration and kwargs.get("use_cache", True):
            for name in (*MEDIA_KEYS, SOFT_PROMPTS):
                inputs.pop(name, None)
        return inputs

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        input_features_mask: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        video_frame_mask: torch.Tensor | None = None,
        soft_prompts: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Run the model and its head; the inputs are those of `EmoModel.forward`.

        `labels` are `(batch, length)` with -100 where no loss is wanted; the shift by one happens inside.
        `logits_to_keep` is the number of last positions (or their indices) to compute logits for; 0 for all.
        """
        out = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            input_features=input_features,
            input_features_mask=input_features_mask,
            pixel_values_videos=pixel_values_videos,
            video_frame_mask=video_frame_mask,
            soft_prompts=soft_prompts,
            **kwargs,
        )
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(out.last_hidden_state[:, keep])  # (batch, kept positions, vocabulary)
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits, labels=labels, vocab_size=self.config.text_config.vocab_size, **kwargs
            )
            loss = loss + sum(out.aux_losses.values())
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=out.past_key_values,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )

    def block(self, name: str) -> list[nn.Module]:
        """Return the modules of a block; the decoder's are the language model and its head."""
        if name == "decoder":
            return [self.model.language_model, self.lm_head]
        return [getattr(self.model.av_encoder, name)]

    def set_trainable(self, modes: Mapping[str, str]) -> None:
        """Freeze and unfreeze blocks; blocks that are not named keep their state.

        Args:
            modes: Block name to `frozen` or `full`; the decoder also takes `lora`: its own weights are frozen, and the
                trainer adds LoRA layers through PEFT. Blocks under `full` belong into PEFT's `modules_to_save` then
                (see `modules_to_save`), else they are trained and not saved.
        """
        for name, mode in modes.items():
            allowed = ("frozen", "full", "lora") if name == "decoder" else ("frozen", "full")
            if name not in BLOCKS or mode not in allowed:
                raise ConfigError(
                    f"cannot set block {name!r} to {mode!r}",
                    fix=f"blocks: {', '.join(BLOCKS)}; modes: frozen, full, and lora for the decoder",
                )
        for name, mode in modes.items():
            for module in self.block(name):
                module.requires_grad_(mode == "full")
                for fixed in module.fixed if isinstance(module, Tower) else ():
                    module.get_parameter(fixed).requires_grad_(False)
        self.train(self.training)


def modules_to_save(modes: Mapping[str, str]) -> list[str]:
    """Names for PEFT's `modules_to_save`: the encoder's blocks that are trained in full."""
    return [name for name in ENCODER_BLOCKS if modes.get(name) == "full"]


def parameters_by_block(model: EmoForConditionalGeneration) -> dict[str, tuple[int, int]]:
    """Count the parameters of each block.

    Returns:
        Block name to (all parameters, trained parameters); tied weights count once.
    """
    report = {}
    for name in BLOCKS:
        unique = {id(p): p for module in model.block(name) for p in module.parameters()}.values()
        report[name] = (sum(p.numel() for p in unique), sum(p.numel() for p in unique if p.requires_grad))
    return report
