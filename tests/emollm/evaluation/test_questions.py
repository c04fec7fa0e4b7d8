"""Clips with a question of their own, and pairs of descriptions: what is asked, and what counts as right."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from emollm.engines.fake import FakeEngine
from emollm.evaluation.benchmarks import Part
from emollm.evaluation.questions import METRICS, asked
from emollm.records import Prediction, Record, write_records
from tests.emollm.evaluation.conftest import results

LEAF = """
title: Questions
about: Whether the clip's own question is answered.
measures_not: anything
version: 1
paper: https://example.org
data: none
parts:
  own: {records: {dataset: own}, asks: qa, metrics: [qa]}
  pairs: {records: {dataset: pairs}, asks: preference, metrics: [preference], without_truth: leave out}
"""


def own(id_: str, answer: str, choices: Sequence[str] = ("(A) yes", "(B) no")) -> Record:
    qa = {"question": f"Does {id_} smile?", "answer": answer, "choices": choices}
    return Record.model_validate({"id": id_, "dataset": "own", "targets": {"qa": [qa]}})


def pair(id_: str, chosen: str) -> Record:
    told = {"a": "She laughs.", "b": "She weeps.", "chosen": chosen}
    return Record.model_validate({"id": id_, "dataset": "pairs", "targets": {"preference": told}})


def said(label: str | None) -> Prediction:
    row: dict[str, Any] = {"id": "x", "task": "labels", "status": "ok" if label else "insufficient_evidence"}
    row |= {"labels": [{"text": label}] if label else [], "provenance": {"model": "m", "engine": "e", "emollm": "0"}}
    return Prediction.model_validate(row)


def values(metric: str, records: Sequence[Record], labels: Sequence[str | None]) -> tuple[dict[str, float], Any]:
    import numpy as np

    one = METRICS[metric]
    gold = [one.gold(record) for record in records]
    prepared = one.prepare(gold, [one.answer(said(label), r) for label, r in zip(labels, records, strict=True)])
    return dict(prepared.statistics(np.arange(len(records)))), prepared.details


def test_a_letter_and_a_text_name_the_same_choice() -> None:
    records = [own("a", "A"), own("b", "no"), own("c", "B"), own("d", "B")]
    found, details = values("qa", records, ["yes", "No", "yes", None])
    assert found == {"acc": 0.5} and details["no_answer"] == 1
    assert details["answers"]["yes"] == {"acc": 1.0, "n": 1} and details["answers"]["no"]["acc"] == pytest.approx(1 / 3)
    assert details["harmonic_mean_of_yes_and_no"] == pytest.approx(0.5)


def test_same_counts_as_the_first_and_no_answer_as_wrong() -> None:
    records = [pair("a", "a"), pair("b", "b"), pair("c", "a"), pair("d", "b")]
    found, details = values("preference", records, ["same", "first", "first", None])
    # first: 2 hits of 3 named, 2 gold: F1 4/5; second: never named: 0
    assert found == {"acc": 0.5, "waf": pytest.approx(0.4)} and details == {"said_same": 1}


def test_choices_are_offered_as_texts_in_any_order() -> None:
    part = Part.model_validate({"records": {"dataset": "own"}, "asks": "qa", "metrics": ["qa"]})
    record = own("x", "C", [f"{letter}. choice {letter}" for letter in "ABCDEF"])
    plain, other = asked(part, record), asked(part, record, way="permuted-1")
    assert plain.question == "Does x smile?" and plain.label_space == tuple(f"choice {letter}" for letter in "ABCDEF")
    assert sorted(other.label_space or ()) == list(plain.label_space) and other.label_space != plain.label_space
    assert asked(part, record, way="permuted-1") == other != asked(part, record, way="permuted-2")


def test_both_through_the_runner(call: Callable[..., Result], engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "asked.yaml").write_text(LEAF)
    rows = [
        *(own(f"q{i}", "AB"[i % 2]) for i in range(8)),
        *(pair(f"p{i}", ["a", "b", "tie"][i % 3]) for i in range(9)),
    ]
    write_records(tmp_path / "r.jsonl", rows)
    options = ("--data", tmp_path / "r.jsonl", "-o", tmp_path / "out", "--variants", "permuted-1", "--draws", 20)
    result = call("run", tmp_path / "asked.yaml", *options)
    assert result.exit_code == 0, result.output
    runs = results(tmp_path / "out")["runs"]
    assert [(run["part"], run["variant"], run["clips"]) for run in runs] == [
        ("own", "plain", 8),
        ("own", "permuted-1", 8),
        ("pairs", "plain", 6),
        ("pairs", "permuted-1", 6),
    ]
    assert "p2" not in engine.asked, "a tie has no truth, and is left out"


def test_the_task_s_own_question_has_other_words() -> None:
    part = Part.model_validate({"records": {"dataset": "x"}, "metrics": ["fs"]})
    asked_ = [part.asked(prompt).question for prompt in range(3)]
    assert len(set(asked_)) == 3 and len(part.wordings) == 2
    own_words = part.model_copy(update={"question": "Why?"})
    assert own_words.wordings == () and own_words.model_copy(update={"paraphrases": ("How so?",)}).wordings == (
        "How so?",
    )
