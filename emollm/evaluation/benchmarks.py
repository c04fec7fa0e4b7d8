"""A benchmark is a leaf: a YAML file that says which records are asked what and how the answers are scored, and perhaps a small .py.

    benchmark = load_benchmark("mer_unibench")        # a bundled one; or the path of your own YAML file

The bundled leaves lie in eval/; a user's own leaf is worth as much. Keys: the classes below. Unknown keys are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from emollm.config_model import Count, Section
from emollm.config_yaml import YamlFile, nearest, validate
from emollm.errors import ConfigError
from emollm.paths import bundled
from emollm.plugins import load_module
from emollm.prompts import TASKS, Task


def _as_tuple(value: Any) -> Any:
    """Let one word stand for a list of one; strict mode wants a tuple."""
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str | int) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
Given = Annotated[str, Field(pattern="^a?v?t?$", min_length=1)]


class Query(Section):
    """Which records: each key that is given must hold."""

    dataset: Names
    """`Record.dataset`: the name of the leaf of data_prep/ that reads the data set."""
    split: Names = ()
    subset: Names = ()
    fold: Annotated[tuple[int, ...], BeforeValidator(_as_tuple)] = ()
    label: Names = ()
    """Only clips of these classes."""


class Part(Section):
    """One set of clips with one question and one number."""

    records: Query
    clips: Count | None = None
    """How many clips the published set has; another number is refused."""
    task: Literal["labels", "cues", "explain", "full"] = "labels"
    """What an answer holds."""
    asks: Literal["task", "qa", "preference"] = "task"
    """What a clip is asked: the task's question, its own (`targets.qa`), or which of two descriptions fits (`targets.preference`)."""
    question: str | None = None
    """Other words for the task's question."""
    paraphrases: Names = ()
    """The same question in other words: what the variants `prompt-1`, `prompt-2`, ... ask."""
    labels: Names = ()
    """Closed set of labels; none: open vocabulary."""
    given: Given = "avt"
    """Which of audio, video, text the benchmark gives."""
    metrics: Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
    """Names of `emollm score`, or `file.py:NAME` of a `Metric`; the first one is the part's number."""
    ranks: str | None = None
    """Which value of the first metric is the part's number, if not the one that ranks elsewhere."""
    wheels: Names = ()
    """Wheels of the metrics that are over wheels."""
    cluster: Literal["speaker", "dialogue", "clip"] | None = None
    """What intervals draw; none: speakers where each clip names one, else clips."""
    ablate: bool = False
    """Ask with each subset of the modalities, also without `--ablate`."""
    folds: bool = False
    """The number is the mean over `Record.fold`."""
    without_truth: Literal["refuse", "leave out"] = "refuse"
    """What becomes of clips without the truth that the number needs."""
    measure: str | None = None
    """`file.py:function` beside the leaf: what else is measured (see `Measured` in runner.py)."""
    quirks: Names = ()
    """Oddities of the published protocol that are kept, each in a sentence."""

    def asked(self, prompt: int = 0) -> Task:
        """Return the task; `prompt` counts from 0, the question itself, through the paraphrases."""
        task = TASKS[self.task]
        if self.question is not None:
            task = task.with_question(self.question)
        if prompt:
            task = task.with_question(self.paraphrases[prompt - 1])
        return task.with_labels(self.labels) if self.labels else task


class Decode(Section):
    """How answers are drawn."""

    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_new_tokens: Count = 400


class Reported(Section):
    """A published number; it is shown beside measured ones, never among them."""

    system: str
    value: float
    part: str | None = None
    """None: the mean of all parts."""
    paper: str


class Spec(Section):
    """What the YAML file of a benchmark holds."""

    title: str
    about: str
    """What is measured, in a sentence."""
    measures_not: str
    """What its number does not tell."""
    version: Count
    """Counted up whenever a change moves a number."""
    paper: str
    data: Names
    """The commands that make its records."""
    parts: Annotated[dict[str, Part], Field(min_length=1)]
    mean: bool = False
    """The mean over the parts means something."""
    decode: Decode = Decode()
    make: str | None = None
    """`file.py:function` beside the leaf that makes the records when no data are named: folder -> records files."""
    reported: Annotated[tuple[Reported, ...], BeforeValidator(_as_tuple)] = ()
    notes: Names = ()


