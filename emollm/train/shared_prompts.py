"""A prompt runs once for all answers to it: in sampling, and in every pass that learns from answers or compares them.

GRPO samples many short answers to one long prompt. TRL runs the whole prompt through the model for each of them, three times over: to
sample, for the policy with gradients, and for the reference. Here the backbone runs each different prompt once, and all answers go on from
its keys and values, gradients included. What is shared is found by looking: rows with the same ids and the same clip.

The numbers are the same up to rounding; a test holds hidden states and gradients against those of whole rows.

Does not: share while gradient checkpointing is on (transformers keeps no keys and values then), or in omni backbones.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import Cache, DynamicCache

from emollm.models.modeling import MEDIA_KEYS, EmoModel, EmoModelOutput

ROWS = (*MEDIA_KEYS, "position_ids")  # options with one row for each row of ids


class SharedPrompts:
    """Stands in for a backbone's forward while it is used (`with SharedPrompts(backbone, length):`).

    Args:
        backbone: Encoder and decoder.
        length: Tokens of a prompt, padding on the left included; what follows is the answer. None: nothing follows yet (sampling).
    """

    def __init__(self, backbone: EmoModel, length: int | None = None) -> None:
        self.backbone, self.length = backbone, length
        self._whole = backbone.forward

    def __enter__(self) -> SharedPrompts:
        self.backbone.forward = self  # type: ignore[method-assign, assignment]  # on the instance: names of weights stay as they are
        return self

    def __exit__(self, *_: object) -> None:
        del self.backbone.forward

    def __call__(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        **options: Any,
    ) -> EmoModelOutput:
        """Return what the backbone's own forward would.

        Hidden states `(rows, length, width)` of prompts with answers are zero before the last token of the prompt: nothing is scored there.
        """
        if past_key_values is not None and past_key_values.get_seq_length() > 0:  # sampling has begun
            return self._whole(input_ids, attention_mask, past_key_values=past_key_values, **options)
        if attention_mask is None:  # as `generate` leaves it out where nothing is padded
            attention_mask = torch.ones_like(input_ids)
        cache = DynamicCache(config=self.backbone.config.text_config) if past_key_values is None else past_key_values
        known = None if self.length is None else self.length - 1
        ids, mask = input_ids[:, :known], attention_mask[:, :known]
        by_row = {name: value for name in ROWS if (value := options.pop(name, None)) is not None}
        first, prompt_of = same(ids, mask, *(by_row[name] for name in MEDIA_KEYS if name in by_row))
        options |= {"use_cache": True, "past_key_values": cache}
        asked = self._whole(
            ids[first], mask[first], **{name: value[first] for name, value in by_row.items()}, **options
        )
        cache.batch_select_indices(prompt_of)
        hidden = asked.last_hidden_state[prompt_of]
        if known is not None:
            answers = self._whole(input_ids[:, known:], attention_mask, **options).last_hidden_state
            hidden = torch.cat([torch.zeros_like(hidden), answers], dim=1)
        return EmoModelOutput(last_hidden_state=hidden, past_key_values=cache, aux_losses=asked.aux_losses)


def same(*columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a row of each kind `(kinds,)` and the kind of each row `(rows,)`; rows are of one kind when all columns `(rows, n)` agree."""
    _, kind = torch.cat(columns, dim=1).unique(dim=0, return_inverse=True)
    rows = torch.arange(len(kind), device=kind.device)
    return rows.new_empty(int(kind.max()) + 1).scatter_(0, kind, rows), kind
