"""Run a benchmark: what `emollm eval run` does, as a function.

    results = run_benchmark(load_benchmark("meld"), ask, Call(data=(Path("meld.jsonl"),), folder=Path("runs/eval/meld")), identity)

Two hops from command to model: cli/eval_run.py -> here -> batch/. For each part, subset of modalities, seed and variant the records are
asked about, the answers are scored with intervals, and results.json is written anew, whole, so that an interrupted run leaves what it has.

Truth is looked for before anything is asked. An answer that is an error or cannot be read stays in the denominator, without labels.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emollm.engines import Sampling
from emollm.errors import ConfigError
from emollm.evaluation.asking import FOLDER, Ask
from emollm.evaluation.benchmarks import Benchmark, Part, subsets_of
from emollm.evaluation.choose import SOFT, Chosen
from emollm.evaluation.part_scores import chosen_of, score_answers
from emollm.evaluation.prose import LEXICON, read_prose
from emollm.evaluation.questions import in_words, prompt_of, requests_of
from emollm.evaluation.results import FILE, SCHEMA, summary
from emollm.evaluation.robustness import against_plain, shortcuts, spreads
from emollm.evaluation.score import plain, save
from emollm.evaluation.selecting import read_pool, records_files, select, with_truth
from emollm.evaluation.variants import PLAIN
from emollm.records import Prediction, Record
from emollm.run import environment, sha256


@dataclass(frozen=True)
class Call:
    """How a benchmark is run.

    Attributes:
        data: Records files, or folders that hold them.
        folder: Where answers and results go.
        given: Subsets of modalities; none: what the benchmark says.
        seeds: Seeds of sampling.
        variants: Ways of asking (variants.py).
        limit: At most so many clips a part.
        wheels: Other wheels than the benchmark's.
        allow_missing: Score the parts there are, whatever the number of their clips.
        selected_on: On which split the model was chosen: none, dev or test.
        reproduce_paper: The model was chosen on the test set because the paper did so.
        draws: Bootstrap draws.
        extract: `lexicon`: ask for free text, and read labels from it (prose.py); the name of a model that reads them (text_labels.py);
            empty: the model answers labels.
        embeddings: Sentence encoder by which statements are matched; empty: by words and emotions.
    """

    data: tuple[Path, ...]
    folder: Path
    given: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    variants: tuple[str, ...] = (PLAIN,)
    limit: int | None = None
    wheels: tuple[str, ...] = ()
    allow_missing: bool = False
    selected_on: str = "none"
    reproduce_paper: bool = False
    draws: int = 1000
    extract: str = ""
    embeddings: str = ""


@dataclass(frozen=True)
class Measured:
    """What a leaf's own `measure(measured)` gets: a part's records, the answers given each subset of modalities, and who answers.

    Attributes:
        name: The part's name.
        records: The part's records.
        answers: Given -> answers, in the order of the records.
        ask: Asks more: name and requests -> answers.
        part: What the leaf says.
        files: The records files.
    """

    name: str
    records: Sequence[Record]
    answers: Mapping[str, Sequence[Prediction]]
    ask: Ask
    part: Part
    files: Sequence[Path]


@dataclass
class _Run:
    """One evaluation on its way."""

    benchmark: Benchmark
    ask: Ask
    call: Call
    files: Sequence[Path]
    results: dict[str, Any]
    chosen: Mapping[str, list[Chosen]] = field(default_factory=dict)

    def part(self, name: str, records: Sequence[Record]) -> None:
        """Ask and score one part in every way that is asked for."""
        part, call = self.benchmark.spec.parts[name], self.call
        plain_answers: dict[str, Sequence[Prediction]] = {}  # of the first seed
        for given in _subsets(part, call):
            for seed in call.seeds:
                plainly: Sequence[Prediction] = ()
                for way in call.variants:
                    requests = requests_of(part, records, given, seed, way, call.extract)
                    if requests is None:
                        continue
                    marks = [f"s{seed}" if seed else "", way if way != PLAIN else "", "text" if call.extract else ""]
                    stem = ".".join(filter(None, [name, given, *marks]))
                    answers = self.ask(stem, requests)
                    if call.extract == LEXICON:
                        answers = [read_prose(answer, part.labels) for answer in answers]
                    if way == PLAIN:
                        plainly = answers
                        plain_answers.setdefault(given, answers)
                    asked = {"given": given, "seed": seed, "variant": way}
                    self.add(name, records, answers, asked, stem, against_plain(plainly, answers) if plainly else None)
        if part.measure is not None and plain_answers:
            measure = self.benchmark.named(part.measure)
            extra = measure(Measured(name, records, plain_answers, self.ask, part, self.files))
            self.results["runs"][self._fullest(name)]["extra"] = plain(extra)
            self.save()

    def add(
        self,
        name: str,
        records: Sequence[Record],
        answers: Sequence[Prediction],
        way: Mapping[str, Any],
        stem: str,
        changed: Mapping[str, Any] | None,
    ) -> None:
        """Score the answers of one run, and write the results so far; `changed`: what differs from the plain answers."""
        part, path = self.benchmark.spec.parts[name], f"{FOLDER}/{stem}.jsonl"
        task = part.asked(prompt_of(way["variant"]))
        task = in_words(part, task) if self.call.extract else task
        scored = score_answers(
            part, self.chosen[name], records, answers, self.call.draws, tables=way["variant"] == PLAIN
        )
        run = {
            "part": name,
            **way,
            "answers": f"extracted:{self.call.extract}" if self.call.extract else "native",
            "clips": len(records),
            "expected": part.clips,
            "folds": sorted({record.fold for record in records if record.fold is not None}) or None,
            "task": part.task,
            "asks": part.asks,
            "question": task.question,
            "labels": part.labels or None,
            "question_sha256": hashlib.sha256(f"{task.question}|{task.label_space}".encode()).hexdigest(),
            "predictions": path,
            "predictions_sha256": sha256(self.call.folder / path),
            "counts": _counts(answers),
            "unseen": _unseen(way["given"], answers),
            **scored,
            **({"against_plain": changed} if changed and way["variant"] != PLAIN else {}),
            "ids": [record.id for record in records],
        }
        self.results["runs"].append(plain(run))
        if valid_for := {a.provenance.valid_for for a in answers} - {None}:
            self.results["model"]["valid_for"] = ", ".join(sorted(map(str, valid_for)))
        self.save()

    def save(self, state: str = "partial") -> None:
        """Write results.json, whole."""
        self.results["state"] = state
        runs = self.results["runs"]
        spec = self.benchmark.spec
        self.results["summary"] = plain(summary(runs, list(spec.parts), spec.averaged))
        self.results["spread"], self.results["shortcut"] = plain(spreads(runs)), plain(shortcuts(runs))
        save(self.results, self.call.folder / FILE)

    def _fullest(self, name: str) -> int:
        """Return the place of the part's first plain run with the most modalities."""
        places = [i for i, run in enumerate(self.results["runs"]) if run["part"] == name and run["variant"] == PLAIN]
        return max(places, key=lambda i: len(self.results["runs"][i]["given"]))


