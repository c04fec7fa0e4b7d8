"""An old run in another label space, without asking a model again: labels move to where the emotion wheels put them.

A label that is in the space stays. Else it becomes the one label of the space with which it shares its base word, else its concept, else
the inner, else the outer sector of most wheels; where several are as near, the coarser level decides between them. A label that has no such
place is left out and counted, and an answer that has none left becomes an error row (`outside_space`): never a class.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emollm.batch import Output, companions
from emollm.emotions.maps import Maps
from emollm.jsonl import read_rows
from emollm.records import Failure, PredictedLabel, Prediction


@dataclass
class Relabelled:
    """What one call did: answers written, those with no label left, and labels that had no place, counted."""

    answers: int = 0
    outside: int = 0
    unplaced: Counter[str] = field(default_factory=Counter)


class Space:
    """A label space and the wheels that lead to it.

    Args:
        labels: The labels of the space.
        maps: The wheels.
    """

    def __init__(self, labels: Sequence[str], maps: Maps) -> None:
        self.labels, self.maps = tuple(labels), maps
        self._levels = (("M1",), ("M2",), maps.level(2), maps.level(1))
        self._places: dict[str, str | None] = {label.casefold(): label for label in labels}

    def place(self, label: str) -> str | None:
        """Return the label of the space that a label becomes, or None when there is none, or no single one."""
        word = " ".join(label.casefold().split())
        if word not in self._places:
            self._places[word] = self._nearest(word)
        return self._places[word]

    def _nearest(self, word: str) -> str | None:
        left: Sequence[str] = self.labels
        for groupings in self._levels:
            shared: Counter[str] = Counter()
            for grouping in groupings:
                groups = set(self.maps.group(word, grouping))
                shared.update(label for label in left if groups & set(self.maps.group(label, grouping)))
            most = max(shared.values(), default=0)
            left = [label for label in left if shared[label] == most] if most else left
            if most and len(left) == 1:
                return left[0]
        return None


def relabel(run: Path, space: Space, output: Path) -> Relabelled:
    """Write a run anew with the labels of another space; an interrupted call goes on.

    Args:
        run: Predictions (JSONL).
        space: Where its labels go.
        output: Predictions to write (JSONL), with the files that belong to them.

    Raises:
        ConfigError: The output belongs to another run.
    """
    where = {"labels": list(space.labels), "wheels": space.maps.version, "wheels_sha256": space.maps.sha256}
    done = Relabelled()
    bad = companions(run)[0]
    with Output.open(output, {"relabelled": where, "run": _manifest(run)}) as out:
        for file in (run, bad) if bad.is_file() else (run,):
            for answer in read_rows(file, Prediction):
                made = _moved(answer, space, done.unplaced)
                key = hashlib.sha256(json.dumps([answer.key, where], sort_keys=True).encode()).hexdigest()
                decode = {**answer.provenance.decode, "relabelled": where | {"key": answer.key}}
                provenance = answer.provenance.model_copy(update={"decode": decode})
                done.answers += made.status != "error"
                done.outside += made.error is not None and made.error.code == "outside_space"
                if key not in out:
                    out.add(made.model_copy(update={"key": key, "provenance": provenance}))
    return done


def _moved(answer: Prediction, space: Space, unplaced: Counter[str]) -> Prediction:
    """Return an answer with its labels moved; of labels that meet, the higher score stays."""
    if not answer.labels:
        return answer
    scores: dict[str, float | None] = {}
    for label in answer.labels:
        place = space.place(label.text)
        if place is None:
            unplaced[label.text] += 1
        else:
            known = [score for score in (scores.get(place), label.score) if score is not None]
            scores[place] = max(known, default=None)
    labels = tuple(PredictedLabel(text=text, score=score) for text, score in scores.items())
    if labels:
        return answer.model_copy(update={"labels": labels})
    what = "none of its labels has a place in the space: " + ", ".join(label.text for label in answer.labels)
    failure = Failure(code="outside_space", what=what, fix="take a space with such a label, or one with `other`")
    return answer.model_copy(update={"labels": (), "status": "error", "error": failure})


def _manifest(run: Path) -> object:
    """Return the settings of the run that is relabelled, where they are known."""
    file = companions(run)[1]
    return json.loads(file.read_text(encoding="utf-8")).get("settings") if file.is_file() else str(run.name)
