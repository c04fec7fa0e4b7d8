"""`emollm label -o` on many clips, with an engine that needs no model."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from emollm.cli.main import app
from emollm.engines.fake import FakeEngine
from emollm.jsonl import read_rows
from emollm.licences import Licence, write_info
from emollm.records import Prediction, Record, TextLine, write_records


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    made = FakeEngine()
    monkeypatch.setattr("emollm.api.open_engine", lambda *_, **__: made)
    return made


@pytest.fixture
def label(engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call the command in a folder with `r.jsonl`, a file of 200 records."""
    monkeypatch.chdir(tmp_path)
    write_records("r.jsonl", [Record(id=f"r{i}", text=(TextLine(text=f"words {i}"),)) for i in range(200)])
    return lambda *arguments: CliRunner().invoke(app, ["label", *map(str, arguments)])


def rows(name: str) -> list[Prediction]:
    return list(read_rows(name, Prediction))


def test_shards_make_the_whole_together(label: Callable[..., Result]) -> None:
    assert label("r.jsonl", "-o", "whole.jsonl").exit_code == 0
    for i in (1, 2, 3):
        assert label("r.jsonl", "-o", "out.jsonl", "--shard", f"{i}/3").exit_code == 0
    together = [row for i in (1, 2, 3) for row in rows(f"out.{i}-of-3.jsonl")]
    assert sorted(row.key for row in together) == sorted(row.key for row in rows("whole.jsonl"))


def test_failures_are_summed_up_and_retried(label: Callable[..., Result], engine: FakeEngine) -> None:
    engine.fail = frozenset({"r3", "r5"})
    result = label("r.jsonl", "-o", "out.jsonl")
    assert result.exit_code == 1
    assert "failures: 2 not_media" in result.stderr
    assert "200 new rows, 0 done before; 2 error rows in out.bad.jsonl" in result.stderr
    engine.fail = frozenset()
    assert "0 new rows" in label("r.jsonl", "-o", "out.jsonl").stderr
    result = label("r.jsonl", "-o", "out.jsonl", "--retry-failed")
    assert (result.exit_code, "2 new rows, 198 done before" in result.stderr) == (0, True)
    assert len(rows("out.jsonl")) == 200


def test_a_run_keeps_decoded_clips_or_does_not(label: Callable[..., Result]) -> None:
    """Pictures from the cache have been through JPEG, so that the two kinds of answers are not mixed."""
    assert label("r.jsonl", "-o", "out.jsonl").exit_code == 0
    result = label("r.jsonl", "-o", "out.jsonl", "--keep-decoded")
    assert (result.exit_code, "made with other settings" in result.stderr) == (2, True)
    assert label("r.jsonl", "-o", "kept.jsonl", "--keep-decoded").exit_code == 0
    assert not {row.key for row in rows("out.jsonl")} & {row.key for row in rows("kept.jsonl")}


def test_answers_carry_their_purpose_and_forbidden_ones_are_refused(label: Callable[..., Result]) -> None:
    assert label("r.jsonl", "-o", "out.jsonl", "--purpose", "film studies").exit_code == 0
    assert {row.provenance.purpose for row in rows("out.jsonl")} == {"film studies"}
    call = ("r.jsonl", "-o", "other.jsonl", "--purpose", "grading students")
    assert (label(*call).exit_code, Path("other.jsonl").exists()) == (2, False)
    assert label(*call, "--purpose-exception", "medical: epilepsy watch in a class").exit_code == 0


def test_a_run_that_fails_all_over_is_stopped_with_1(label: Callable[..., Result], engine: FakeEngine) -> None:
    engine.fail = frozenset(f"r{i}" for i in range(200))
    result = label("r.jsonl", "-o", "out.jsonl", "--max-failed", 30)
    assert result.exit_code == 1
    assert "50 of 50 clips failed" in result.stderr
    assert "50 new rows" in result.stderr
    assert json.loads(Path("out.manifest.json").read_text())["state"] == "interrupted"


def test_an_estimate_labels_a_sample_that_is_kept(label: Callable[..., Result], engine: FakeEngine) -> None:
    result = label("r.jsonl", "-o", "out.jsonl", "--estimate", "--batch-size", 5)
    assert result.exit_code == 0, result.output
    sampled = len(rows("out.jsonl"))
    assert 5 < sampled < 60
    assert f"the other {200 - sampled}:" in result.stdout
    assert "MB on disk" in result.stdout
    assert f"{200 - sampled} new rows, {sampled} done before" in label("r.jsonl", "-o", "out.jsonl").stderr
    assert label("r.jsonl", "-o", "out.jsonl", "--estimate").exit_code == 2


