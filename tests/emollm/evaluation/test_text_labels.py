"""`emollm eval extract`: a scripted server reads labels from texts that an evaluation has kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from emollm.errors import EmoError
from emollm.evaluation.afterwards import verify
from emollm.evaluation.results import predictions_of, read_results
from emollm.jsonl import write_rows
from emollm.records import Prediction
from tests.emollm.engines.test_openai import Server, said
from tests.emollm.evaluation.conftest import CLASSES, results

Call = Callable[..., Result]


@pytest.fixture
def texts(call: Call, leaf: Path, records: Path, tmp_path: Path) -> Path:
    """The folder of an evaluation in words; the lexicon finds nothing in them, and one answer is an error."""
    rows = []
    for i in range(24):
        row: dict[str, Any] = {
            "id": f"c{i}",
            "task": "ask",
            "status": "ok",
            "explanation": f"It is the {CLASSES[i % 3][0]}-word.",
        }
        if i == 0:
            row |= {"status": "error", "explanation": None, "error": {"code": "x", "what": "y"}}
        rows.append(Prediction.model_validate(row | {"provenance": {"model": "m", "engine": "e", "emollm": "0"}}))
    write_rows(tmp_path / "texts.jsonl", rows)
    options = ("--data", records, "--predictions", tmp_path / "texts.jsonl", "--extract", "lexicon", "--draws", 10)
    assert call("run", leaf, *options, "-o", tmp_path / "texts").exit_code == 1, "an error row"
    return tmp_path / "texts"


def reads(body: Any) -> Any:
    text = json.dumps(body["messages"][-1])
    word = next((word for word in CLASSES if f"{word[0]}-word" in text), None)
    return 200, said(json.dumps({"labels": [word] if word else []}))


def test_labels_are_read_and_scored_under_the_readers_name(
    call: Call, texts: Path, server: Server, tmp_path: Path
) -> None:
    server.reply = reads
    options = ("--model", "m", "--engine", "openai", "--base-url", server.url, "--draws", 10)
    result = call("extract", texts, *options, "-o", tmp_path / "read")
    assert result.exit_code == 0, result.output
    found = read_results(tmp_path / "read")
    (run,) = found["runs"]
    assert run["answers"] == "extracted:m" and run["scores"][0]["values"]["acc"]["value"] == 23 / 24
    assert results(texts)["runs"][0]["answers"] == "extracted:lexicon" and results(texts)["runs"][0]["value"] == 0
    assert found["extractor"]["model"]["model"] == "m" and len(found["extractor"]["prompt_sha256"]) == 64
    assert [one.status for one in predictions_of(found, run)][:2] == ["error", "ok"]
    assert len(server.asked) == 23, "an error is not read"
    assert call("extract", texts, *options, "-o", tmp_path / "read").exit_code == 0 and len(server.asked) == 23
    with pytest.raises(EmoError, match="labels were read by m"):
        next(verify(found, lambda name, requests: [], 2))


def test_what_has_no_texts_is_refused(call: Call, texts: Path, server: Server, tmp_path: Path) -> None:
    options = ("--model", "m", "--engine", "openai", "--base-url", server.url)
    assert "overwrite" in call("extract", texts, *options, "-o", texts).stderr
    file = texts / "results.json"
    file.write_text(file.read_text().replace('"extract": "lexicon"', '"extract": null'))
    result = call("extract", texts, *options, "-o", tmp_path / "read")
    assert result.exit_code == 2 and "labels, not texts" in result.stderr and server.asked == []


def test_a_reader_that_fails_is_asked_again(call: Call, texts: Path, server: Server, tmp_path: Path) -> None:
    options = ("--model", "m", "--engine", "openai", "--base-url", server.url, "--draws", 10, "-o", tmp_path / "read")
    server.reply = lambda body: (400, {}) if "h-word" in json.dumps(body) else reads(body)
    result = call("extract", texts, *options)
    assert result.exit_code == 2 and "failed on 7 text(s)" in result.stderr
    server.reply = reads
    assert call("extract", texts, *options).exit_code == 0 and len(server.asked) == 23 + 7
