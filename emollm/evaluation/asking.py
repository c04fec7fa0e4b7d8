"""Who answers a benchmark: an engine, whose answers are kept file by file so that an interrupted run goes on; or a file of answers.

Both are functions from the name of a set of questions and the questions to answers in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emollm.batch import Output, companions, run
from emollm.engines import Engine, Request, Sampling
from emollm.errors import EmoError, collect
from emollm.evaluation.altered import Altering
from emollm.evaluation.extraction import Outputs
from emollm.jsonl import read_rows, write_rows
from emollm.records import Prediction

Ask = Callable[[str, Sequence[Request]], list[Prediction]]
FOLDER = "predictions"


@dataclass(frozen=True)
class AskEngine:
    """Asks an engine; the answers to a set of questions are in `folder/predictions/NAME.jsonl`.

    Attributes:
        folder: Folder of the evaluation.
        engine: Who answers.
        identity: The engine's model and settings.
        sampling: How answers are drawn.
        settings: What else all answers of this evaluation have in common.
        tell: Called with a line about progress.
        retry_failed: Ask again what ended as an error before.
    """

    folder: Path
    engine: Engine
    identity: Mapping[str, Any]
    sampling: Sampling
    settings: Mapping[str, Any] = field(default_factory=dict)
    tell: Callable[[str], None] = lambda line: None
    retry_failed: bool = False

    def __call__(self, name: str, requests: Sequence[Request]) -> list[Prediction]:
        """Answer what is not answered yet; return all answers in the order of the requests.

        Raises:
            EmoError: The engine gave no answer for some.
        """
        path = self.folder / FOLDER / f"{name}.jsonl"
        common = {"set": name, "sampling": self.sampling.to_dict(), "model": dict(self.identity), **self.settings}
        with Output.open(path, common, retry_failed=self.retry_failed) as output:
            before = len(output.done)
            for _ in run(requests, Altering(self.engine), self.identity, self.sampling, output):
                pass
            self.tell(f"{name}: {len(output.done) - before} new answers, {before} done before")
        by_id = read_answers(path)
        missing = [request.id for request in requests if request.id not in by_id]
        if missing:
            fix = "run the same command again: it goes on from there"
            raise EmoError(f"{len(missing)} clip(s) without an answer, such as {missing[0]}", str(path), fix)
        return [by_id[request.id] for request in requests]


@dataclass(frozen=True)
class AskFile:
    """Takes answers out of a file of answers, by the record's id or native id; every set of questions gets the same.

    Attributes:
        folder: Folder of the evaluation; the answers are kept in `folder/predictions/NAME.jsonl`, as an engine's are.
        outputs: The file, read.
    """

    folder: Path
    outputs: Outputs

    def __call__(self, name: str, requests: Sequence[Request]) -> list[Prediction]:
        """Return the answers in the order of the requests, under the records' ids.

        Raises:
            EmoError: The file has problems, or lacks answers; all are told.
        """
        problems = list(self.outputs.problems)
        by_id: dict[str, Prediction] = {}
        for one in self.outputs.predictions:
            if one.id in by_id:
                problems.append(EmoError(f"{one.id} twice", str(self.outputs.path), "keep one answer a clip"))
            by_id[one.id] = one
        found = {r.id: by_id.get(r.record.id) or by_id.get(r.record.native_id or "") for r in requests}
        missing = [id_ for id_, one in found.items() if one is None]
        if missing:
            what = f"{len(missing)} clip(s) of {name} without an answer, such as {missing[0]}"
            problems.append(EmoError(what, str(self.outputs.path), "a missing answer is not left out"))
        if error := collect(problems, "{n} problem(s) in the answers:"):
            raise error
        answers = [one.model_copy(update={"id": id_}) for id_, one in found.items() if one is not None]
        write_rows(self.folder / FOLDER / f"{name}.jsonl", answers)
        return answers


def read_answers(path: Path) -> dict[str, Prediction]:
    """Return the answers of a set of questions by id: the latest of a clip, an answer before an error."""
    bad = companions(path)[0]
    rows = [*(read_rows(bad, Prediction) if bad.is_file() else ()), *read_rows(path, Prediction)]
    return {row.id: row for row in rows}
