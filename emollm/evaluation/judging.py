"""Answers rated by a language model, beside a matcher that is none: what `emollm eval judge` does, as a function.

    rows = judge_results(read_results(folder), Judge(ask, engine.identity, {"words and emotions": alike}))

A leaf says what a judge is asked (`judges` of a part: benchmarks.py). The judge sees the question, the truth and the answer, and perhaps
the clip; a number is read of its reply. Its mean never becomes the number of a part: it stands in `judged` of a run, with the judge's
model, the hash of what it was asked, and how far it agrees with the matcher on the same clips (Krippendorff's alpha for numbers, Pearson's
r). Published scores by other judges or prompts are other numbers.

Where a rubric reads `statements`, the judge rates nothing: it splits truth and answer into statements, and matchers compare these
(splitting.py).

A clip without an answer gets the lowest score and is not sent. Replies in which nothing can be read are counted and have no score.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emollm.emotions.lexicon import read_word
from emollm.engines import Request, Sampling
from emollm.errors import ConfigError
from emollm.evaluation.asking import FOLDER, Ask
from emollm.evaluation.benchmarks import Judged, Part, load_benchmark
from emollm.evaluation.matching import Similarity, statements
from emollm.evaluation.part_scores import LEVEL
from emollm.evaluation.prose import labels_in
from emollm.evaluation.questions import asked, right_choice
from emollm.evaluation.results import FILE, predictions_of, records_of
from emollm.evaluation.score import clusters_of, plain, save
from emollm.evaluation.splitting import compare_lists, split_texts
from emollm.gold import gold_labels
from emollm.metrics.agreement import krippendorff_alpha
from emollm.metrics.bootstrap import intervals
from emollm.metrics.explanation import statement_scores
from emollm.prompts import Task
from emollm.records import Media, Prediction, Record, Turn

SAMPLING = Sampling(max_new_tokens=512)
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SHARE = re.compile(r"(\d+)\s*/\s*(\d+)")


@dataclass(frozen=True)
class Judge:
    """Who rates, and what stands beside.

    Attributes:
        ask: Asks the judge, and keeps its replies.
        identity: The judge's engine, model and settings.
        matchers: Name -> how alike statements are.
        facts: What else is known of a matcher, such as its weights.
    """

    ask: Ask
    identity: Mapping[str, Any]
    matchers: Mapping[str, Similarity]
    facts: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class _Pair:
    """One clip: what is true, what was said, and the same as statements."""

    record: Record
    question: str
    truth: Mapping[str, Sequence[str]]
    answer: Sequence[str]


def judge_results(
    results: dict[str, Any], judge: Judge, draws: int = 1000, tell: Callable[[str], None] = lambda line: None
) -> list[dict[str, Any]]:
    """Let a judge rate the plain runs of results; return a row for each run and rubric, which results.json then holds as well.

    Raises:
        ConfigError: No part of the benchmark says what a judge is asked.
        EmoError: Records or answers are gone, or the judge fails; replies that came are kept.
    """
    benchmark = load_benchmark(results["benchmark"]["source"])
    todo = [
        (run, name, rubric)
        for run in results["runs"]
        if run["variant"] == "plain"
        for name, rubric in benchmark.spec.parts[run["part"]].judges.items()
    ]
    if not todo:
        raise ConfigError("no part says what a judge is asked", benchmark.name, "`judges` of a part: see docs/eval.md")
    found = []
    for run, name, rubric in todo:
        part = benchmark.spec.parts[run["part"]]
        row = {"rubric": name, **_rated(results, run, part, name, rubric, judge, draws)}
        kept = [one for one in run.get("judged", ()) if (one["rubric"], one["judge"]) != (name, row["judge"])]
        run["judged"] = [*kept, plain(row)]
        save({key: value for key, value in results.items() if key != "folder"}, Path(results["folder"]) / FILE)
        tell(f"{run['part']} {run['given']}, {name}: {row['n']:,} rated")
        found.append({"part": run["part"], "given": run["given"], **plain(row)})
    return found


def read_reply(text: str, rubric: Judged) -> float | None:
    """Return the number in a judge's reply, None where there is none or it lies outside the scale."""
    body = _THOUGHT.sub("", text)
    if rubric.reads == "share":
        parts = _SHARE.search(body)
        right, of = (int(parts[1]), int(parts[2])) if parts else (1, 0)
        return right / of if right <= of and of else None
    number = _NUMBER.search(body)
    value = float(number[0]) if number else float("nan")
    return value if rubric.scale[0] <= value <= rubric.scale[1] else None


