"""Words of causes: where quotes stand in the turns, and the leaf of SemEval-2024 task 3, subtask 1."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from emollm.evaluation.cause_spans import token_span
from emollm.jsonl import write_rows
from emollm.records import Prediction, Record, write_records
from tests.emollm.evaluation.conftest import results

WORDS = ("It is a drum , a drum !", "Oh , naïve me …", "Stop it .")
FELT = ("neutral", "sadness", "anger")


@pytest.mark.parametrize(
    ("words", "text", "span"),
    [
        ("a drum", WORDS[0], (2, 4)),
        ("A drum, a", WORDS[0], (2, 6)),
        ("me", "some people like me", (3, 4)),
        ("rum", WORDS[0], None),
        ("", WORDS[0], None),
        ("drum", "", None),
    ],
)
def test_words_are_whole_tokens_and_spaces_do_not_count(words: str, text: str, span: tuple[int, int] | None) -> None:
    assert token_span(words, text) == span


def turn(number: int, causes: list[tuple[int, str | None]]) -> Record:
    """Return a turn of the dialogue; each cause is a turn with the words of it."""
    before = [{"id": f"ecf:test:dia1utt{i}", "text": WORDS[i - 1]} for i in range(1, number)]
    cause = [{"utterance": f"ecf:test:dia1utt{by}", "text": words} for by, words in causes]
    row = {"id": f"ecf:test:dia1utt{number}", "dataset": "ecf", "split": "test", "context": before}
    targets = {"label": {"space": "meld7", "name": FELT[number - 1]}, "cause": cause or None}
    return Record.model_validate(row | {"text": [{"text": WORDS[number - 1]}], "targets": targets})


def said(number: int, labels: list[str], *quotes: str) -> Prediction:
    cues = [{"modality": "text", "text": quote} for quote in quotes]
    row: dict[str, Any] = {"id": f"ecf:test:dia1utt{number}", "task": "cues", "status": "ok", "cues": cues}
    made = {"model": "m", "engine": "fake", "emollm": "0"}
    return Prediction.model_validate(row | {"labels": [{"text": one} for one in labels], "provenance": made})


def run(call: Callable[..., Result], folder: Path, rows: list[Record], answers: list[Prediction]) -> Result:
    write_records(folder / "ecf.jsonl", rows)
    write_rows(folder / "p.jsonl", answers)
    options = ("--data", folder / "ecf.jsonl", "--predictions", folder / "p.jsonl", "--allow-missing", "--draws", 5)
    return call("run", "ecf_spans", *options, "-o", folder / "out")


def test_quotes_through_the_runner(call: Callable[..., Result], tmp_path: Path) -> None:
    rows = [turn(1, []), turn(2, [(1, "It is a drum ,"), (2, None)]), turn(3, [(1, "a drum"), (4, "later words")])]
    answers = [
        said(1, ["neutral", "turn 1"], "drum"),
        said(2, ["sadness", "turn 1"], "“It is a drum”"),
        said(3, ["anger", "turn 1", "turn 2"], "a drum", "no such words"),
    ]
    result = run(call, tmp_path, rows, answers)
    assert result.exit_code == 0, result.output
    first = results(tmp_path / "out")["runs"][0]["scores"][0]
    values = {name: one["value"] for name, one in first["values"].items()}
    # sadness 1 of 1 and 1; anger 1 of 2 true (one is said later) and 2 named (one stands nowhere)
    assert values["weighted_strict_f1"] == pytest.approx((1 + 2 * 1 / 2) / 3)
    assert values["proportional_precision"] == pytest.approx((4 + 2) / (4 + 2 + 3))
    assert values["proportional_recall"] == pytest.approx((4 + 2) / (4 + 2 + 2))
    assert first["details"] == {"gold_spans": 3, "named_spans": 3, "quotes_that_stand_nowhere": 1}


def test_without_the_words_there_is_nothing_to_score(call: Callable[..., Result], tmp_path: Path) -> None:
    result = run(call, tmp_path, [turn(2, [(1, None)])], [said(2, ["sadness", "turn 1"], "drum")])
    assert result.exit_code == 2 and "no cause with its words" in result.stderr
