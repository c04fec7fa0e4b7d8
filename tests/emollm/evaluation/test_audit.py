"""A sample that people label blindly, and what their labels say about a run."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.errors import EmoError
from emollm.evaluation.audit import Rated, audited, draw, wilson
from emollm.evaluation.label_studio import read_tasks, write_tasks
from emollm.jsonl import write_rows
from emollm.records import Media, MediaRef, PredictedLabel, Prediction, Provenance, Record, TextLine, write_records


def answer(name: str, *labels: str, score: float | None = None) -> Prediction:
    said = tuple(PredictedLabel(text=label, score=score) for label in labels)
    provenance = Provenance(model="m", engine="fake", emollm="0")
    key = name.encode().hex().zfill(64)
    return Prediction(id=name, task="labels", status="ok", labels=said, key=key, provenance=provenance)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """90 calm clips, 8 worried ones, 2 furious ones."""
    labels = ["calm"] * 90 + ["worried"] * 8 + ["furious"] * 2
    path = tmp_path / "out.jsonl"
    write_rows(path, [answer(f"c{i}", label, score=1 - i / 200) for i, label in enumerate(labels)])
    return path


def test_rare_labels_are_drawn_and_the_weights_make_the_run_again(run: Path) -> None:
    sample = draw(run, 20)
    assert Counter(one.answer.labels[0].text for one in sample) == {"calm": 10, "worried": 8, "furious": 2}
    assert sum(one.weight for one in sample) == pytest.approx(100)
    assert sample == draw(run, 20)
    assert {one.answer.id for one in sample} != {one.answer.id for one in draw(run, 20, seed=1)}
    assert len(draw(run, 1000)) == 100


def test_many_rare_labels_share_a_stratum(tmp_path: Path) -> None:
    write_rows(tmp_path / "out.jsonl", [answer(f"c{i}", f"label {i}") for i in range(60)])
    sample = draw(tmp_path / "out.jsonl", 20)
    assert len({one.stratum for one in sample}) == 5
    assert sum(one.weight for one in sample) == pytest.approx(60)


def export(path: Path, said: dict[str, list[list[str]]]) -> Path:
    """Turn tasks into what Label Studio exports: each person's labels, half as choices and half as text, and a cancelled one."""
    tasks = json.loads(path.read_text())
    cancelled = {"was_cancelled": True, "result": [{"type": "choices", "value": {"choices": ["wrong"]}}]}
    for task in tasks:
        task["annotations"] = [cancelled]
        for first, *others in said[task["data"]["id"]]:
            chosen = {"type": "choices", "value": {"choices": [first]}}
            written = {"type": "textarea", "value": {"text": [", ".join(others)]}}
            task["annotations"].append({"result": [chosen, written]})
    rated = path.with_name("export.json")
    rated.write_text(json.dumps(tasks))
    return rated


def test_tasks_go_out_without_answers_and_come_back_with_labels(run: Path, tmp_path: Path) -> None:
    sample, tasks = draw(run, 12), tmp_path / "tasks.json"
    record = Record(id=sample[0].answer.id, media=Media(video=MediaRef(path="x.mp4")), text=(TextLine(text="Hm."),))
    write_tasks(tasks, sample, {record.id: record})
    first = json.loads(tasks.read_text())[0]["data"]
    assert (first["clip"], first["words"]) == ("x.mp4", "Hm.")
    assert "calm" not in tasks.read_text()
    assert '<Choice value="furious"/>' in (tmp_path / "tasks.xml").read_text()
    rated = read_tasks(export(tasks, {one.answer.id: [["Calm", "At  ease", "tired"], ["calm"]] for one in sample}))
    assert {one.raters for one in rated} == {(frozenset({"calm", "at ease", "tired"}), frozenset({"calm"}))}
    assert [one.weight for one in rated] == [one.weight for one in sample]


def test_foreign_exports_are_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text('[{"data": {}}, {"data": {"key": "a", "weight": 1}, "annotations": [{"result": [{}]}]}]')
    with pytest.raises(EmoError, match=r"(?s)2 problems.*task 1.*task 2"):
        read_tasks(path)
    path.write_text("{}")
    with pytest.raises(EmoError, match="no list of tasks"):
        read_tasks(path)


def rated(run: Path, wrong: set[str], weight: float = 1.0) -> list[Rated]:
    from emollm.jsonl import read_rows

    rows = read_rows(run, Prediction)
    return [
        Rated(row.key, weight, (frozenset({"other" if row.id in wrong else row.labels[0].text}),) * 2) for row in rows
    ]


def test_the_threshold_is_the_lowest_that_is_precise_enough(run: Path) -> None:
    """Scores fall from c0 on; the 20 clips with the lowest scores are wrong, so 80 of the first 88 are 10/11 right."""
    found = audited(run, rated(run, {f"c{i}" for i in range(80, 100)}), precision=10 / 11)
    assert found.precision == pytest.approx(0.8)
    assert found.threshold == pytest.approx(1 - 87 / 200)
    assert found.reached[0] == pytest.approx(80 / 88)
    assert found.reached[1:] == pytest.approx(wilson(80 / 88, 88))
    assert found.kept == pytest.approx(0.88)
    assert found.alpha_raters == pytest.approx(1)
    assert found.alpha_model < 1
    assert audited(run, rated(run, {f"c{i}" for i in range(3)}), precision=1.0).threshold is None


def test_wilson_is_the_published_interval() -> None:
    """81 of 263 (Newcombe 1998, Statistics in Medicine 17, table I, method 3)."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_weights_tell_how_many_clips_a_rated_one_stands_for(run: Path) -> None:
    judged = rated(run, {"c0"})
    heavy = [Rated(one.key, 99.0 if i == 0 else 1.0, one.raters) for i, one in enumerate(judged)]
    assert audited(run, heavy, 0.5).precision == pytest.approx(0.5)


def test_labels_without_scores_and_single_raters_give_what_can_be_had(tmp_path: Path) -> None:
    run = tmp_path / "out.jsonl"
    write_rows(run, [answer("a", "calm"), answer("b", "sad")])
    found = audited(run, [Rated(answer(name).key, 1.0, (frozenset({"calm"}),)) for name in "ab"], 0.9)
    assert (found.precision, found.threshold) == (0.5, None)
    assert math.isnan(found.alpha_raters)
    with pytest.raises(EmoError, match="1 of 1 rated clips are not in the run"):
        audited(run, [Rated("0" * 64, 1.0, (frozenset(),))], 0.9)


def test_the_command_draws_and_judges(run: Path, tmp_path: Path) -> None:
    write_records(tmp_path / "r.jsonl", [Record(id=f"c{i}", text=(TextLine(text="hi"),)) for i in range(100)])
    tasks = tmp_path / "tasks.json"
    call = ["label", "audit", str(run)]
    result = CliRunner().invoke(app, [*call, "--n", "30", "--records", str(tmp_path / "r.jsonl"), "-o", str(tasks)])
    assert result.exit_code == 0, result.output
    said = {task["data"]["id"]: [["calm"], ["calm"]] for task in json.loads(tasks.read_text())}
    rated = export(tasks, said)
    result = CliRunner().invoke(app, [*call, "--rated", str(rated), "--precision", "0.8"])
    assert result.exit_code == 0, result.output
    assert "30 clips, up to 2 raters each" in result.stdout
    assert "precision of all labels: 0.900" in result.stdout
    assert CliRunner().invoke(app, call).exit_code == 2
