"""`emollm eval submit`: a row a candidate, in their order; or one error and no file."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from emollm.evaluation.extraction import read_outputs
from emollm.records import Record, write_records
from tests.emollm.evaluation.conftest import answers

Call = Callable[..., Result]


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    told = [
        {"text": text, "kind": f"candidate-{a}", "author": "unknown"}
        for a, text in (("a1", "He laughs."), ("a2", "He weeps."))
    ]
    rows = [
        {"id": f"mer2026:test:n{i}", "native_id": f"n{i}", "split": "test", "targets": {"description": told}}
        for i in (2, 1)
    ]
    path = tmp_path / "candidates.jsonl"
    write_records(
        path, map(Record.model_validate, [*rows, {"id": "mer2026:train:n9", "native_id": "n9", "split": "train"}])
    )
    return path


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as lines:
        return list(csv.reader(lines))


def test_each_track_has_its_columns(call: Call, candidates: Path, tmp_path: Path) -> None:
    options = ("--candidates", candidates, "--split", "test")
    words = answers(tmp_path / "w.jsonl", {"n1": ["sad", "don't care"], "mer2026:test:n2": ["happy"]})
    assert call("submit", words, *options, "--track", "open", "-o", tmp_path / "open.csv").exit_code == 0
    assert rows(tmp_path / "open.csv") == [
        ["name", "openset"],
        ["n2", "['happy']"],
        ["n1", "['sad', 'don\u2019t care']"],
    ]
    again = read_outputs(tmp_path / "open.csv")
    assert [[label.text for label in one.labels] for one in again.predictions] == [
        ["happy"],
        ["sad", "don\u2019t care"],
    ]
    assert call("submit", words, *options, "--track", "open", "-o", tmp_path / "open.npz").exit_code == 0
    assert [one.id for one in read_outputs(tmp_path / "open.npz").predictions] == ["n2", "n1"]
    assert call("submit", words, *options, "--track", "class", "-o", tmp_path / "class.csv").exit_code == 0
    assert rows(tmp_path / "class.csv")[1:] == [["n2", "happy"], ["n1", "sad"]]
    sides = answers(tmp_path / "s.jsonl", {"n1": ["second"], "n2": ["same"]})
    assert call("submit", sides, *options, "--track", "preference", "-o", tmp_path / "p.csv").exit_code == 0
    assert rows(tmp_path / "p.csv")[1:] == [
        ["n2", "He laughs.", "He weeps.", "same"],
        ["n1", "He laughs.", "He weeps.", "a2"],
    ]


def test_a_candidate_without_an_answer_is_refused(call: Call, candidates: Path, tmp_path: Path) -> None:
    words = answers(tmp_path / "w.jsonl", {"n1": ["calm"]})
    result = call("submit", words, "--candidates", candidates, "--track", "class", "-o", tmp_path / "c.csv")
    assert result.exit_code == 2 and not (tmp_path / "c.csv").exists()
    assert "2 candidate(s) without an answer: mer2026:test:n2, mer2026:train:n9" in result.stderr
    assert "1 candidate(s) with none for track class: mer2026:test:n1" in result.stderr
    assert (
        call("submit", words, "--candidates", candidates, "--track", "class", "-o", tmp_path / "c.npz").exit_code == 2
    )
