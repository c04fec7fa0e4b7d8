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

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from emollm.config import as_list
from emollm.config_model import Count, Positive
from emollm.config_policy import PolicyRecipe
from emollm.config_yaml import nearest
from emollm.prompts import TASKS, Task
from emollm.rewards import DEFAULT, RewardItem


class GrpoRecipe(PolicyRecipe):
    """A run of group relative policy optimisation: `emollm grpo RECIPE`."""

    method: Literal["grpo"]
    task: str = "labels"
    """What is asked: a task of emollm.prompts whose answer has labels."""
    style: Literal["direct", "think"] = "direct"
    """think: reasoning inside `<think></think>` before the answer; the model must have been taught it (task `think` of `emollm sft`)."""
    rewards: Annotated[tuple[RewardItem, ...], BeforeValidator(as_list), Field(min_length=1)] = DEFAULT
    """What a completion earns; left out: the default list of emollm/rewards/default.py."""
    num_generations: Annotated[int, Field(ge=2)] = 8
    """Answers to one clip, which are compared with each other."""
    temperature: Positive = 1.0
    """Of sampling, and of the probabilities that are learned."""
    max_completion_length: Count = 128
    """Longest answer in tokens; longer ones are cut and marked."""
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

    def problems(self) -> list[str]:
        """Return what does not fit together."""
        problems = super().problems()
        if self.task not in TASKS or TASKS[self.task].style != "json":
            known = [name for name, task in TASKS.items() if task.style == "json"]
            problems.append(f"`task` {self.task!r} has no labels in its answer{nearest(self.task, known)}")
        if self.batch_size * self.gradient_accumulation % self.num_generations:
            problems.append(
                f"`batch_size` x `gradient_accumulation` is {self.batch_size * self.gradient_accumulation}, which is no multiple of "
                f"`num_generations` {self.num_generations}: all answers to a clip belong into one step"
            )
        if (self.save.every_steps or 0) % self.num_iterations:
            problems.append(
                "`save.every_steps` must be a multiple of `num_iterations`: between them the sampled answers would be lost"
            )
        return problems

    @property
    def asked(self) -> Task:
        """The task in its style."""
        task = TASKS[self.task]
        return task.thinking() if self.style == "think" else task

    @property
    def clips_per_step(self) -> int:
        """Clips that one step on one device asks about."""
        return self.batch_size * self.gradient_accumulation // self.num_generations
