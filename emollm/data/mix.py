"""Draw one training set out of several records files: weights, caps, temperature, tasks with their own wordings of the question.

    emollm data mix mix.yaml -o mixed.jsonl

    sources:
      - {records: meld.jsonl, weight: 2, tasks: {labels: 1}, labels: [anger, joy, sadness, neutral, disgust, fear, surprise]}
      - {records: mer2025.jsonl, cap: 20000, tasks: {labels: 1, explain: 2}}
    total: 30000
    temperature: 2
    templates:
      labels: ["Which emotions does the person appear to express?", "Name the emotions you perceive."]

The share of a source is `weight * min(size, cap) ** (1 / temperature)`: examples-proportional mixing with a limit and a temperature (Raffel
et al. 2020, section 3.5.2, https://arxiv.org/abs/1910.10683). Temperature 1 follows the sizes, a large one makes sources equal. A source
that is asked for more than it has is gone through again, its copies named `id#2`, `id#3` with the first as their parent.

With `tasks` each record is asked one question, which it carries in `targets.qa` (any other question of it is dropped). All chance follows
from the seed, the places of sources in the list and the ids. One pass counts, the others stream: memory does not grow with the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Annotated

from pydantic import Field, model_validator

from emollm.config_model import Count, Positive, Section
from emollm.config_yaml import YamlFile, nearest, validate
from emollm.data.stream import unchecked, unique
from emollm.errors import ConfigError, EmoError
from emollm.jsonl import write_rows
from emollm.prompts import TASKS, Task, answer_string, render
from emollm.records import QA, Modality, Record, RecordProvenance
from emollm.train.targets import lesson, teachable

ALL: tuple[Modality, ...] = ("audio", "video", "text")


class Source(Section):
    """A records file, how much of it is wanted, and what its records are asked."""

    records: str
    """Records file (JSONL); a relative path counts from the folder that the command runs in."""
    weight: Positive = 1.0
    cap: Count | None = None
    """Use at most so many of its records."""
    tasks: Annotated[dict[str, Positive], Field(min_length=1)] | None = None
    """Tasks of emollm.prompts and their weights; null leaves the records as they are."""
    labels: Annotated[list[str], Field(min_length=1)] | None = None
    """Closed set of labels that the question names; a record with another label is refused."""


class Mix(Section):
    """What is drawn from where."""

    sources: Annotated[list[Source], Field(min_length=1)]
    total: Count | None = None
    """Number of records to draw; null: as many as the sources hold within their caps."""
    temperature: Positive = 1.0
    seed: int = 0
    templates: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(default_factory=dict)
    """Wordings of the question of a task; the task's own is used where there is none."""

    @model_validator(mode="after")
    def _known(self) -> Mix:
        asked = [name for source in self.sources for name in source.tasks or ()]
        unknown = [name for name in dict.fromkeys([*asked, *self.templates]) if name not in TASKS]
        if unknown:
            raise ValueError("; ".join(f"unknown task `{name}`{nearest(name, TASKS)}" for name in unknown))
        if "ask" in self.templates:
            raise ValueError("task `ask` brings the questions of the records: it has no templates")
        return self