def run_benchmark(
    benchmark: Benchmark,
    ask: Ask,
    call: Call,
    model: Mapping[str, Any],
    tell: Callable[[str], None] = lambda line: None,
    notes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run a benchmark and return the results, which are in `call.folder` as well.

    Args:
        benchmark: The leaf.
        ask: Who answers (asking.py).
        call: How it is run.
        model: Identity of the model, for the results.
        tell: Called with a line about progress.
        notes: What else the results carry, such as what leaks were looked for.

    Raises:
        ConfigError: The call is wrong, or records are missing.
        EmoError: Truth is missing, answers cannot be scored, or the engine fails; what was answered is kept.
    """
    if call.selected_on == "test" and not call.reproduce_paper:
        fix = "choose on dev; --reproduce-paper admits it where a paper did so"
        raise ConfigError("a model chosen on the test set has no test score", "--selected-on test", fix)
    files, parts = records_files(call.data), benchmark.spec.parts.items()
    chosen = {name: chosen_of(benchmark, part, call.wheels, call.embeddings) for name, part in parts}
    if call.embeddings and not any(one.encoder for each in chosen.values() for one in each):
        fix = f"leave it out; it is for {', '.join(SOFT)}"
        raise ConfigError("no metric of the benchmark matches statements", "--embeddings", fix)
    found = select(benchmark, read_pool(files), allow_missing=call.allow_missing, limit=call.limit)
    kept = {name: _judged(name, benchmark.spec.parts[name], chosen[name][0], found[name]) for name in found}
    if not any(_subsets(benchmark.spec.parts[name], call) for name in kept):
        given = ", ".join(dict.fromkeys(part.given for part in benchmark.spec.parts.values()))
        raise ConfigError(f"{benchmark.name} gives {given}", f"--ablate {','.join(call.given)}", "name subsets of it")
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "state": "partial",
        "benchmark": benchmark.facts,
        "model": dict(model),
        "call": plain(_told(call, benchmark)),
        "data": [{"path": str(path.resolve()), "sha256": sha256(path)} for path in files],
        "runs": [],
        "summary": [],
        "reported": [row.model_dump() for row in benchmark.spec.reported],
        **(notes or {}),
        "provenance": environment(str(model.get("device", "cpu"))),
    }
    going = _Run(benchmark, ask, call, files, results, chosen)
    for name, records in kept.items():
        tell(f"{name}: {len(records):,} clips")
        going.part(name, records)
    going.save("done")
    return results


def _subsets(part: Part, call: Call) -> Sequence[str]:
    """Return the subsets of modalities that a part is asked with."""
    if call.given:
        return [given for given in call.given if set(given) <= set(part.given)]
    return subsets_of(part.given) if part.ablate else (part.given,)


def _judged(name: str, part: Part, first: Chosen, records: Sequence[Record]) -> list[Record]:
    """Return the records that have the truth of the part's number."""
    lacking = {record.id: first.metric.truth for record in records if first.metric.gold(record) is None}
    return with_truth(name, part, records, lacking)


def _counts(answers: Sequence[Prediction]) -> dict[str, int]:
    """Return how many answers are what, failures included."""
    status, parse = Counter(a.status for a in answers), Counter(a.parse for a in answers)
    names = {"unreadable": "failed", "repaired": "repaired", "truncated": "truncated"}
    return {
        **{name: status[name] for name in ("ok", "error", "insufficient_evidence")},
        **{name: parse[kind] for name, kind in names.items()},  # type: ignore[index]
    }


def _unseen(given: str, answers: Sequence[Prediction]) -> list[str]:
    """Return the modalities that were given, and that no answer's model had: it cannot take them, or no clip has them."""
    told = [{str(name): state for name, state in a.seen.states.items()} for a in answers if a.seen.states]
    names = [name for letter, name in (("a", "audio"), ("v", "video")) if letter in given]
    return [name for name in names if told and all(states.get(name) == "absent" for states in told)]


def _told(call: Call, benchmark: Benchmark) -> dict[str, Any]:
    """Return what the results say about the call."""
    return {
        "given": call.given,
        "seeds": call.seeds,
        "variants": call.variants,
        "limit": call.limit,
        "wheels": call.wheels,
        "extract": call.extract or None,
        "embeddings": call.embeddings,
        "allow_missing": call.allow_missing,
        "selected_on": call.selected_on,
        "reproduce_paper": call.reproduce_paper,
        "sampling": sampling_of(benchmark).to_dict(),
    }


def sampling_of(benchmark: Benchmark) -> Sampling:
    """Return how the answers of a benchmark are drawn."""
    decode = benchmark.spec.decode
    return Sampling(decode.temperature, decode.top_p, decode.max_new_tokens)
