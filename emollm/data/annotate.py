"""Let models annotate records by a recipe: descriptions, labels that several agree on, soft labels.

    emollm data annotate annotate/crowd records.jsonl -o annotated.jsonl --base-url http://localhost:8000/v1

Step after step, every model is asked about every record. Each answer is on disk before the next is waited for, in `annotated.calls/`: one
predictions file a step, model and vote, keyed by all that the answer depends on. The same command goes on where it was cut off, asks again
what failed, and asks nothing twice; another question or model asks anew. Records are written when all is answered.

A record's own labels stay: models add a description and their votes (`targets.distribution`, kind `model_votes`), never overrule
people. A record without labels gains those that enough voters agree on, with `label_origin: model`. The recipe and its hash stand in
`quality.flags` and in the description's author. Records that failed, or on whose labels too few voters agree, are left out and counted.

Does not: estimate costs beforehand; say whether models are right (measure it against people: `emollm label audit`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from emollm.batch import Output, companions, request_key, run
from emollm.data.annotate_recipe import Annotation, Step
from emollm.data.annotate_votes import agreed, distribution
from emollm.data.stream import stream
from emollm.endpoint import Endpoint
from emollm.engines import Engine, Request
from emollm.errors import EmoError
from emollm.gold import gold_labels
from emollm.jsonl import read_rows, write_rows
from emollm.media.hashes import MediaHashes
from emollm.paths import whole_file
from emollm.records import Description, OpenLabel, Prediction, Quality, Record, Turn

DEFAULT = "default"  # who is asked where a step names nobody
NOTHING = "(nothing to go by)"
Opener = Callable[[str], Engine]
Answers = dict[str, list[Prediction | None]]  # of one record: by step, an entry each model and vote


@dataclass
class Annotated:
    """What came of a run: records by outcome, calls made and reused, tokens as servers count them, what failed."""

    records: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    failures: list[EmoError] = field(default_factory=list)


class Metered(Endpoint):
    """A server whose count of tokens (`usage` of its answers) is kept.

    Args:
        endpoint: The server.
        tokens: Where they are counted; threads may share it.
    """

    def __init__(self, endpoint: Endpoint, tokens: Counter[str]) -> None:
        super().__init__(endpoint.base_url, endpoint.timeout_s, endpoint.tries)
        self._tokens, self._lock = tokens, Lock()

    def post(self, path: str, body: Any) -> Any:
        """Send a JSON value as `Endpoint.post` does, and count what the answer cost."""
        answer = super().post(path, body)
        usage = answer.get("usage") if isinstance(answer, dict) else None
        with self._lock:
            for name in ("prompt_tokens", "completion_tokens"):
                value = (usage or {}).get(name)
                self._tokens[name] += value if isinstance(value, int) else 0
        return answer


def annotate(
    recipe: Annotation, records: Sequence[Path | str], output: Path, opened: Opener, tell: Callable[[str], None] = print
) -> Annotated:
    """Annotate the records of files; media paths of `output` count from its folder.

    Args:
        recipe: Who is asked what.
        records: Records files.
        output: Records file to write; calls go into `<stem>.calls/`, counts into `<stem>.report.json` beside it.
        opened: Gives the engine of a model by its name in the recipe, or of `DEFAULT`.
        tell: Called with a line about progress.

    Raises:
        EmoError: A records file is broken, or a file of calls is in use or damaged.
    """
    made = Annotated()
    try:
        answers = _answers(recipe, records, output.with_name(f"{output.stem}.calls"), opened, made, tell)
        kept = (_annotated(record, recipe, answers[record.id], made) for record in stream(records, output.parent))
        write_rows(output, (record for record in kept if record is not None))
    finally:  # what was asked has its price, even when the run is cut off
        if made.calls:
            _report(output.with_suffix(".report.json"), recipe, made)
    return made


def _answers(
    recipe: Annotation,
    records: Sequence[Path | str],
    folder: Path,
    opened: Opener,
    made: Annotated,
    tell: Callable[[str], None],
) -> dict[str, Answers]:
    """Ask step after step; return the answers by record and step, None for one that failed."""
    asked = list(stream(records))
    answers: dict[str, Answers] = {record.id: {} for record in asked}
    engines: dict[str, Engine] = {}
    with ExitStack() as closing:
        for step in recipe.steps:
            filled = {record.id: _values(record, recipe, answers[record.id]) for record in asked}
            ready = [record for record in asked if filled[record.id] is not None]
            for who in step.by or [DEFAULT]:
                if who not in engines:
                    engines[who] = _metered(opened(who), made.tokens)
                    closing.callback(engines[who].close)
                for vote in range(step.votes):
                    requests = [_request(record, step, filled[record.id] or {}, vote) for record in ready]
                    found = _call(folder, f"{step.name}.{who}.{vote}", engines[who], requests, step, made)
                    for record in ready:
                        answers[record.id].setdefault(step.name, []).append(found.get(record.id))
            tell(f"{step.name}: {len(ready)} records")
    return answers


def _metered(engine: Engine, tokens: Counter[str]) -> Engine:
    """Count the tokens of an engine that asks a server."""
    if isinstance(endpoint := getattr(engine, "endpoint", None), Endpoint):
        engine.endpoint = Metered(endpoint, tokens)  # type: ignore[attr-defined]
    return engine


def _call(
    folder: Path, name: str, engine: Engine, requests: Sequence[Request], step: Step, made: Annotated
) -> dict[str, Prediction]:
    """Ask what is not answered yet; return the answers by record, without those that failed."""
    sampling, identity = step.sampling, engine.identity
    settings = {"step": step.name, "sampling": sampling.to_dict(), "model": dict(identity)}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    file = folder / f"{name}.{digest[:8]}.jsonl"  # another model or sampling has a file of its own
    with Output.open(file, settings, retry_failed=True) as output:
        new = list(run(requests, engine, identity, sampling, output))
    with MediaHashes() as hashes:
        keys = {request_key(request, sampling, identity, hashes) for request in requests}
    rows = [row for row in read_rows(file, Prediction) if row.key in keys]
    failed = [row for row in read_rows(companions(file)[0], Prediction) if row.key in keys]
    made.calls += Counter(made=len(new), reused=len(requests) - len(new), failed=len(failed))
    made.failures += [
        EmoError(f"{row.id}: {row.error.what}", step.name, row.error.fix) for row in failed if row.error is not None
    ]
    return {row.id: row for row in rows}


def _request(record: Record, step: Step, values: Mapping[str, str], vote: int) -> Request:
    """Return a step's question about a record, what it reads above it."""
    words = {} if "text" in step.sees else {"text": (), "context": ()}
    shown = record.model_copy(update=words)
    turns = (*shown.context, *(Turn(speaker=name, text=values[name]) for name in step.reads))
    shown = shown.model_copy(update={"context": turns})
    return Request(record.id, shown, step.task, vote, audio="audio" in step.sees, video="video" in step.sees)


