"""`emollm eval judge`: a scripted server rates answers; a matcher that is no model stands beside."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from emollm.evaluation.benchmarks import Judged
from emollm.evaluation.judging import read_reply
from emollm.jsonl import read_rows, write_rows
from emollm.metrics.agreement import krippendorff_alpha
from emollm.models.loading import weights_sha256
from emollm.paths import TINY
from emollm.records import Prediction, Record, write_records
from tests.emollm.engines.test_openai import Server, said
from tests.emollm.evaluation.conftest import results

LEAF = """
title: Little
about: Descriptions.
measures_not: anything
version: 1
paper: https://example.org
data: none
parts:
  told:
    records: {dataset: told}
    task: explain
    metrics: [description]
    judges:
      clues:
        asks: How alike are they?
        shows: description
"""
TOLD = {
    "a": ("He is angry. He shouts.", "He is angry. He shouts."),
    "b": ("She is sad and weeps.", "She is sad."),
    "c": ("He laughs with joy.", "A car drives past."),
    "d": ("She trembles in fear.", None),
}
Call = Callable[..., Result]


@pytest.fixture
def run(call: Call, tmp_path: Path) -> Path:
    """The folder of an evaluation of four descriptions, one of them without an answer."""
    (tmp_path / "told.yaml").write_text(LEAF)
    rows, answers = [], []
    for name, (truth, answer) in TOLD.items():
        description = [{"text": truth, "kind": "reasoning", "author": "human", "lang": "en"}]
        targets = {"description": description, "qa": [{"question": "Why?", "answer": f"Because: {truth}"}]}
        row = {"id": name, "dataset": "told", "subject_id": name, "targets": targets}
        rows.append(Record.model_validate(row))
        made = {"provenance": {"model": "m", "engine": "fake", "emollm": "0"}}
        said_ = {"status": "ok", "explanation": answer} if answer else {"status": "insufficient_evidence"}
        answers.append(Prediction.model_validate({"id": name, "task": "explain", **said_, **made}))
    write_records(tmp_path / "told.jsonl", rows)
    write_rows(tmp_path / "answers.jsonl", answers)
    options = ("--data", tmp_path / "told.jsonl", "--predictions", tmp_path / "answers.jsonl", "--draws", 20)
    assert call("run", tmp_path / "told.yaml", *options, "-o", tmp_path / "out").exit_code == 0
    return tmp_path / "out"


def rates(ratings: Mapping[str, str]) -> Callable[[Any], Any]:
    """Return what replies with the rating of the reference that stands in what was sent."""

    def reply(body: Any) -> Any:
        text = json.dumps(body["messages"])
        return 200, said(next(rating for name, rating in ratings.items() if TOLD[name][0].split(".")[0] in text))

    return reply


def judge(call: Call, run: Path, server: Server, *options: object) -> Result:
    return call("judge", run, "--model", "m", "--engine", "openai", "--base-url", server.url, "--draws", 20, *options)


def test_a_rating_stands_beside_a_matcher_with_model_prompt_and_agreement(
    call: Call, run: Path, server: Server
) -> None:
    server.reply = rates({"a": "10: the same.", "b": "<think>5 or 6?</think>7", "c": "1 of 10"})
    before = results(run)["runs"][0]
    result = judge(call, run, server)
    assert result.exit_code == 0, result.output
    sent = [body["messages"][-1]["content"] for body in server.asked]
    texts = [part if isinstance(part, str) else json.dumps(part) for part in sent]
    assert len(texts) == 3, "a clip without an answer is not sent"
    assert all("How alike are they?" in text and "from 1 to 10" in text for text in texts)
    assert any("Answer: 1. He is angry. 2. He shouts." in text for text in texts)
    after = results(run)["runs"][0]
    (row,) = after.pop("judged")
    assert after == before, "the part's number is not the judge's"
    assert (row["judge"], row["value"], row["n"], row["no_answer"]) == ("m", (10 + 7 + 1 + 1) / 4, 4, 1)
    assert row["low"] <= row["value"] <= row["high"] and len(row["prompt_sha256"]) == 64
    assert row["model"]["engine"] == "openai" and row["model"]["base_url"] == server.url
    beside = row["beside"]["words and emotions"]
    units = [[1.0, 1.0], [2 / 3, None], [0.0, 0.0], [0.0, 0.0]]
    # b: word, concept and sector of `sad` in common, `weeps` on one side only
    units[1][1] = 6 / 7
    assert beside["value"] == pytest.approx((1 + 6 / 7) / 4)
    assert beside["alpha"] == pytest.approx(
        krippendorff_alpha([[round(float(x or 0), 2) for x in unit] for unit in units], "interval")
    )
    assert "words and emotions" in result.output and row["prompt_sha256"][:8] in result.output
    page = (run / "report.html").read_text()
    assert "Rated by judges" in page and "m (1..10)" in page and f"{row['value']:.4f}" in page


def test_replies_are_kept_and_what_failed_is_asked_again(call: Call, run: Path, server: Server) -> None:
    good = rates({"a": "10", "b": "7", "c": "no idea"})
    server.reply = lambda body: (400, {"error": "away"}) if "weeps" in json.dumps(body) else good(body)
    result = judge(call, run, server)
    assert result.exit_code == 1 and "2 replies without a score" in result.stderr
    (row,) = results(run)["runs"][0]["judged"]
    assert (row["n"], row["errors"], row["unreadable"], row["value"]) == (2, 1, 1, 5.5)
    server.reply = good
    assert judge(call, run, server).exit_code == 1
    assert len(server.asked) == 4, "only the failed one was asked again"
    (row,) = results(run)["runs"][0]["judged"]
    assert (row["n"], row["errors"], row["value"]) == (3, 0, 6.0)
    judge(call, run, server)
    assert len(server.asked) == 4
    leaf = run.parent / "told.yaml"
    leaf.write_text(leaf.read_text().replace("How alike are they?", "How near are they?"))
    judge(call, run, server)
    assert len(server.asked) == 7, "another prompt is another judge's number"
    assert results(run)["runs"][0]["judged"][0]["prompt_sha256"] != row["prompt_sha256"]


def test_the_answer_to_a_clip_s_own_question_is_truth_too(call: Call, run: Path, server: Server) -> None:
    leaf = run.parent / "told.yaml"
    leaf.write_text(leaf.read_text().replace("shows: description", "shows: answer"))
    server.reply = rates({"a": "10", "b": "7", "c": "1"})
    assert judge(call, run, server).exit_code == 0
    assert all("Reference, answer: Because: " in json.dumps(body["messages"]) for body in server.asked)


def splits(body: Any) -> Any:
    """Reply with what the text of a request says, as labels and cues."""
    text = json.dumps(body["messages"][-1])
    cues = [("audio", "shouts"), ("video", "weeps"), ("audio", "laughs"), ("video", "trembles")]
    told = [{"modality": kind, "text": f"it {sign}"} for kind, sign in cues if sign in text]
    return 200, said(
        json.dumps({"labels": [one for one in ("angry", "sad", "joy", "fear") if one in text], "cues": told})
    )


def test_a_judge_splits_texts_into_statements_and_matchers_compare_them(
    call: Call, run: Path, server: Server, encoder: Path
) -> None:
    leaf = run.parent / "told.yaml"
    text = leaf.read_text().replace("How alike are they?", "What does it say?")
    leaf.write_text(text.replace("shows: description", "shows: description\n        reads: statements"))
    server.reply = lambda body: (400, {}) if "weeps" in json.dumps(body) else splits(body)
    assert judge(call, run, server).exit_code == 1
    (row,) = results(run)["runs"][0]["judged"]
    assert (row["n"], row["errors"], len(server.asked)) == (3, 1, 7), "four truths, three answers"
    server.reply = splits
    result = judge(call, run, server, "--embeddings", encoder)
    assert result.exit_code == 0 and len(server.asked) == 8, result.output
    (row,) = results(run)["runs"][0]["judged"]
    assert (row["n"], row["no_answer"], row["errors"], row["unreadable"]) == (4, 1, 0, 0)
    words, by = row["beside"]["words and emotions"], row["beside"]["embeddings encoder"]
    found = {kind: words["kinds"][f"{kind}_f1"] for kind in ("visual", "auditory", "emotional")}
    # seen: weeping and trembling, neither named; heard: shouting named, laughing not; emotions: two of four clips
    assert found == {"visual": 0.0, "auditory": 0.5, "emotional": 0.5} and words["value"] == pytest.approx(1 / 3)
    assert words["low"] <= words["value"] <= words["high"]
    assert row["value"] == by["value"] == pytest.approx(1 / 3) and len(by["weights_sha256"]) == 64
    assert "m (0..1)" in result.stdout and row["prompt_sha256"][:8] in result.stdout


def test_a_benchmark_without_a_rubric_has_nothing_to_judge(
    call: Call, run: Path, server: Server, tmp_path: Path
) -> None:
    leaf = tmp_path / "told.yaml"
    leaf.write_text(leaf.read_text().split("    judges:")[0])
    result = judge(call, run, server)
    assert result.exit_code == 2 and "no part says what a judge is asked" in result.stderr and server.asked == []
    leaf.write_text(LEAF.replace("shows: description", "shows: everything"))
    assert "shows" in call("info", leaf).stderr


@pytest.mark.parametrize(
    ("text", "reads", "value"),
    [
        ("8", "number", 8.0),
        ("Score: 8.5 out of 10", "number", 8.5),
        ("<think>1</think> 9", "number", 9.0),
        ("11", "number", None),
        ("none", "number", None),
        ("{score: 2/5}", "share", 0.4),
        ("3 / 3, all", "share", 1.0),
        ("5/2", "share", None),
        ("0/0", "share", None),
    ],
)
def test_what_is_read_of_a_reply(text: str, reads: str, value: float | None) -> None:
    rubric = Judged.model_validate({"asks": "?", "shows": "labels", "reads": reads})
    assert read_reply(text, rubric) == value


def test_a_sentence_encoder_is_a_second_matcher(
    call: Call, run: Path, server: Server, encoder: Path, tmp_path: Path
) -> None:
    server.reply = rates({"a": "10", "b": "7", "c": "1"})
    result = judge(call, run, server, "--embeddings", encoder)
    assert result.exit_code == 0, result.output
    beside = results(run)["runs"][0]["judged"][0]["beside"]
    assert set(beside) == {"words and emotions", "embeddings encoder"}
    found = beside["embeddings encoder"]
    assert len(found["weights_sha256"]) == 64 and 0.25 < found["value"] < 1 and found["alpha"] is not None
    assert judge(call, run, server, "--embeddings", tmp_path / "none").exit_code == 2


def test_a_judge_on_a_local_engine(call: Call, run: Path) -> None:
    """The bundled model cannot rate; what it writes is kept, counted, and told to be its own."""
    result = call("judge", run, "--model", "tiny", "--draws", 20)
    (row,) = results(run)["runs"][0]["judged"]
    replies = list(read_rows(run / row["replies"], Prediction))
    assert {one.id for one in replies} == {"a", "b", "c"} and all(one.raw for one in replies)
    assert (row["n"] + row["unreadable"], row["no_answer"], row["errors"]) == (4, 1, 0)
    assert result.exit_code == int(row["unreadable"] > 0), result.output
    weights = weights_sha256(TINY)
    assert (row["judge"], row["model"]["engine"], row["model"]["weights_sha256"]) == ("tiny", "hf", weights)
    assert {one.provenance.weights_sha256 for one in replies} == {weights}
    assert row["prompt_sha256"] == Judged(asks="How alike are they?", shows=("description",)).sha256
    assert len({one.provenance.prompt_sha256 for one in replies}) == 3, "of each clip's own words"
