"""What a reward is given and what it gives: rollouts in, a grade for each."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

from emollm.config_model import Section
from emollm.prompts import Answer, Parsed, Task, parse
from emollm.records import Record

_THINK = re.compile(r"^\s*<think>(.*?)</think>", re.DOTALL)


@dataclass(frozen=True)
class Rollout:
    """One completion with what it answers.

    Attributes:
        text: The completion as the model wrote it, without end tokens.
        record: The clip.
        task: What was asked.
        tokens: Length of the completion in tokens.
        truncated: Whether it stopped at the length limit.
    """

    text: str
    record: Record
    task: Task
    tokens: int = 0
    truncated: bool = False

    @cached_property
    def parsed(self) -> Parsed:
        """The answer that was read from the text, and how."""
        return parse(self.text, self.task, truncated=self.truncated)

    @property
    def answer(self) -> Answer:
        """The answer; empty when the text cannot be read."""
        return self.parsed.answer

    @property
    def readable(self) -> bool:
        """Whether there is an answer in the text: an empty one is an answer, too, no answer is none."""
        return self.parsed.status != "failed" and (self.parsed.status != "truncated" or bool(self.answer.labels))

    @cached_property
    def thought(self) -> str | None:
        """What stands between the thinking tags at the start; None without them."""
        match = _THINK.match(self.text)
        return match[1].strip() if match else None

    @property
    def body(self) -> str:
        """What follows the thought."""
        return _THINK.sub("", self.text, count=1)

    @property
    def reasoning(self) -> str:
        """What leads to the labels: the thought, else the explanation, else nothing."""
        return self.thought or self.answer.explanation or ""

    @property
    def asks_reasoning(self) -> bool:
        """Whether the task asks for reasoning."""
        return self.task.style == "think" or "explanation" in self.task.answer_keys


class Grade(NamedTuple):
    """What a completion earns, and why; None: the record or the task has nothing to judge by."""

    value: float | None
    reason: str


Judge = Callable[[Sequence[Rollout]], Sequence[Grade | float | None]]


class Reward(Section):
    """Base of our rewards; the fields of a subclass are its options."""

    citation: ClassVar[str] = ""
    """BibTeX of the paper."""

    def learn(self, records: Sequence[Record]) -> Judge:
        """Return the reward with what it needs of the training records."""
        return self

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Grade]:
        """Grade a batch."""
        return [self.grade(rollout) for rollout in rollouts]

    @abstractmethod
    def grade(self, rollout: Rollout) -> Grade:
        """Grade one completion."""