def _rated(
    results: Mapping[str, Any], run: Mapping[str, Any], part: Part, name: str, rubric: Judged, judge: Judge, draws: int
) -> dict[str, Any]:
    """Return what a judge and the matchers say about the answers of one run."""
    records, answers = records_of(results, run), predictions_of(results, run)
    pairs = [_pair(part, record, answer, rubric) for record, answer in zip(records, answers, strict=True)]
    rows = [row for row, pair in enumerate(pairs) if any(pair.truth.values())]
    sent = [row for row in rows if pairs[row].answer]
    stem = f"{Path(run['predictions']).stem}.{name}-{rubric.sha256[:8]}.by-{_slug(str(judge.identity['model']))}"
    clusters = clusters_of([pair.record for pair in pairs], part.cluster)[1]
    told = {
        "judge": judge.identity["model"],
        "model": dict(judge.identity),
        "asks": rubric.asks,
        "prompt_sha256": rubric.sha256,
        "scale": [0.0, 1.0] if rubric.reads != "number" else list(rubric.scale),
        "replies": f"{FOLDER}/{stem}.jsonl",
        "no_truth": len(records) - len(rows),
        "no_answer": len(rows) - len(sent),
    }
    if rubric.reads == "statements":
        return {**told, **_split(pairs, rows, sent, rubric, judge, stem, clusters, draws)}
    replies = judge.ask(stem, [_request(pairs[row], rubric, results["call"]["seeds"][0]) for row in sent])
    low, high = told["scale"]
    read = dict.fromkeys(rows, low)
    read |= {row: _score(reply, rubric) for row, reply in zip(sent, replies, strict=True)}
    scored = [row for row in rows if not np.isnan(read[row])]
    errors = sum(reply.status == "error" for reply in replies)
    told |= {"n": len(scored), "errors": errors, "unreadable": len(rows) - len(scored) - errors}
    if not scored:
        return {**told, "value": None, "low": None, "high": None, "beside": {}}
    values = {"judge": np.array([read[row] for row in scored], np.float64)}
    for matcher, similarity in judge.matchers.items():
        values[matcher] = np.array([_matched(pairs[row], rubric, similarity) for row in scored], np.float64)
    bounds = _means(values, [clusters[row] for row in scored], draws)
    scaled = (values["judge"] - low) / (high - low)
    beside = {
        matcher: {**bounds[matcher], **_agreement(scaled, values[matcher]), **judge.facts.get(matcher, {})}
        for matcher in judge.matchers
    }
    return {**told, **bounds["judge"], "beside": beside}


def _split(
    pairs: Sequence[_Pair],
    rows: Sequence[int],
    sent: Sequence[int],
    rubric: Judged,
    judge: Judge,
    stem: str,
    clusters: Sequence[Hashable],
    draws: int,
) -> dict[str, Any]:
    """Return what statements tell into which the judge splits truth and answer."""
    ids = {row: pairs[row].record.id for row in rows}
    truths = {ids[row]: "\n".join(text for told in pairs[row].truth.values() for text in told) for row in rows}
    answers = {ids[row]: "\n".join(pairs[row].answer) for row in sent}
    true = split_texts(judge.ask, f"{stem}.truth", rubric.question, truths)
    named = split_texts(judge.ask, stem, rubric.question, answers)
    of = {ids[row]: clusters[row] for row in rows}
    found = compare_lists(true, named, of, judge.matchers, draws)
    for matcher, facts in judge.facts.items():
        found["beside"].get(matcher, {}).update(facts)
    return found