def _values(record: Record, recipe: Annotation, answers: Answers) -> dict[str, str] | None:
    """Return what steps may read; None when a step has no answer at all about this record."""
    texts = {one.kind: one.text for one in record.targets.description}
    values = {kind: texts.get(kind, NOTHING) for kind in ("prosody", "face")}
    values["labels"] = ", ".join(gold_labels(record) or ()) or NOTHING
    for step in recipe.steps:
        if step.name in answers:
            given = [one for one in answers[step.name] if one is not None]
            if not given:
                return None
            values[step.name] = "; ".join(filter(None, map(_text, given))) or NOTHING
    return values


def _text(answer: Prediction) -> str:
    """Return an answer as words."""
    return ", ".join(label.text for label in answer.labels) or (answer.explanation or "").strip()


def _annotated(record: Record, recipe: Annotation, answers: Answers, made: Annotated) -> Record | None:
    """Return a record with what the models said, or None when it is left out."""
    values = _values(record, recipe, answers)
    if values is None:
        made.records["failed"] += 1
        return None
    mark = f"{recipe.name}@{recipe.sha256[:12]}"
    votes = [
        tuple(label.text for label in one.labels) if one else ()
        for name in recipe.result.labels
        for one in answers[name]
    ]
    labels = agreed(votes, recipe.result.agreement) if votes else {}
    if votes and not labels:
        made.records["without agreement"] += 1
        return None
    targets, quality = record.targets, record.quality or Quality()
    update: dict[str, Any] = {}
    if labels and gold_labels(record) is None:
        update["labels_ov"] = tuple(OpenLabel(text=label) for label in labels)
        agreement = round(sum(labels.values()) / len(labels), 4)
        quality = quality.model_copy(update={"label_origin": "model", "agreement": agreement})
    elif labels:
        made.records["kept their own labels"] += 1
    spread = distribution(votes, f"annotate:{recipe.name}")
    if spread is not None:
        others = tuple(one for one in targets.distribution if one.space != spread.space)
        update["distribution"] = (*others, spread)
    if recipe.result.description is not None:
        author = f"model:{_models(answers[recipe.result.description])} annotate:{mark}"
        others_told = tuple(d for d in targets.description if f" annotate:{recipe.name}@" not in d.author)
        told = Description(text=values[recipe.result.description], kind="reasoning", author=author)
        update["description"] = (*others_told, told)
    flags = (*(flag for flag in quality.flags if not flag.startswith(f"annotate:{recipe.name}@")), f"annotate:{mark}")
    made.records["annotated"] += 1
    change = {"targets": targets.model_copy(update=update), "quality": quality.model_copy(update={"flags": flags})}
    return record.model_copy(update=change)


def _models(answers: Sequence[Prediction | None]) -> str:
    """Return the names of the models that answered."""
    return ",".join(dict.fromkeys(one.provenance.model for one in answers if one is not None))


def _report(path: Path, recipe: Annotation, made: Annotated) -> None:
    """Write counts; tokens add up over the runs of one recipe that wrote this file."""
    sha256 = recipe.sha256
    total = Counter(made.tokens)
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        total += Counter(before["tokens_in_all"]) if before.get("recipe_sha256") == sha256 else Counter()
    data = {
        "schema": "emollm.annotation/1",
        "recipe": recipe.model_dump(mode="json"),
        "recipe_sha256": sha256,
        "records": dict(made.records),
        "calls": dict(made.calls),
        "tokens": dict(made.tokens),
        "tokens_in_all": dict(total),
        "failures": [str(one) for one in made.failures],
    }
    with whole_file(path) as out:
        out.write(json.dumps(data, ensure_ascii=False, indent=1) + "\n")
