"""Recipes of `emollm grpo`: reinforcement learning from rewards (Shao et al. 2024, https://arxiv.org/abs/2402.03300).

    method: grpo
    model: {path: tiny}
    rewards:
    - {name: contrastive_wheel, weight: 1.0}

The names of the settings are TRL's. Defaults are those that published runs on emotion agree on, as far as they tell: eight answers to a
clip at temperature 1, clip range 0.2, advantages divided by the group's spread, KL weight 0.04 (R1-Omni,
https://arxiv.org/abs/2503.05379, and a re-run of AffectGPT-R1, https://arxiv.org/abs/2508.01318). Group size, learning rate and KL
weight of AffectGPT-R1 itself are not known.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from emollm.config import Blocks, Lora, Recipe, Stage, Training, as_list
from emollm.config_model import Count, Positive, Saved, Share
from emollm.config_yaml import nearest
from emollm.paths import TINY
from emollm.prompts import TASKS, Task
from emollm.rewards import DEFAULT, RewardItem

STAGE = "policy"  # name of the one stage, and of its folder under checkpoints/
FINAL = "final"


class GrpoRecipe(Training):
    """A run of group relative policy optimisation: `emollm grpo RECIPE`."""

    method: Literal["grpo"]
    model: Saved
    """The model to start from; it must know the answer string already (`emollm sft`)."""
    task: str = "labels"
    """What is asked: a task of emollm.prompts whose answer has labels."""
    style: Literal["direct", "think"] = "direct"
    """think: reasoning inside `<think></think>` before the answer; the model must have been taught it."""
    rewards: Annotated[tuple[RewardItem, ...], BeforeValidator(as_list), Field(min_length=1)] = DEFAULT
    """What a completion earns; left out: the default list of emollm/rewards/default.py."""
    blocks: Blocks
    lora: Lora | None = None
    """Only, and always, with `decoder: lora`. Dropout is 0 whatever it says: what is sampled must be what is scored."""
    num_generations: Annotated[int, Field(ge=2)] = 8
    """Answers to one clip, which are compared with each other."""
    temperature: Positive = 1.0
    """Of sampling, and of the probabilities that are learned."""
    max_completion_length: Count = 128
    """Longest answer in tokens; longer ones are cut and marked."""
    max_prompt_length: Annotated[int, Field(ge=16)] = 512
    """Longest prompt in tokens, soft prompt included; longer ones are left out and counted."""
    loss_type: Literal["grpo", "dapo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo"] = "grpo"
    """How tokens and answers are averaged and clipped, as TRL names it."""
    beta: Annotated[float, Field(ge=0)] = 0.04
    """Weight of the KL divergence from the model that the run started from; 0 needs no reference."""
    epsilon: Positive = 0.2
    """Clip range of the probability ratio."""
    epsilon_high: Positive | None = None
    """Its upper side, where it differs (DAPO, https://arxiv.org/abs/2503.14476)."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """What the advantages are divided by: the spread in the group, in the batch, or nothing (Dr. GRPO, https://arxiv.org/abs/2503.20783)."""
    num_iterations: Count = 1
    """Steps that are made with the same answers."""
    learning_rate: Positive = 1e-6
    lr_scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "constant_with_warmup"
    warmup_ratio: Share = 0.03
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Positive = 1.0
    batch_size: Count = 8
    """Answers of one forward pass on one device."""
    gradient_accumulation: Count = 1
    """Forward passes of one step; the answers of a step are sampled together."""
    epochs: Positive = 1.0
    max_steps: Count | None = None
    """Number of steps; takes the place of `epochs`."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        if (self.blocks.decoder == "lora") != (self.lora is not None):
            problems.append("`lora` goes with `blocks.decoder` lora: give both or neither")
        if self.blocks.audio_tower != "frozen" or self.blocks.video_tower != "frozen":
            problems.append(
                "towers stay frozen here (`blocks`): their states are computed once for all answers to a clip"
            )
        if self.task not in TASKS or TASKS[self.task].style == "text":
            known = [name for name, task in TASKS.items() if task.style != "text"]
            problems.append(f"`task` {self.task!r} has no labels in its answer{nearest(self.task, known)}")
        if self.model.omni is not None:
            problems.append("`model.omni`: omni backbones learn from answers alone so far (`emollm sft`)")
        if self.data.dev is not None:
            problems.append("`data.dev` is not read here: label the dev clips with the finished model and score them")
        if self.data.soft_prompt_memory_gb:
            problems.append("`data.soft_prompt_memory_gb` is not read here: the towers' states are kept for each step")
        if self.batch_size * self.gradient_accumulation % self.num_generations:
            problems.append(
                f"`batch_size` x `gradient_accumulation` is {self.batch_size * self.gradient_accumulation}, which is no multiple of "
                f"`num_generations` {self.num_generations}: all answers to a clip belong into one step"
            )
        if (self.save.every_steps or 0) % self.num_iterations:
            problems.append(
                "`save.every_steps` must be a multiple of `num_iterations`: between them the sampled answers would be lost"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def asked(self) -> Task:
        """The task in its style."""
        task = TASKS[self.task]
        if self.style == "direct":
            return task
        return replace(task, style="think", question=f"{task.question} Reason first.")

    @property
    def clips_per_step(self) -> int:
        """Clips that one step on one device asks about."""
        return self.batch_size * self.gradient_accumulation // self.num_generations

    @property
    def start(self) -> str:
        """Folder (or hub name) of the model to start from: `tiny` is the bundled one, a run folder means its finished model."""
        if self.model.path == "tiny":
            return str(TINY)
        finished = Path(self.model.path) / "checkpoints" / FINAL
        return str(finished) if finished.is_dir() else self.model.path

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
        return Recipe(**shared, model=Saved(path=self.start), stages=(self.as_stage,))