def _means(
    values: Mapping[str, np.ndarray], clusters: Sequence[Hashable], draws: int
) -> dict[str, dict[str, float | None]]:
    """Return the mean of each rater with its interval over clusters; none of fewer than two."""
    if len(set(clusters)) < 2:
        return {name: {"value": float(one.mean()), "low": None, "high": None} for name, one in values.items()}
    found = intervals(
        lambda rows: {name: float(one[rows].mean()) for name, one in values.items()}, clusters, draws, LEVEL
    )
    return {name: {"value": one.value, "low": one.low, "high": one.high} for name, one in found.items()}


def _score(reply: Prediction, rubric: Judged) -> float:
    """Return the number of a reply, NaN where none can be read."""
    value = None if reply.status == "error" else read_reply(reply.explanation or reply.raw or "", rubric)
    return float("nan") if value is None else value


def _request(pair: _Pair, rubric: Judged, seed: int) -> Request:
    """Return what the judge is sent: question, truth and answer as turns above what it is asked."""
    turns = [Turn(speaker="Question", text=pair.question)]
    turns += [Turn(speaker=f"Reference, {name}", text=_listed(told)) for name, told in pair.truth.items() if told]
    turns.append(Turn(speaker="Answer", text=_listed(pair.answer)))
    media = pair.record.media if rubric.sees else Media()
    record = Record(id=pair.record.id, context=tuple(turns), media=media)
    task = Task("judge", rubric.question, style="text")
    return Request(record.id, record, task, seed, audio=rubric.sees, video=rubric.sees)


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else " ".join(f"{number}. {text}" for number, text in enumerate(texts, 1))


def _pair(part: Part, record: Record, answer: Prediction, rubric: Judged) -> _Pair:
    return _Pair(
        record, asked(part, record).question, {name: _truth(record, name) for name in rubric.shows}, _said(answer)
    )


def _truth(record: Record, name: str) -> list[str]:
    """Return what a record tells of one kind of truth, statement by statement."""
    targets = record.targets
    texts = sorted(targets.description, key=lambda one: one.lang != "en")
    if name == "labels":
        own = [right_choice(targets.qa[0])] if targets.qa and targets.qa[0].choices else []
        return list(gold_labels(record) or own)
    if name == "answer":
        return [targets.qa[0].answer] if targets.qa else []
    if name == "triggers":
        return [cause.text for cause in targets.cause or () if cause.text]
    if name == "cues":
        return [cue.text for cue in targets.cues or ()]
    wanted = [one.text for one in texts if (one.kind == "audio_clue") == (name == "clue")]
    return statements(wanted[0]) if wanted else []


def _said(answer: Prediction) -> list[str]:
    """Return an answer, statement by statement: labels, cues, sentences; nothing of an error."""
    if answer.status == "error":
        return []
    cues = [cue.text for cue in answer.cues]
    return [*(label.text for label in answer.labels), *cues, *statements(answer.explanation or "")]


def _matched(pair: _Pair, rubric: Judged, similarity: Similarity) -> float:
    """Return what a matcher says about one clip, 0..1."""
    sides = [[text for told in pair.truth.values() for text in told], list(pair.answer)]
    if rubric.beside == "emotions":
        sides = [sorted({read_word(label).concept for text in side for label in labels_in(text)}) for side in sides]
    true, named = sides
    if not true:
        return 0.0
    found = statement_scores(similarity(true, named))
    return {"recall": found.recall, "precision": found.precision}.get(rubric.beside, found.f1)


def _agreement(judge: np.ndarray, matcher: np.ndarray) -> dict[str, float]:
    """Return Krippendorff's alpha (of hundredths) and Pearson's r of two raters, 0..1; NaN where one says the same of all clips."""
    units = np.stack([judge, matcher], axis=1).round(2).tolist()
    spread = bool(judge.std() > 0 and matcher.std() > 0)
    r = float(np.corrcoef(judge, matcher)[0, 1]) if spread else float("nan")
    return {"alpha": krippendorff_alpha(units, "interval"), "pearson": r}


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "judge"
