"""Engines answer requests: `hf` (transformers), `vllm`, `openai` (a server); `fake` for tests of what stands above them.

One protocol: requests go in, predictions come out in any order, keyed by the request's id. A request that fails becomes a
prediction with status `error`; the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from emollm.errors import MediaError
from emollm.prompts import Task
from emollm.records import Prediction, Record, Usage

if TYPE_CHECKING:
    from emollm.engines.evidence import Evidence


@dataclass(frozen=True)
class Request:
    """One question about one record. `audio`, `video` and `transcript` switch modalities off; `evidence`: decoded ahead."""

    id: str
    record: Record
    task: Task
    seed: int = 0
    audio: bool = True
    video: bool = True
    transcript: bool = True
    evidence: Evidence | MediaError | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn: greedy when `temperature` is 0. `constrained`: the answer grammar is enforced."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 400
    constrained: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as predictions carry them."""
        return dict(vars(self))


class Finish(NamedTuple):
    """How a streamed answer ended: `stop` where the model ended it, `length` where the budget did; its tokens where they are counted."""

    reason: str = "stop"
    usage: Usage | None = None


class Engine(Protocol):
    """What every engine can do."""

    name: str

    @property
    def identity(self) -> dict[str, Any]:
        """What of the model and its settings an answer depends on, besides the request and the sampling."""
        ...

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        """Answer requests, in any order."""
        ...

    def stream(self, request: Request, sampling: Sampling) -> Iterator[str]:
        """Answer one request piece by piece, as text. A generator may return a `Finish`."""
        ...

    def close(self) -> None:
        """Free what the engine holds."""
        ...