def test_several_tasks_ask_several_questions(label: Callable[..., Result]) -> None:
    assert label("r.jsonl", "-o", "out.jsonl", "--task", "labels", "--task", "full").exit_code == 0
    found = [(row.id, row.task) for row in rows("out.jsonl")]
    assert found[:2] == [("r0", "labels"), ("r0", "full")]
    assert len(found) == 400


def test_parquet_holds_the_same_answers(label: Callable[..., Result]) -> None:
    assert label("r.jsonl", "-o", "out.parquet", "--labels", "calm,worried").exit_code == 0
    table = pq.read_table("out.parquet").to_pylist()
    assert [Prediction.model_validate_json(row["prediction"]) for row in table] == rows("out.jsonl")
    assert table[0]["id"] == "r0"
    assert table[0]["labels"] == [label.text for label in rows("out.jsonl")[0].labels]
    assert label("r.jsonl", "-o", "out.parquet", "--labels", "calm,worried").exit_code == 0
    assert len(pq.read_table("out.parquet")) == 200


def test_records_come_out_of_parquet_too(label: Callable[..., Result]) -> None:
    import pyarrow as pa

    assert CliRunner().invoke(app, ["data", "export", "r.jsonl", "--to", "hf", "-o", "hf"]).exit_code == 0
    assert label("r.jsonl", "-o", "a.jsonl").exit_code == label("hf/hf.parquet", "-o", "b.jsonl").exit_code == 0
    assert [row.key for row in rows("a.jsonl")] == [row.key for row in rows("b.jsonl")]
    pq.write_table(pa.table({"id": ["x", "y"], "text": ["hi", None]}), "plain.parquet")
    assert label("plain.parquet", "-o", "c.jsonl").exit_code == 0
    assert [row.id for row in rows("c.jsonl")] == ["x", "y"]


def test_long_recordings_are_cut_into_windows_and_broken_ones_stay(
    label: Callable[..., Result], make_clip: Callable[..., Path]
) -> None:
    make_clip("talk.wav", seconds=2.5)
    Path("page.mp4").write_text("<html>")
    assert label("talk.wav", "page.mp4", "--window-s", 1, "-o", "out.jsonl").exit_code == 0
    assert [row.id for row in rows("out.jsonl")] == ["talk.wav#0-1", "talk.wav#1-2", "talk.wav#2-2.5", "page.mp4"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["r.jsonl", "--shard", "1/2", "--retry-failed"], "--shard, --retry-failed"),
        (["r.jsonl", "-o", "o.jsonl", "--shard", "3/2"], "--shard"),
        (["r.jsonl", "-o", "o.jsonl", "--shard", "0/2"], "--shard"),
        (["r.jsonl", "-o", "o.csv"], ".parquet"),
        (["r.jsonl", "--executor", "ray"], "add -o"),
        (["r.jsonl", "-o", "o.jsonl", "--actors", "2"], "add --executor ray"),
        (["r.jsonl", "-o", "o.jsonl", "--executor", "ray", "--estimate"], "leave --executor ray out"),
        (["r.jsonl", "-o", "o.jsonl", "--executor", "ray"], "pip install 'emollm[ray]'"),
        (["local:///nowhere/a.mp4"], "add -o"),
        (["nowhere://a.mp4", "-o", "o.jsonl"], "cannot be reached"),
        (["other.parquet", "-o", "o.jsonl"], "the columns are score"),
        (["text.parquet", "-o", "o.jsonl"], "no parquet file"),
        (["r.jsonl", "--hop-s", "5"], "--window-s"),
        (["r.jsonl", "--keep-decoded"], "add -o"),
        (["r.jsonl", "--commercial", "--engine", "openai"], "not known here"),
        (["r.jsonl", "--commercial", "--model", "bound"], "not allowed by the licence of data (EULA)"),
    ],
)
def test_wrong_calls_are_refused_before_a_model_is_opened(
    label: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    import pyarrow as pa

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr("emollm.api.open_engine", refuse)
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    pq.write_table(pa.table({"score": [1.0]}), "other.parquet")
    Path("text.parquet").write_text("no parquet")
    Path("bound").mkdir()
    Path("bound/config.json").write_text("{}")
    write_info(Path("bound"), None, [Licence("data", "EULA", commercial=False)])
    result = label(*arguments)
    assert result.exit_code == 2, result.output
    assert told in result.stderr
