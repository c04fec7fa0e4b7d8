"""A deterministic engine without a model, for tests of what stands above engines.

It looks at no media: labels follow from the record's id, out of the task's label space where it has one. Records named in `fail` become
error rows; after `interrupt_after` answers it behaves as if Ctrl-C had been pressed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from emollm import __version__
from emollm.engines import Request, Sampling
from emollm.prompts import prompt_sha256, render
from emollm.records import Failure, PredictedLabel, Prediction, Provenance, Seen

_LABELS = ("calm", "delighted", "furious", "worried")


class FakeEngine:
    """Answers at once, the same for the same record.

    Args:
        fail: Ids of requests that end as error rows.
        interrupt_after: Number of answers after which KeyboardInterrupt is raised; None never does.
    """

    name = "fake"

    def __init__(self, fail: Collection[str] = (), interrupt_after: int | None = None) -> None:
        self.fail, self.interrupt_after = frozenset(fail), interrupt_after
        self.asked: list[str] = []

    @property
    def identity(self) -> dict[str, Any]:
        """What an answer depends on, besides the request and the sampling."""
        return {"engine": self.name, "model": "fake", "weights_sha256": None}

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        """Answer one request after the other."""
        for request in requests:
            if self.interrupt_after is not None and len(self.asked) >= self.interrupt_after:
                raise KeyboardInterrupt
            self.asked.append(request.id)
            yield self._answer(request, sampling)

    def stream(self, request: Request, sampling: Sampling) -> Iterator[str]:
        """Answer word by word."""
        yield from f"The person appears {_label(request)} .".split(" ")

    def close(self) -> None:
        """Nothing to free."""

    def _answer(self, request: Request, sampling: Sampling) -> Prediction:
        messages = render(request.record, request.task, audio=False, video=False, transcript=request.transcript)
        provenance = Provenance(
            model="fake",
            engine=self.name,
            prompt_sha256=prompt_sha256(messages),
            decode=sampling.to_dict(),
            seed=request.seed,
            emollm=__version__,
        )
        if request.id in self.fail:
            failure = Failure(code="not_media", what="this is no media file", fix="give another one")
            return Prediction(
                id=request.id, task=request.task.name, status="error", error=failure, provenance=provenance
            )
        label = PredictedLabel(text=_label(request))
        return Prediction(
            id=request.id,
            task=request.task.name,
            status="ok",
            labels=(label,),
            parse="ok",
            seen=Seen(),
            provenance=provenance,
        )


def _label(request: Request) -> str:
    """Return the label that belongs to a record's id."""
    space = request.task.label_space or _LABELS
    return space[hashlib.sha256(request.record.id.encode()).digest()[0] % len(space)]
