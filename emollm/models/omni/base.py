"""What every omni model gets besides transformers' own code: positions row by row, states without the head, blocks by name.

- A batch may mix rows with sound, picture, both or none. transformers 5.19 takes `use_audio_in_video` for the whole batch and then gives
  the rows without sound wrong positions, silently; here each row is placed alone, with its own media (`positions`).
- TRL 1.16 wants `base_model(**inputs).last_hidden_state`. An omni model answers with itself there, as its prefix names no part of it, and
  its forward ends in logits (trl/trainer/utils.py, `add_fused_lm_head`); `base_model` here is the model up to the head.
- `generate` asks for positions and checks names before the forward pass; both go through the same place, row by row.
- Blocks have the native model's names, so that recipes and trainers speak of both families alike. There is no fusion block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn
from transformers import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast, MoeModelOutputWithPast

from emollm.errors import EmoError
from emollm.models.omni.processor import MEDIA_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers.cache_utils import Cache

    class _Library(nn.Module):
        """What the library's half of each family's model brings."""

        config: Any
        lm_head: nn.Module
        model: Any
        loss_function: Callable[..., torch.FloatTensor]

else:
    _Library = object

MS = 1000


class OmniModel(_Library):
    """The half of a family's model that is ours; the other half is transformers' class of the same name.

    Attributes:
        citation: BibTeX of the paper.
        blocks: Block to the paths of its modules; what lies in another block, too, belongs to that one.
        lora_targets: Regular expression of the decoder's linear layers that LoRA may change.
    """

    citation: ClassVar[str]
    blocks: ClassVar[Mapping[str, tuple[str, ...]]]
    lora_targets: ClassVar[str]

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int = 0,
        **inputs: Any,
    ) -> CausalLMOutputWithPast:
        """Run the model and its head.

        Args:
            input_ids: `(batch, length)` with the placeholders that the processor wrote.
            attention_mask: `(batch, length so far)`.
            position_ids: `(batch, length)`, one number a token, or `(3 or 4, batch, length)`, taken as they are.
            past_key_values: Cache; media belong to the first call (prefill) only.
            labels: `(batch, length)` with -100 where no loss is wanted; the shift by one happens inside.
            logits_to_keep: Number of last positions to compute logits for; 0 for all.
            inputs: Media tensors of all rows that have them, in the order of the rows, and settings.
        """
        out: Any = self.states(input_ids, attention_mask, position_ids, past_key_values, **inputs)
        logits = self.lm_head(out.last_hidden_state[:, -logits_to_keep:])  # (batch, kept positions, vocabulary)
        loss = None
        if labels is not None:
            size = self.config.get_text_config().vocab_size
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=size)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=out.past_key_values)

    def states(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        **inputs: Any,
    ) -> MoeModelOutputWithPast:
        """Return the states `(batch, length, width)` that the head takes; see `forward`."""
        prefill = past_key_values is None or past_key_values.get_seq_length() == 0
        if input_ids is not None and prefill:
            self._check_media(input_ids, inputs)
        if position_ids is None or position_ids.ndim == 2:
            position_ids = self.place(input_ids, attention_mask, position_ids, past_key_values, inputs)
        inputs.pop("video_grid_ms", None)  # only positions depend on it
        with _passing_on(self.lm_head):
            out = super().forward(  # type: ignore[misc]
                input_ids=input_ids,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                **inputs,
            )
        return MoeModelOutputWithPast(
            last_hidden_state=out.logits,
            past_key_values=out.past_key_values,
            router_logits=getattr(out, "router_logits", None),
        )

    @property
    def base_model(self) -> Any:
        """The model up to its head, as TRL wants it."""
        return self.states

    def get_input_embeddings(self) -> nn.Module:
        """Return the decoder's embeddings; transformers looks for them behind `base_model`, which is no module here."""
        embeddings: nn.Module = self.model.get_input_embeddings()
        return embeddings

    def enable_input_require_grads(self) -> None:
        """Let gradients start at the decoder's embeddings, and there alone.

        transformers hooks those of every part, so that gradient checkpointing with LoRA would run backward through frozen towers.
        """
        self._require_grads_hooks = [
            self.get_input_embeddings().register_forward_hook(lambda module, args, out: out.requires_grad_(True))
        ]

    def _prepare_position_ids_for_generation(
        self, inputs_tensor: torch.Tensor, model_kwargs: dict[str, Any]
    ) -> torch.Tensor:
        """Let `generate` count one number a token, which `place` turns into positions; families place the whole batch as one."""
        model: Any = self  # whose other half is a GenerationMixin
        counts: torch.Tensor = GenerationMixin._prepare_position_ids_for_generation(model, inputs_tensor, model_kwargs)
        return counts

    def _validate_model_kwargs(self, model_kwargs: dict[str, Any]) -> None:
        """Let `generate` take the media tensors: it looks for them in the signature of `forward`."""
        rest = {name: value for name, value in model_kwargs.items() if name not in MEDIA_KEYS}
        super()._validate_model_kwargs(rest)  # type: ignore[misc]

    def positions(self, ids: torch.Tensor, **media: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the positions `(3, 1, length)` of one row without padding, and its delta `(1, 1)`.

        Args:
            ids: `(1, length)`.
            media: `audio_lengths` (1,) in mel steps, `grid` (1, 3) in patches and `seconds` (1,) of a step of it; None without.
        """
        raise NotImplementedError

    def block(self, name: str) -> list[nn.Module]:
        """Return the modules of a block; empty when the family has none of that name."""
        return [module for path in self.blocks.get(name, ()) for module in self._own(path)]

    def _own(self, path: str) -> list[nn.Module]:
        """Return a module, or its parts when one of them is a block of its own."""
        inner = {other for paths in self.blocks.values() for other in paths if other.startswith(f"{path}.")}
        module = self.get_submodule(path)
        if not inner:
            return [module]
        return [
            part
            for name, _ in module.named_children()
            if f"{path}.{name}" not in inner
            for part in self._own(f"{path}.{name}")
        ]

    def set_trainable(self, modes: Mapping[str, str]) -> None:
        """Freeze and unfreeze blocks: `frozen`, `full`, or for the decoder `lora` (its own weights are frozen then)."""
        for name, mode in modes.items():
            for module in self.block(name):
                for parameter in module.parameters():
                    if parameter.is_floating_point():  # weights of four bits are whole numbers
                        parameter.requires_grad_(mode == "full")

    def place(
        self,
        input_ids: torch.Tensor | None,
        mask: torch.Tensor | None,
        counts: torch.Tensor | None,
        cache: Cache | None,
        inputs: Mapping[str, Any],
    ) -> torch.Tensor | None:
        """Return `(3, batch, length)` positions: each row by its own media at first, counting on after that.

        A token counts on at its number in the row plus a delta that follows from the media; it is kept with the cache.
        """
        if input_ids is None:
            return counts
        if cache is not None and cache.get_seq_length() > 0:
            if counts is None and mask is not None:
                counts = mask.cumsum(dim=1)[:, -input_ids.shape[1] :] - 1
            return None if counts is None else (counts + vars(cache)["deltas"]).unsqueeze(0).expand(3, -1, -1)
        mask = torch.ones_like(input_ids) if mask is None else mask
        rows, deltas, sound, picture = [], [], 0, 0
        lengths, grids = inputs.get("feature_attention_mask"), inputs.get("video_grid_thw")
        for row, keep in zip(input_ids, mask.bool(), strict=True):
            ids = row[keep].unsqueeze(0)  # (1, length of the row)
            hears, sees = self._holds(ids, "audio_token_id"), self._holds(ids, "video_token_id")
            placed, delta = self.positions(
                ids,
                audio_lengths=lengths[sound : sound + 1].sum(dim=1) if lengths is not None and hears else None,
                grid=grids[picture : picture + 1] if grids is not None and sees else None,
                seconds=inputs["video_grid_ms"][picture : picture + 1] / MS if sees else None,
            )
            sound, picture = sound + hears, picture + sees
            rows.append(placed.new_zeros(3, len(row)).masked_scatter(keep.expand(3, -1), placed[:, 0].to(row.device)))
            deltas.append(delta.to(row.device))
        if cache is not None:
            vars(cache)["deltas"] = torch.cat(deltas)  # (batch, 1)
        return torch.stack(rows, dim=1)  # (3, batch, length)

    def _holds(self, ids: torch.Tensor, token: str) -> bool:
        """Tell whether ids have a placeholder of a kind that the family knows."""
        return bool((ids == getattr(self.config, token, -1)).any())

    def _check_media(self, input_ids: torch.Tensor, inputs: Mapping[str, Any]) -> None:
        """Raise when placeholders and media disagree: a row would silently be about nothing, or about another row's clip."""
        for kind, token, media in (
            ("sound", "audio_token_id", "feature_attention_mask"),
            ("picture", "video_token_id", "video_grid_thw"),
        ):
            rows = sum(self._holds(row, token) for row in input_ids)
            given = 0 if inputs.get(media) is None else len(inputs[media])
            if rows != given:
                raise EmoError(
                    f"{rows} rows have placeholders for {kind}, but media of {given} were given",
                    fix="pass the media tensors that the processor made together with these ids",
                )


def place_in_time(
    model: Any, ids: torch.Tensor, media: Mapping[str, torch.Tensor | None]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Place one row of an Omni thinker: sound and picture of a clip share one clock; see `OmniModel.positions`."""
    placed: tuple[torch.Tensor, torch.Tensor] = model.get_rope_index(
        ids,
        video_grid_thw=media["grid"],
        attention_mask=torch.ones_like(ids),
        use_audio_in_video=media["grid"] is not None and media["audio_lengths"] is not None,
        audio_seqlens=media["audio_lengths"],
        second_per_grids=media["seconds"],
    )
    return placed


def in_a_row(ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Place one row of words `(1, length)`: one behind the other."""
    return torch.arange(ids.shape[1], device=ids.device).expand(3, 1, -1), ids.new_zeros(1, 1)


@contextmanager
def _passing_on(head: nn.Module) -> Iterator[None]:
    """Let a head give back what it is given while inside: logits of all positions are never wanted, and are the largest tensor of all."""
    before = vars(head).get("forward")
    head.forward = lambda states: states  # type: ignore[method-assign]
    try:
        yield
    finally:
        if before is None:
            del head.forward
        else:
            head.forward = before  # type: ignore[method-assign]
