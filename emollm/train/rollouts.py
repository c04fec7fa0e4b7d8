"""What answers are sampled for, and what they earn: prompts, the order of clips, rewards, `rollouts.jsonl`.

A prompt has the same ids here as in supervised training and at inference (`collate.py`). What a clip shows decides what it is judged by:
cues of a modality that was taken away are no truth here, and a clip of which nothing is left has no truth at all.

Does not: sample (TRL does, through `multimodal_rl.py`), or compute rewards (`emollm/rewards/`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from emollm.config_grpo import GrpoRecipe
from emollm.prompts import Task, render
from emollm.prompts.tasks import Message
from emollm.records import Modality, Record, Targets
from emollm.rewards import Rollout
from emollm.rewards.loading import Grades, Rewards
from emollm.train.collate import Collator
from emollm.train.examples import Example, Plan, plan_stage


class Prompts(Collator):
    """Makes prompts without answers out of rows of the plan.

    Args:
        collator: Records, clips and processor.
        task: What is asked about every clip.
    """

    def __init__(self, collator: Collator, task: Task) -> None:
        super().__init__(collator.records, collator.clips, collator.processor)
        self.task = task

    def texts_of(self, example: Example) -> tuple[str, str]:
        """Return the templated prompt (markers unexpanded), and no answer."""
        messages = self.messages_of(example)
        return self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True), ""

    def messages_of(self, example: Example) -> list[Message]:
        """Return the prompt as messages; their media blocks carry paths, never arrays: TRL copies, gathers and hands them on."""
        record = self.records[example.record]
        messages = render(
            record,
            self.task,
            audio=example.audio != "absent",
            video=example.video != "absent",
            transcript=example.text,
            special_tokens=self.special_tokens,
        )
        media = record.media
        paths = {"audio": media.audio or media.video, "video": media.video}
        for block in messages[0]["content"]:
            if (ref := paths.get(block["type"])) is not None:
                block["path"] = ref.path
        return messages

    def resolve(self, example: Example) -> Example:
        """Return the example as its file allows; one whose file cannot be decoded shows nothing, and has no truth."""
        nothing = replace(example, audio="absent", video="absent", text=False)
        return next((found for found, _ in self.resolved(example)), nothing)

    def inputs_of(self, examples: Sequence[Example]) -> tuple[list[list[int]], list[dict[str, torch.Tensor]]]:
        """Return for each example the ids of its prompt, and the media tensors of its clip (one row each, none of a clip without)."""
        ids = [self.tokens_of(example).prompt.tolist() for example in examples]
        media: list[dict[str, torch.Tensor]] = [{} for _ in examples]
        places = [place for place, one in enumerate(examples) if {one.audio, one.video} != {"absent"}]
        if places:
            batch = self.media(self.pairs([examples[place].to_row() for place in places]))
            for row, place in enumerate(places):
                media[place] = row_of(batch, row)
        return ids, media


def row_of(batch: Mapping[str, torch.Tensor], row: int) -> dict[str, torch.Tensor]:
    """Return one row of tensors that are aligned with rows."""
    return {name: values[row : row + 1] for name, values in batch.items()}


def plan_rollouts(recipe: GrpoRecipe, prompts: Prompts, world_size: int) -> Plan:
    """Plan a run: which clips are asked about, in order. Only whole steps are kept: TRL would drop the rest of an epoch without a word.

    Args:
        recipe: Epochs or steps, sizes, modality dropout.
        prompts: Over the training records.
        world_size: Number of processes that share a step.

    Raises:
        EmoError: Nothing is left to train on.
    """
    per_step = recipe.clips_per_step * world_size
    generations = None if recipe.max_steps is None else -(-recipe.max_steps // recipe.num_iterations)
    stage = recipe.as_stage.model_copy(
        update={"batch_size": recipe.clips_per_step, "gradient_accumulation": 1, "max_steps": generations}
    )
    seed, dropout = [recipe.seed, 0], recipe.modality_dropout
    plan = plan_stage(prompts.records, stage, dropout, seed, prompts.length_of, world_size)
    rest = len(plan.examples) % per_step
    plan.left_out["of a last step that is not whole"] = rest
    kept = len(plan.examples) - rest
    return Plan(plan.examples[:kept], plan.lengths[:kept], plan.left_out)


def shown(record: Record, present: Collection[Modality]) -> Record:
    """Return a record whose truth is what can be perceived: cues of `present` alone, and nothing when nothing is present."""
    targets = record.targets
    if not present:
        targets = Targets()
    elif targets.cues is not None:
        targets = targets.model_copy(update={"cues": tuple(cue for cue in targets.cues if cue.modality in present)})
    return record.model_copy(update={"targets": targets})


class Judge:
    """Grades the answers of one batch, and keeps the grades for TRL's reward functions and for `rollouts.jsonl`.

    Args:
        rewards: The recipe's rewards.
        prompts: Records and task.
    """

    def __init__(self, rewards: Rewards, prompts: Prompts) -> None:
        self.rewards, self.prompts = rewards, prompts
        self.rollouts: list[Rollout] = []
        self.grades: Grades

    def __call__(
        self, examples: Sequence[Example], texts: Sequence[str], tokens: Sequence[int], cut: Sequence[bool]
    ) -> Grades:
        """Grade one batch.

        Args:
            examples: What each answer is about, resolved.
            texts: The answers.
            tokens: Their lengths.
            cut: Whether they stopped at the length limit.
        """
        records = self.prompts.records
        self.rollouts = [
            Rollout(text, shown(records[one.record], one.present), self.prompts.task, length, was_cut)
            for one, text, length, was_cut in zip(examples, texts, tokens, cut, strict=True)
        ]
        self.grades = self.rewards.grade(self.rollouts)
        return self.grades

    def columns(self) -> list[Callable[..., list[float | None]]]:
        """Return a reward function of TRL's for each reward: it reads the grades of the batch that was graded last."""
        return [self._column(place, name) for place, name in enumerate(self.rewards.names)]

    def _column(self, place: int, name: str) -> Callable[..., list[float | None]]:
        def column(**kwargs: Any) -> list[float | None]:
            return [None if np.isnan(value) else float(value) for value in self.grades.values[:, place]]

        column.__name__ = name  # TRL names the metrics by it
        return column

    def rows(self, examples: Sequence[Example], step: int, advantages: Sequence[float]) -> list[dict[str, Any]]:
        """Return the lines of `rollouts.jsonl` for the batch that was graded last."""
        return [
            {
                "step": step,
                "id": rollout.record.id,
                "given": list(example.present),
                "text": rollout.text,
                **self.grades.row(place),
                "advantage": round(advantage, 4),
                "tokens": rollout.tokens,
                "truncated": rollout.truncated,
            }
            for place, (example, rollout, advantage) in enumerate(zip(examples, self.rollouts, advantages, strict=True))
        ]
