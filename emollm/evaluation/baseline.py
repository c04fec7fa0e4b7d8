"""Answers that no language model gives, to stand beside one's own: what `emollm eval baseline` asks.

- `constant`: the most frequent label of the training clips for every clip; in open vocabulary the list of the most frequent ones, as long
  as gold lists are on average. It looks at nothing.
- a linear probe on the mean state of a frozen tower (probe.py): closed sets only.

Training clips are those of the same data set; where clips have folds, those of the other folds. A clip that is asked about is never learnt
from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emollm import __version__
from emollm.engines import Request
from emollm.errors import ConfigError
from emollm.evaluation.asking import FOLDER
from emollm.evaluation.families import clean
from emollm.evaluation.probe import ridge_classes
from emollm.gold import gold_labels
from emollm.jsonl import write_rows
from emollm.records import PredictedLabel, Prediction, Provenance, Record

Answers = list[tuple[str, ...]]
Answerer = Callable[[Sequence[Record], Sequence[Request]], Answers]
"""Takes training records and questions; returns the labels that answer each."""


@dataclass(frozen=True)
class AskBaseline:
    """Answers a benchmark's questions out of training records; as `AskEngine` to who asks.

    Attributes:
        folder: Folder of the evaluation.
        model: The baseline's name.
        train: Training records.
        answer: Answers the questions about clips of one fold.
    """

    folder: Path
    model: str
    train: Sequence[Record]
    answer: Answerer

    def __call__(self, name: str, requests: Sequence[Request]) -> list[Prediction]:
        """Return the answers in the order of the requests.

        Raises:
            ConfigError: A question is not one of labels, or there is nothing to learn from.
        """
        labels: dict[str, tuple[str, ...]] = {}
        for fold in sorted({request.record.fold for request in requests}, key=str):
            mine = [request for request in requests if request.record.fold == fold]
            found = self.answer(self._learns_from(mine, fold, name), mine)
            labels |= {request.id: words for request, words in zip(mine, found, strict=True)}
        made = Provenance(model=self.model, engine="baseline", emollm=__version__)
        answers = [
            Prediction(
                id=request.id,
                task=request.task.name,
                status="ok" if labels[request.id] else "insufficient_evidence",
                labels=tuple(PredictedLabel(text=word) for word in labels[request.id]),
                parse="ok",
                provenance=made,
            )
            for request in requests
        ]
        write_rows(self.folder / FOLDER / f"{name}.jsonl", answers)
        return answers

    def _learns_from(self, requests: Sequence[Request], fold: int | None, name: str) -> list[Record]:
        """Return the training clips for questions about clips of one fold."""
        asked, sets = {request.id for request in requests}, {request.record.dataset for request in requests}
        pool = [one for one in self.train if one.dataset in sets and (fold is None or one.fold != fold)]
        if held := [one.id for one in pool if one.id in asked]:
            what = f"{len(held)} clip(s) that are asked about are training clips, such as {held[0]}"
            raise ConfigError(what, "--train", "name records of a training split")
        kept = [one for one in pool if gold_labels(one)]
        if not kept:
            what = f"no training clip with labels for {name}"
            raise ConfigError(what, "--train", f"records of {', '.join(sorted(map(str, sets)))}")
        return kept


def constant(train: Sequence[Record], requests: Sequence[Request]) -> Answers:
    """Answer every question with the most frequent labels of the training clips."""
    space = requests[0].task.label_space
    known = None if space is None else {clean(label): label for label in space}
    lists = [[clean(word) for word in gold_labels(record) or ()] for record in train]
    if known is not None:
        lists = [[known[word] for word in words if word in known] for words in lists]
    count = 1 if known is not None else max(1, round(float(np.mean([len(words) for words in lists]))))
    often = Counter(word for words in lists for word in words)
    return [tuple(word for word, _ in often.most_common(count))] * len(requests)


def probed(states: Callable[[Record], np.ndarray | None]) -> Answerer:
    """Return what answers by a linear probe on the state of each clip, (width,); a clip that has none gets no answer."""
    known: dict[str, np.ndarray | None] = {}

    def state(record: Record) -> np.ndarray | None:
        if record.id not in known:
            known[record.id] = states(record)
        return known[record.id]

    def answer(train: Sequence[Record], requests: Sequence[Request]) -> Answers:
        space = requests[0].task.label_space
        if space is None:
            raise ConfigError("a probe needs a closed set of labels", requests[0].task.question, "leave out --tower")
        place = {clean(label): i for i, label in enumerate(space)}
        classed = [(one, place[word]) for one in train if (word := clean((gold_labels(one) or ("",))[0])) in place]
        seen = [(one, number, vector) for one, number in classed if (vector := state(one)) is not None]
        if len({number for _, number, _ in seen}) < 2:
            raise ConfigError("training clips of fewer than two classes", "--train", f"classes: {', '.join(space)}")
        speakers = [one.subject_id or (one.speaker.id if one.speaker else None) or one.id for one, _, _ in seen]
        x, y = np.stack([vector for *_, vector in seen]), np.array([number for _, number, _ in seen])
        named, _ = ridge_classes(x, y, speakers)
        vectors = [state(request.record) for request in requests]
        return [() if vector is None else (space[int(named(vector[None])[0])],) for vector in vectors]

    return answer
