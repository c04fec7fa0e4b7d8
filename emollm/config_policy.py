"""What recipes share that train a finished model further: `emollm grpo` (config_grpo.py) and `emollm dpo` (config_dpo.py).

The names of the settings are TRL's.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from emollm.config import Blocks, Lora, Recipe, Stage, Training
from emollm.config_model import Count, Positive, Saved, Share

STAGE = "policy"  # name of the one stage, and of its folder under checkpoints/
FINAL = "final"


class PolicyRecipe(Training):
    """A run that starts from a finished model; towers stay frozen."""

    model: Saved
    """The model to start from; it must know the answer string already (`emollm sft`)."""
    blocks: Blocks
    lora: Lora | None = None
    """Only, and always, with `decoder: lora`. Dropout is 0 whatever it says: the model is compared with what it was."""
    max_prompt_length: Annotated[int, Field(ge=16)] = 512
    """Longest prompt in tokens, soft prompt included; longer ones are left out and counted."""
    learning_rate: Positive = 1e-6
    lr_scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "constant_with_warmup"
    warmup_ratio: Share = 0.03
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Positive = 1.0
    batch_size: Count = 8
    """Answers (grpo) or pairs (dpo) of one forward pass on one device."""
    gradient_accumulation: Count = 1
    """Forward passes of one step."""
    epochs: Positive = 1.0
    max_steps: Count | None = None
    """Number of steps; takes the place of `epochs`."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := self.problems():
            raise ValueError("; ".join(problems))
        return self

    def problems(self) -> list[str]:
        """Return what does not fit together."""
        problems = []
        if (self.blocks.decoder == "lora") != (self.lora is not None):
            problems.append("`lora` goes with `blocks.decoder` lora: give both or neither")
        if self.blocks.audio_tower != "frozen" or self.blocks.video_tower != "frozen":
            problems.append(
                "towers stay frozen here (`blocks`): their states are computed once a clip for all that needs them"
            )
        if self.data.dev is not None:
            problems.append("`data.dev` is not read here: label the dev clips with the finished model and score them")
        for name in ("soft_prompt_memory_gb", "tower_cache_gb"):
            if getattr(self.data, name):
                problems.append(f"`data.{name}` is not read here: the towers' states are kept for each step")
        if self.data.replay is not None:
            problems.append("`data.replay` is not read here: supervised training alone learns from chats")
        return problems

    @property
    def start(self) -> str:
        """Folder (or hub name) of the model to start from."""
        return self.model.place

    @property
    def as_stage(self) -> Stage:
        """What supervised training shares with this: blocks, LoRA and batches. Its one task is to know the labels."""
        return Stage(
            name=STAGE,
            blocks=self.blocks,
            lora=self.lora,
            tasks={"labels": 1.0},
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            gradient_accumulation=self.gradient_accumulation,
            epochs=self.epochs,
            max_steps=self.max_steps,
            max_length=self.max_prompt_length,
            gradient_checkpointing=self.gradient_checkpointing,
            group_by_length=False,
        )

    @property
    def as_sft(self) -> Recipe:
        """The same run as supervised training would see it, for the checks that both share."""
        shared = {key: getattr(self, key) for key in Training.model_fields if key not in ("model", "resume")}
        return Recipe(**shared, model=Saved(path=self.start, omni=self.model.omni), stages=(self.as_stage,))
