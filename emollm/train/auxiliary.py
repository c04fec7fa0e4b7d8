"""The encoder's own losses beside the loss of the answers.

TRL's fused language-model head calls the model without its head and makes the loss itself, so what adapters and fusion add to `aux_losses`
would be dropped, silently. Here they are added, as TRL adds the balancing loss of mixtures of experts.

Does not: weight them (the block that makes a loss does), or add them to the dev loss, which stays that of the answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from trl import SFTTrainer

from emollm.models.modeling import EmoModel
from emollm.train.checkpoints import StageTrainer


class AnswerTrainer(StageTrainer, SFTTrainer):
    """TRL's trainer, and the encoder's own losses; each is logged as `aux/<block>/<name>`."""

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the loss, or loss and outputs, as TRL does."""
        with own_losses(model) as found:
            result = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if not found or not model.training:
            return result
        loss, *outputs = result if return_outputs else (result,)
        # Counted by tokens, a step's loss is summed over its accumulated batches; a mean of batches is not.
        parts = self.current_gradient_accumulation_steps if num_items_in_batch is not None else 1
        loss = loss + torch.stack(list(found.values())).sum() / parts
        for name, value in found.items():
            self._metrics["train"][f"aux/{name}"].append(value.detach().item())
        return (loss, *outputs) if return_outputs else loss


@contextmanager
def own_losses(model: nn.Module) -> Iterator[dict[str, torch.Tensor]]:
    """Gather the `aux_losses` of the forward passes that carry gradients."""
    found: dict[str, torch.Tensor] = {}

    def gather(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if torch.is_grad_enabled():
            found.update(output.aux_losses or {})

    inner = next((module for module in model.modules() if isinstance(module, EmoModel)), None)
    if inner is None:  # a backbone without an encoder of ours
        yield found
        return
    hook = inner.register_forward_hook(gather)
    try:
        yield found
    finally:
        hook.remove()
