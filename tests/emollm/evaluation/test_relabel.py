"""Old runs in other label spaces, and runs side by side."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emollm.cli.main import app
from emollm.emotions.maps import load_maps
from emollm.evaluation.relabel import Space, relabel
from emollm.evaluation.run_diff import diff
from emollm.jsonl import read_rows, write_rows
from emollm.records import PredictedLabel, Prediction, Provenance

FIVE = ("happy", "sad", "angry", "worried", "neutral")


def answer(name: str, **labels: float | None) -> Prediction:
    said = tuple(PredictedLabel(text=label.replace("_", " "), score=score) for label, score in labels.items())
    provenance = Provenance(model="m", engine="fake", emollm="0", decode={"temperature": 0.0})
    return Prediction(id=name, task="labels", status="ok", labels=said, key=name * 64, provenance=provenance)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["label", *map(str, arguments)])


@pytest.mark.parametrize(
    ("label", "place"),
    [("Sad", "sad"), ("joyful", "happy"), ("furious", "angry"), ("anxious", "worried"), ("table", None)],
)
def test_labels_go_where_the_wheels_put_them(label: str, place: str | None) -> None:
    assert Space(FIVE, load_maps()).place(label) == place


def test_a_label_as_near_to_two_has_no_place() -> None:
    """`angry` and its synonyms share base or concept with both; the space's own labels stay as they are."""
    space = Space(("furious", "enraged"), load_maps())
    assert space.place("angry") is None
    assert space.place("enraged") == "enraged"


def test_a_run_is_moved_without_losing_where_it_came_from(tmp_path: Path) -> None:
    run, out = tmp_path / "out.jsonl", tmp_path / "five.jsonl"
    write_rows(run, [answer("a", furious=0.4, angry=0.7, table=0.1), answer("b", table=0.5)])
    done = relabel(run, Space(FIVE, load_maps()), out)
    assert (done.answers, done.outside, dict(done.unplaced)) == (1, 1, {"table": 2})
    (moved,) = read_rows(out, Prediction)
    assert [(label.text, label.score) for label in moved.labels] == [("angry", 0.7)]
    assert moved.provenance.decode["temperature"] == 0.0
    assert moved.provenance.decode["relabelled"]["key"] == "a" * 64
    assert moved.provenance.decode["relabelled"]["labels"] == list(FIVE)
    (lost,) = read_rows(tmp_path / "five.bad.jsonl", Prediction)
    assert lost.error.code == "outside_space"
    before = out.read_bytes()
    relabel(run, Space(FIVE, load_maps()), out)
    assert out.read_bytes() == before, "a second call finds all done"
    result = call("relabel", run, "--labels", "happy,sad", "-o", out)
    assert (result.exit_code, "other settings" in result.stderr) == (2, True)


def test_the_command_lists_what_had_no_place(tmp_path: Path) -> None:
    write_rows(tmp_path / "out.jsonl", [answer("a", sorrowful=None), answer("b", table=None)])
    result = call("relabel", tmp_path / "out.jsonl", "--labels", "happy,sad", "-o", tmp_path / "two.jsonl")
    assert result.exit_code == 1
    assert "table (1)" in result.stderr
    assert "1 answers; 1 had no label left" in result.stdout


def test_runs_are_compared_question_by_question(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    write_rows(first, [answer("a", calm=0.9), answer("b", calm=0.9), answer("c", calm=0.1, sad=0.1), answer("d")])
    write_rows(second, [answer("a", calm=0.2), answer("b", sad=0.9), answer("c", calm=0.1), answer("e")])
    found = diff(first, second)
    assert (found.both, found.only) == (3, (1, 1))
    assert found.differing == [("b", "labels"), ("c", "labels")]
    assert dict(found.moved) == {("calm", "sad"): 1}
    assert found.masi == pytest.approx((0 + 1 + (1 - 1 / 2 * 2 / 3)) / 3)
    result = call("diff", first, second)
    assert result.exit_code == 1
    assert "2 differ" in result.stdout
    assert call("diff", first, first).exit_code == 0


def test_error_rows_count_as_answers_that_changed(tmp_path: Path) -> None:
    from emollm.records import Failure

    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    write_rows(first, [answer("a", calm=0.9)])
    write_rows(second, [])
    failed = answer("a").model_copy(update={"status": "error", "error": Failure(code="truncated", what="cut")})
    write_rows(tmp_path / "b.bad.jsonl", [failed])
    assert dict(diff(first, second).status) == {("ok", "error"): 1}