@dataclass(frozen=True)
class Benchmark:
    """A leaf, read: its name, its file, what it says, and a hash of all its files."""

    name: str
    path: Path
    spec: Spec
    sha256: str

    def named(self, reference: str) -> Any:
        """Return what `file.py:name` names; the file lies beside the leaf.

        Raises:
            EmoError: There is no such file, or no such name in it.
        """
        file, _, name = reference.rpartition(":")
        module = _module(self.path.parent / file)
        if name not in vars(module):
            raise ConfigError(f"no {name!r} in {file}", str(self.path), f"define it in {self.path.parent / file}")
        return vars(module)[name]

    @property
    def facts(self) -> dict[str, Any]:
        """What results carry of it."""
        spec = self.spec
        told = {"title": spec.title, "about": spec.about, "measures_not": spec.measures_not, "paper": spec.paper}
        source = self.name if self.path.parent == bundled("eval") else str(self.path.resolve())
        return {"name": self.name, "source": source, **told, "version": spec.version, "sha256": self.sha256}


def load_benchmark(name: str | Path) -> Benchmark:
    """Return a bundled benchmark by its name, or any by the path of its YAML file.

    Raises:
        ConfigError: There is no such leaf, or it is wrong; all problems are told.
    """
    path = Path(name) if str(name).endswith((".yaml", ".yml")) else bundled("eval") / f"{name}.yaml"
    if not path.is_file():
        hint = nearest(str(name), benchmark_names())
        raise ConfigError(f"no benchmark of this name{hint}", str(name), "see emollm eval ls, or give a YAML file")
    spec = validate(Spec, YamlFile.read(path))
    _check(spec, path)
    digest = hashlib.sha256(path.read_bytes())
    for file in _code(spec):
        digest.update(_source(path.parent / file, path))
    return Benchmark(path.stem, path, spec, digest.hexdigest())


def benchmark_names() -> list[str]:
    """Return the names of the bundled benchmarks."""
    return sorted(path.stem for path in bundled("eval").glob("*.yaml"))


def subsets_of(given: str) -> tuple[str, ...]:
    """Return every subset of modalities, the whole first."""
    return tuple("".join(some) for size in range(len(given), 0, -1) for some in combinations(given, size))


def list_text(benchmarks: Iterable[Benchmark]) -> str:
    """Return one line a benchmark: name, clips, data sets that it needs, title."""
    rows = []
    for one in benchmarks:
        parts = one.spec.parts.values()
        counts = [part.clips for part in parts]
        clips = f"{sum(filter(None, counts)):,}" if all(counts) else ""
        needs = dict.fromkeys(name for part in parts for name in part.records.dataset)
        rows.append((one.name, clips, ", ".join(needs), one.spec.title))
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def info_text(benchmark: Benchmark) -> str:
    """Return all that a leaf says, as Markdown."""
    spec = benchmark.spec
    lines = [f"## {spec.title} (`{benchmark.name}`, version {spec.version})", "", spec.about, ""]
    lines += [f"- does not measure: {spec.measures_not}", f"- paper: {spec.paper}"]
    lines += [f"- data: `{command}`" for command in spec.data]
    lines += [f"- note: {note}" for note in spec.notes]
    lines += ["", "| part | clips | records | given | question | scored by |", "|---|---|---|---|---|---|"]
    for name, part in spec.parts.items():
        where = "; ".join(f"{key} {', '.join(map(str, value))}" for key, value in part.records if value)
        labels = f" Choose from: {', '.join(part.labels)}." if part.labels else ""
        over = f" over {', '.join(part.wheels)}" if part.wheels else ""
        mean = ", mean over folds" if part.folds else ""
        cells = (name, part.clips or "", where, part.given, part.asked().question + labels)
        lines.append("| " + " | ".join(map(str, cells)) + f" | {', '.join(part.metrics)}{over}{mean} |")
    kept: dict[str, list[str]] = {}
    for name, part in spec.parts.items():
        for quirk in part.quirks:
            kept.setdefault(quirk, []).append(name)
    lines += ["", *(f"- kept as published ({', '.join(names)}): {quirk}" for quirk, names in kept.items())]
    for row in spec.reported:
        lines.append(f"- reported: {row.system} {row.value:g} ({row.part or 'mean'}), {row.paper}")
    return "\n".join(lines).strip() + "\n"


@cache
def _module(path: Path) -> ModuleType:
    return load_module(path)


def _code(spec: Spec) -> list[str]:
    """Return the names of the .py files that a leaf refers to."""
    parts = spec.parts.values()
    references = [spec.make, *(part.measure for part in parts), *(name for part in parts for name in part.metrics)]
    return sorted({one.rpartition(":")[0] for one in references if one and ":" in one})


def _source(file: Path, leaf: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        raise ConfigError(f"names {file.name}, which is not there", str(leaf), f"put it into {file.parent}") from None


def _check(spec: Spec, path: Path) -> None:
    """Refuse what the schema cannot see.

    Raises:
        ConfigError: A reported number is of no part, or a part asks for too little.
    """
    for row in spec.reported:
        if row.part is not None and row.part not in spec.parts:
            raise ConfigError(f"{row.system} is reported for {row.part}", str(path), "name one of the parts")
