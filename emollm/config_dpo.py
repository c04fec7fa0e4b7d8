"""Recipes of `emollm dpo`: learning from preference pairs (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290).

    method: dpo
    model: {path: tiny}
    data: {train: [pairs.jsonl]}

`data.train` are files of pairs (`emollm data make-preferences`). Defaults of `beta` and `text_prior` are those of the published run on
emotion (AVEm-DPO, https://arxiv.org/abs/2602.07054); its learning rate is 5e-7 for a model of 7B.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from emollm.config_model import Positive
from emollm.config_policy import PolicyRecipe


class DpoRecipe(PolicyRecipe):
    """A run of direct preference optimisation: `emollm dpo RECIPE`."""

    method: Literal["dpo"]
    beta: Positive = 0.1
    """How tightly the model is held to the one that the run started from: smaller lets it go further."""
    loss_type: Literal["sigmoid", "hinge", "ipo"] = "sigmoid"
    """How the margin of a pair becomes a loss, as TRL names it."""
    text_prior: Annotated[float, Field(ge=0)] = 0.2
    """Weight of the penalty for what is likely from the words alone (see emollm/train/multimodal_dpo.py); 0: none."""
    sft_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the usual loss on the better answers, which keeps them likely (Pang et al. 2024, https://arxiv.org/abs/2404.19733)."""

    def problems(self) -> list[str]:
        """Return what does not fit together."""
        problems = super().problems()
        if self.model.omni is not None:
            problems.append(
                "`model.omni`: omni backbones learn from answers and rewards so far (`emollm sft`, `emollm grpo`)"
            )
        if any(self.modality_dropout.model_dump().values()):
            problems.append("`modality_dropout` is not read here: a pair says what is seen and heard on either side")
        return problems