@dataclass
class Mixed:
    """What was drawn: for each source its size, how many of its records were used, and rows; `left_out`: records no task of theirs fits."""

    rows: int = 0
    sources: list[dict[str, str | int]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def load_mix(path: Path, settings: Iterable[str] = ()) -> Mix:
    """Read a mix from YAML, with dotted settings such as `total=5000` laid over it.

    Raises:
        ConfigError: Everything that is wrong, each problem with file, line and key.
    """
    file = YamlFile.read(path)
    file.override(settings)
    return validate(Mix, file)


def mix(config: Mix, output: Path) -> Mixed:
    """Draw the records and write them; media paths count from the folder of `output`.

    Raises:
        ConfigError: A source is empty.
        EmoError: A source is missing or broken, an id occurs in two sources, or a label lies outside a source's closed set.
    """
    sizes = [_count(Path(source.records)) for source in config.sources]
    pools = [min(size, source.cap or size) for size, source in zip(sizes, config.sources, strict=True)]
    weights = [
        source.weight * pool ** (1 / config.temperature) for source, pool in zip(config.sources, pools, strict=True)
    ]
    rows = apportion(weights, config.total or sum(pools))
    made = Mixed(
        sources=[
            {"records": source.records, "size": size, "used": min(pool, count), "rows": count}
            for source, size, pool, count in zip(config.sources, sizes, pools, rows, strict=True)
        ]
    )

    def draw() -> Iterator[Record]:
        made.left_out.clear()
        chance = _chance(config.seed, "order")
        places = range(len(rows))
        drawn = [_draw(config, at, sizes[at], pools[at], rows[at], output.parent, made.left_out) for at in places]
        left = list(rows)
        while any(left):
            at = chance.choices(places, left)[0]
            left[at] -= 1
            if (record := next(drawn[at])) is not None:
                yield record

    names = ", ".join(source.records for source in config.sources)
    made.rows = write_rows(output, unique(draw, names))
    return made


def apportion(weights: Sequence[float], total: int) -> list[int]:
    """Share out `total` in proportion to weights, the rest to the largest remainders.

    >>> apportion([2, 1, 1], 10)
    [5, 3, 2]
    """
    exact = [weight / sum(weights) * total for weight in weights]
    counts = [int(share) for share in exact]
    for at in sorted(range(len(exact)), key=lambda at: counts[at] - exact[at])[: total - sum(counts)]:
        counts[at] += 1
    return counts


def _draw(
    config: Mix, place: int, size: int, pool: int, rows: int, folder: Path, left_out: Counter[str]
) -> Iterator[Record | None]:
    """Yield `rows` records of a source, None for one that no task fits: a fixed `pool` of its records, gone through as often as need be."""
    source = config.sources[place]
    turns, rest = divmod(rows, pool)
    for turn in range(turns + (rest > 0)):
        records: Iterable[Record] = some(
            unchecked([source.records], folder), pool, size, _chance(config.seed, place, "pool")
        )
        if turn == turns:
            records = some(records, rest, pool, _chance(config.seed, place, "rest"))
        for record in records:
            copy = _copy(record, turn)
            asked = copy if source.tasks is None else _asked(copy, source, source.tasks, config)
            left_out[source.records] += asked is None
            yield asked


def some(records: Iterable[Record], n: int, size: int, chance: Random) -> Iterator[Record]:
    """Yield `n` of `size` records in their order, every choice as likely (algorithm S: Knuth, The Art of Computer Programming 3.4.2)."""
    for record in records:
        if chance.random() * size < n:
            n -= 1
            yield record
        size -= 1


def _copy(record: Record, turn: int) -> Record:
    """Return the record as it is drawn in this turn; what is drawn again gets a name of its own, and the first one as its parent."""
    if turn == 0:
        return record
    provenance = record.provenance or RecordProvenance()
    provenance = provenance.model_copy(update={"parents": (*provenance.parents, record.id)})
    return record.model_copy(update={"id": f"{record.id}#{turn + 1}", "provenance": provenance})


def _asked(record: Record, source: Source, tasks: Mapping[str, float], config: Mix) -> Record | None:
    """Return the record with one question out of the tasks it can teach, or None when it can teach none of them."""
    fitting = [name for name in tasks if teachable(record, TASKS[name], ALL)]
    if not fitting:
        return None
    chance = _chance(config.seed, record.id)
    name = chance.choices(fitting, [tasks[name] for name in fitting])[0]
    if name == "ask":
        qa = chance.choice(record.targets.qa or ()).model_copy(update={"task": name})
    else:
        task = TASKS[name]
        if name in config.templates:
            task = task.with_question(chance.choice(config.templates[name]))
        qa = _question(record, task if source.labels is None else task.with_labels(tuple(source.labels)))
    return record.model_copy(update={"targets": record.targets.model_copy(update={"qa": (qa,)})})


def _question(record: Record, task: Task) -> QA:
    """Return a task's question about a record and the answer that the model should write."""
    answer = lesson(record, task, ALL).answer
    outside = sorted(set(answer.labels) - set(task.label_space or answer.labels))
    if outside:
        fix = "add them to the source's `labels`, or leave `labels` out"
        raise EmoError(f"labels outside the closed set: {', '.join(outside)}", record.id, fix)
    (message,) = render(Record(id=record.id), task, audio=False, video=False)
    needs = tuple(dict.fromkeys(cue.modality for cue in answer.cues)) if "cues" in task.answer_keys else ()
    text = message["content"][-1]["text"]
    return QA(question=text, answer=answer_string(answer, task), task=task.name, needs=needs)


def _chance(*name: object) -> Random:
    """Return the chance that belongs to a name; no secret depends on it."""
    return Random(" ".join(map(str, name)))  # noqa: S311


def _count(path: Path) -> int:
    """Return how many records a file holds."""
    if not path.is_file():
        raise ConfigError("no such file", str(path), "give a records file (JSONL)")
    with path.open("rb") as lines:
        count = sum(1 for line in lines if line.strip())
    if not count:
        raise ConfigError("holds no records", str(path), "take this source out")
    return count
