"""Recipes for annotation by models: who is asked what, in which order, and what becomes of the answers.

    recipe = load_annotation("annotate/crowd", ["result.agreement=0.6"])

    steps:
      - {name: voice, sees: [audio], by: [audio], ask: Describe how the voice sounds.}
      - {name: read, sees: [text], reads: [voice], answer: labels, ask: "Which emotions does the person appear to express?"}
    result: {labels: [read]}

What a step `reads` stands above its question, a line each with its name: answers of earlier steps, and `labels` (the record's own),
`prosody` and `face` (what `emollm data describe` wrote). The words that are spoken are shown by `sees: [text]`, as every prompt shows
them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from emollm.config import find_recipe
from emollm.config_model import Count, Section, Share
from emollm.config_yaml import YamlFile, nearest, validate
from emollm.engines import Sampling
from emollm.prompts import TASKS, Task
from emollm.records import Modality

OF_THE_RECORD = ("labels", "prosody", "face")
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Voter(Section):
    """A model that is asked."""

    model: str
    """Its name at the server; for hf and vllm what `--model` takes."""
    engine: Literal["openai", "hf", "vllm"] = "openai"
    base_url: str | None = None
    """Server up to /v1; null: the one of `--base-url`. Its key comes from the environment."""


class Step(Section):
    """One question to one or several models about every record."""

    name: Name
    ask: Annotated[str, Field(min_length=1)]
    """The question."""
    sees: list[Modality] = Field(default_factory=lambda: list[Modality](["audio", "video", "text"]))
    """What of the clip is given."""
    reads: list[str] = Field(default_factory=list)
    """What is shown above the question: earlier steps, `labels`, `prosody`, `face`."""
    answer: Literal["text", "labels"] = "text"
    choices: Annotated[list[str], Field(min_length=2)] | None = None
    """Closed set of labels."""
    by: list[str] = Field(default_factory=list)
    """Who is asked, as `models` names them; none: the model of the command line."""
    votes: Count = 1
    """How often each is asked, with another seed each time."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    max_new_tokens: Count = 400

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        if self.votes > 1 and self.temperature == 0:
            problems.append("`votes` at temperature 0 are one vote, repeated: set `temperature`")
        if self.choices and self.answer != "labels":
            problems.append("`choices` are labels: set `answer: labels`")
        if not self.sees and not self.reads:
            problems.append("nothing is given: name what the step `sees` or `reads`")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def task(self) -> Task:
        """What is asked."""
        task = TASKS["ask" if self.answer == "text" else "labels"].with_question(self.ask)
        return task.with_labels(tuple(self.choices)) if self.choices else task

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn."""
        return Sampling(temperature=self.temperature, max_new_tokens=self.max_new_tokens)


class Result(Section):
    """What is written into the records."""

    labels: list[str] = Field(default_factory=list)
    """Steps whose answers are votes for labels."""
    agreement: Share = 0.0
    """A label stays when at least this share of the voters names it or a word of the same meaning; a record without any is left out."""
    description: str | None = None
    """The step whose answer becomes the record's description."""


class Annotation(Section):
    """A way to annotate: `emollm data annotate RECIPE records.jsonl -o annotated.jsonl`."""

    method: Literal["annotate"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the recipe; it stands in every record that it annotated."""
    models: dict[str, Voter] = Field(default_factory=dict)
    """Who is asked, by a name of your own."""
    steps: Annotated[list[Step], Field(min_length=1)]
    result: Result

    @model_validator(mode="after")
    def _known(self) -> Self:
        problems: list[str] = []
        before: dict[str, Step] = {}
        for step in self.steps:
            known = [*before, *OF_THE_RECORD]
            problems += [_unknown(f"`{name}` that step {step.name} reads", name, known) for name in step.reads]
            problems += [_unknown(f"model `{who}` of step {step.name}", who, self.models) for who in step.by]
            if step.name in known:
                problems.append(f"the name `{step.name}` is taken")
            before[step.name] = step
        voting = [name for name, step in before.items() if step.answer == "labels"]
        telling = [name for name, step in before.items() if step.answer == "text"]
        problems += [_unknown(f"labels of `{name}`", name, voting) for name in self.result.labels]
        if self.result.description is not None:
            problems.append(_unknown("description", self.result.description, telling))
        elif not self.result.labels:
            problems.append("`result` takes neither labels nor a description")
        if any(problems):
            raise ValueError("; ".join(filter(None, problems)))
        return self

    @property
    def sha256(self) -> str:
        """The hash of the whole recipe."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def load_annotation(argument: str | Path, settings: Iterable[str] = ()) -> Annotation:
    """Read a recipe for annotation, lay `key=value` settings over it, and check it.

    Raises:
        ConfigError: Everything that is wrong, each problem with file, line and key.
    """
    file = YamlFile.read(find_recipe(argument))
    file.override(settings)
    return validate(Annotation, file)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return what is wrong with a name that is not known; nothing when it is."""
    known = list(known)
    if name in known:
        return ""
    return f"{what} is unknown{nearest(name, known)}; known: {', '.join(known) or 'none'}"
