"""An engine that may die: what it is asked is noted on disk, so that its successor knows which clips it may have died of.

They are asked again one at a time. A clip of which a second engine dies, all by itself, becomes an error row (`engine_died`); it is not
tried for ever. A death that no clip is the cause of, such as that of a whole machine, costs nothing but time.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from emollm import __version__
from emollm.engines import Engine, Request, Sampling
from emollm.engines.reading import failure_fields
from emollm.errors import MediaError
from emollm.prompts import prompt_sha256, render
from emollm.records import Prediction, Provenance

DEATHS = 2


class Careful:
    """Asks an engine, and takes care with what may have been the end of one before.

    Args:
        engine: Who answers.
        notes: File of the ids that were asked, one a line; those of engines before this one are in it.
    """

    def __init__(self, engine: Engine, notes: Path) -> None:
        self.name, self._engine = engine.name, engine
        self.media = getattr(engine, "media", None)  # how clips are decoded ahead
        self._notes = os.open(notes, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        with notes.open(encoding="utf-8") as lines:
            self._before = Counter(json.loads(line) for line in lines if line.endswith("\n"))

    @property
    def identity(self) -> dict[str, Any]:
        """What of the model and its settings an answer depends on."""
        return self._engine.identity

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        """Answer requests; what an engine before this one was asked, alone."""
        for was_asked, group in groupby(requests, lambda request: request.id in self._before):
            if not was_asked:
                yield from self._engine.generate(self._noted(group), sampling)
                continue
            for request in group:
                if self._before[request.id] < DEATHS:
                    yield from self._engine.generate(self._noted([request]), sampling)
                else:
                    yield self._died(request, sampling)

    def stream(self, request: Request, sampling: Sampling) -> Iterator[str]:
        """Answer one request piece by piece."""
        return self._engine.stream(request, sampling)

    def close(self) -> None:
        """Close the notes; the engine stays open."""
        os.close(self._notes)

    def _noted(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Pass requests on, each noted before."""
        for request in requests:
            os.write(self._notes, json.dumps(request.id).encode() + b"\n")
            yield request

    def _died(self, request: Request, sampling: Sampling) -> Prediction:
        """Return the error row of a clip that engines died of."""
        what, fix = f"{DEATHS} engines died of this clip, the last one of it alone", "leave it out, or report it"
        messages = render(
            request.record, request.task, audio=request.audio, video=request.video, transcript=request.transcript
        )
        identity = self.identity
        return Prediction(
            id=request.id,
            task=request.task.name,
            **failure_fields(MediaError("engine_died", what, None, fix), request),
            provenance=Provenance(
                model=str(identity["model"]),
                weights_sha256=identity["weights_sha256"],
                engine=self.name,
                prompt_sha256=prompt_sha256(messages),
                decode=sampling.to_dict(),
                seed=request.seed,
                emollm=__version__,
            ),
        )
