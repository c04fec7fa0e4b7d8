"""Emotion-cause pairs: what an utterance is asked, and how its answer is scored."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from emollm.evaluation.benchmarks import load_benchmark
from emollm.evaluation.questions import asked
from emollm.jsonl import write_rows
from emollm.records import Record, Targets, write_records
from tests.emollm.evaluation.conftest import answers, results


def turn(number: int, emotion: str, by: Sequence[int] = ()) -> Record:
    """Return an utterance of one dialogue, caused by some turns of it."""
    before = [{"id": f"ecf:test:dia1utt{i}", "text": "So?", "speaker": "Ana"} for i in range(1, number)]
    targets: dict[str, Any] = {"label": {"space": "meld7", "name": emotion}}
    if by:
        targets["cause"] = [{"utterance": f"ecf:test:dia1utt{i}"} for i in by]
    row = {"id": f"ecf:test:dia1utt{number}", "dataset": "ecf", "split": "test", "targets": targets, "context": before}
    return Record.model_validate(row | {"text": [{"text": "Oh.", "lang": "en"}]})


def test_turns_are_among_the_choices() -> None:
    part = load_benchmark("ecf").spec.parts["pairs"]
    task = asked(part, turn(3, "anger"))
    assert task.label_space == (*part.labels, "turn 1", "turn 2", "turn 3") and "turn 3 is what" in task.question


def test_pairs_through_the_runner(call: Callable[..., Result], tmp_path: Path) -> None:
    rows = [
        turn(1, "neutral"),
        turn(2, "joy", [1]),
        turn(3, "anger", [1, 3]),
        turn(4, "joy", [5]),
        turn(5, "sadness", [5]),
    ]
    write_records(tmp_path / "ecf.jsonl", rows)
    said = {1: ["neutral", "turn 1"], 2: ["joy", "turn 1"], 3: ["anger", "turn 2", "turn 3"], 4: ["joy"], 5: ["turn 5"]}
    file = answers(tmp_path / "p.jsonl", {f"ecf:test:dia1utt{n}": words for n, words in said.items()})
    options = ("--data", tmp_path / "ecf.jsonl", "--predictions", file, "--allow-missing", "-o", tmp_path / "out")
    result = call("run", "ecf", *options)
    assert result.exit_code == 0, result.output
    found = results(tmp_path / "out")["runs"][0]["scores"][0]
    values = {name: one["value"] for name, one in found["values"].items()}
    # joy: 1 hit of 1 named, 2 gold: F 2/3; anger: 1 of 2 and 2: F 1/2; sadness: never named: 0; weights 2, 2, 1
    assert values["weighted_f1"] == pytest.approx((2 * 2 / 3 + 2 * 1 / 2) / 5)
    assert (values["precision"], values["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 5))
    assert found["details"] == {"gold_pairs": 5, "named_pairs": 3}


def test_an_utterance_without_emotion_is_refused(call: Callable[..., Result], tmp_path: Path) -> None:
    write_rows(tmp_path / "ecf.jsonl", [turn(1, "joy", [1]), turn(2, "joy").model_copy(update={"targets": Targets()})])
    file = answers(tmp_path / "p.jsonl", {"ecf:test:dia1utt1": ["joy"], "ecf:test:dia1utt2": ["joy"]})
    options = ("--data", tmp_path / "ecf.jsonl", "--predictions", file, "--allow-missing", "-o", tmp_path / "out")
    result = call("run", "ecf", *options)
    assert result.exit_code == 2 and "1 clip(s) without targets.label" in result.stderr
