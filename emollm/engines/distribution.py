"""How a model spreads over labels, beside its answer: `samples:16` or `choices`. Never a distribution of raters.

- `samples:N`: the question is asked N times at temperature 1 (or the run's own, if that is not 0), each with a seed of its own. A sample
  counts 1, shared by the labels that it names; samples that name none are not counted (self-consistency, Wang et al. 2023,
  https://arxiv.org/abs/2203.11171).
- `choices`: for a closed set. Labels are lettered, and the probabilities of the letters as the answer's first token are read. Models
  prefer letters and places whatever stands there (Zheng et al. 2024, https://arxiv.org/abs/2309.03882), so the list is turned until each
  label has had each letter, and the mean is taken. `unmasked_mass` is the mean probability of all letters together: near 0 the model wanted
  to write something else, and the shares mean little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from string import ascii_uppercase
from typing import Any, Protocol

from emollm.engines import Engine, Request, Sampling
from emollm.errors import ConfigError
from emollm.prompts import Task
from emollm.records import PredictedDistribution, Prediction

CLIPS_AT_ONCE = 16
MOST_SAMPLES = 256


class ChoosingEngine(Engine, Protocol):
    """An engine that can tell how probable tokens are as the first of an answer."""

    def first_token_probs(self, requests: Sequence[Request], texts: Sequence[str]) -> Mapping[str, list[float]]:
        """Return the probability of each text, which is one token, by the request's id; not for clips that cannot be asked about."""
        ...


class Distributed:
    """An engine whose answers carry a distribution.

    Args:
        engine: Who answers.
        kind: `samples:N` or `choices`.

    Raises:
        ConfigError: There is no such kind, or this engine cannot give it.
    """

    def __init__(self, engine: Engine, kind: str) -> None:
        self.engine, self.kind, self.name = engine, kind, engine.name
        self.samples = _samples(kind)
        if self.samples is None and not hasattr(engine, "first_token_probs"):
            fix = "use --distribution samples:16, or --engine hf or vllm"
            raise ConfigError(
                f"engine {engine.name!r} does not tell the probabilities of tokens", "--distribution", fix
            )

    @property
    def identity(self) -> dict[str, Any]:
        """What an answer depends on, besides the request and the sampling."""
        return {**self.engine.identity, "distribution": self.kind}

    @property
    def media(self) -> Any:
        """How clips are decoded."""
        return getattr(self.engine, "media", None)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        """Answer requests; errors and clips that nothing can be said about have no distribution."""
        waiting = iter(requests)
        while batch := list(islice(waiting, CLIPS_AT_ONCE)):
            answers = list(self.engine.generate(batch, sampling))
            # With nothing to see, hear or read, the model was not asked; without evidence by its own word, it was.
            said = {answer.id for answer in answers if answer.status == "ok" or (answer.error is None and answer.raw)}
            asked = [request for request in batch if request.id in said]
            found = self._choices(asked) if self.samples is None else self._sampled(asked, sampling, self.samples)
            for answer in answers:
                yield answer.model_copy(update={"distribution": found.get(answer.id)})

    def stream(self, request: Request, sampling: Sampling) -> Iterator[str]:
        """Answer one request piece by piece, without a distribution."""
        return self.engine.stream(request, sampling)

    def close(self) -> None:
        """Free what the engine holds."""
        self.engine.close()

    def _sampled(self, asked: Sequence[Request], sampling: Sampling, count: int) -> dict[str, PredictedDistribution]:
        """Ask each question `count` times."""
        drawn = replace(sampling, temperature=sampling.temperature or 1.0)
        owners = {f"{request.id}\0{number}": request.id for request in asked for number in range(count)}
        again = [
            replace(request, id=f"{request.id}\0{number}", seed=request.seed + number)
            for request in asked
            for number in range(count)
        ]
        votes: dict[str, Counter[str]] = {request.id: Counter() for request in asked}
        for answer in self.engine.generate(again, drawn):
            for label in answer.labels:
                votes[owners[answer.id]][label.text] += 1 / len(answer.labels)  # type: ignore[assignment]
        spaces = {request.id: request.task.label_space or () for request in asked}
        return {
            name: PredictedDistribution(kind="samples", probs=_shares({**dict.fromkeys(spaces[name], 0.0), **counted}))
            for name, counted in votes.items()
            if counted
        }

    def _choices(self, asked: Sequence[Request]) -> dict[str, PredictedDistribution]:
        """Read the letters' probabilities under every turn of the list of labels."""
        sums: dict[str, Counter[str]] = {request.id: Counter() for request in asked}
        turned: dict[str, tuple[str, tuple[str, ...]]] = {}
        again: list[Request] = []
        for request in asked:
            space = _space(request.task)
            for turn in range(len(space)):
                name, order = f"{request.id}\0{turn}", (*space[turn:], *space[:turn])
                turned[name] = request.id, order
                again.append(replace(request, id=name, task=_lettered(request.task, order)))
        letters = ascii_uppercase[: max((len(order) for _, order in turned.values()), default=0)]
        for name, probs in self.engine.first_token_probs(again, letters).items():  # type: ignore[attr-defined]
            owner, order = turned[name]
            for label, prob in zip(order, probs, strict=False):
                sums[owner][label] += prob / len(order)
        return {
            name: PredictedDistribution(
                kind="choices", probs=_shares(found), unmasked_mass=min(sum(found.values()), 1.0)
            )
            for name, found in sums.items()
            if sum(found.values()) > 0
        }


def _samples(kind: str) -> int | None:
    """Return the number of samples; None for `choices`.

    Raises:
        ConfigError: It is neither.
    """
    name, _, number = kind.partition(":")
    if kind == "choices":
        return None
    if name != "samples" or not number.isdecimal() or not 2 <= int(number) <= MOST_SAMPLES:
        fix = f"use choices, or samples:N with N from 2 to {MOST_SAMPLES}"
        raise ConfigError(f"there is no distribution {kind!r}", "--distribution", fix)
    return int(number)


def _space(task: Task) -> tuple[str, ...]:
    """Return the closed set of labels of a task.

    Raises:
        ConfigError: It has none, or more than there are letters.
    """
    space = task.label_space or ()
    if not 2 <= len(space) <= len(ascii_uppercase):
        fix = f"give --labels with 2 to {len(ascii_uppercase)} labels"
        raise ConfigError(f"`choices` is for a closed set; here are {len(space)} labels", "--distribution", fix)
    return space


def _lettered(task: Task, order: Sequence[str]) -> Task:
    """Return the question whose answer is a letter."""
    options = ", ".join(f"({letter}) {label}" for letter, label in zip(ascii_uppercase, order, strict=False))
    question = f"{task.question} Choose one: {options}. Answer with its letter only."
    return replace(task, question=question, label_space=None, style="text")


def _shares(amounts: Mapping[str, float]) -> dict[str, float]:
    """Return shares of the whole."""
    whole = sum(amounts.values())
    return {name: amount / whole for name, amount in amounts.items()}
