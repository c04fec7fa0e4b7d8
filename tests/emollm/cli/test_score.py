"""`emollm score`: reference numbers, intervals, comparisons; and one error that lists everything."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import f1_score, recall_score
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.emotions.importing import import_folder
from emollm.jsonl import write_rows
from emollm.records import Prediction, Record, write_records

REFERENCE = Path(__file__).parents[4] / "shared" / "reference"
GOLD = {f"c{i}": word for i, word in enumerate(["happy", "sad", "angry", "sad", "happy", "angry"] * 4)}


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def gold(path: Path, words: Mapping[str, str] = GOLD, **fields: Any) -> Path:
    """Write records whose class and only open label are one word; four clips a speaker."""
    rows = [
        {
            "id": id_,
            "subject_id": f"s{i // 4}",
            "targets": {"labels_ov": [{"text": word}], "label": {"space": "t", "name": word}},
            **fields,
        }
        for i, (id_, word) in enumerate(words.items())
    ]
    write_records(path, map(Record.model_validate, rows))
    return path


def answers(path: Path, words: Mapping[str, str | None], **fields: Any) -> Path:
    """Write predictions of one label each; None is an error row."""
    rows = []
    for id_, word in words.items():
        row: dict[str, Any] = {
            "id": id_,
            "task": "labels",
            "status": "ok",
            "provenance": {"model": "m", "engine": "fake", "emollm": "0"},
        }
        failed = {"status": "error", "error": {"code": "not_media", "what": "no clip"}}
        rows.append(Prediction.model_validate(row | ({"labels": [{"text": word}]} if word else failed) | fields))
    write_rows(path, rows)
    return path


def table(path: Path, rows: Sequence[Sequence[str]], head: Sequence[str] = ("name", "openset")) -> Path:
    with path.open("w", newline="") as out:
        csv.writer(out).writerows([head, *rows])
    return path


def first_wrong(n: int) -> dict[str, str | None]:
    """Return the gold words with the first `n` replaced by a wrong one."""
    return {id_: "calm" if i < n else word for i, (id_, word) in enumerate(GOLD.items())}


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="no shared/reference beside the checkout")
def test_the_reference_case(tmp_path: Path) -> None:
    for year in ("2025", "2026"):
        import_folder(REFERENCE / "mer_wheels" / year)
    case, out = REFERENCE / "mer2024_ov", tmp_path / "out.json"
    files = (case / "predict-openset.csv", case / "check-openset.csv")
    result = run(*files, "--metric", "fs", "--wheels", "mer2025,mer2026", "--draws", 20, "-o", out)
    assert result.exit_code == 0, result.output
    assert "0.553706" in result.output and "0.554608" in result.output
    rows = {row["metric"]: row for row in json.loads(out.read_text())["scores"]}
    counted = {one["name"]: one["n"] for one in rows["fs [mer2025]"]["details"]["groupings"]}
    assert [counted[f"W{i}-L1"] for i in range(1, 6)] == [327, 328, 324, 327, 316]
    itself = run(files[1], files[1], "--metric", "mer2026-fg", "--draws", 2, "-o", out)
    assert itself.exit_code == 0 and json.loads(out.read_text())["scores"][0]["values"]["f"]["value"] == 1


def test_classes_with_intervals_and_provenance(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    found = answers(tmp_path / "p.jsonl", first_wrong(5))
    rows = [json.loads(line) for line in found.read_text().splitlines()]
    for row in rows:  # each clip has its own prompt
        row["provenance"]["prompt_sha256"] = row["id"]
    found.write_text("\n".join(map(json.dumps, rows)))
    result = run(found, gold(tmp_path / "g.jsonl"), "--metric", "classes", "-o", out, "--draws", 200)
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    values = report["scores"][0]["values"]
    true, named = list(GOLD.values()), list(first_wrong(5).values())
    kinds = sorted({*true})
    assert values["waf"]["value"] == pytest.approx(f1_score(true, named, labels=kinds, average="weighted"))
    assert values["uar"]["value"] == pytest.approx(recall_score(true, named, labels=kinds, average="macro"))
    assert values["waf"]["low"] < values["waf"]["value"] < values["waf"]["high"]
    assert report["intervals"] == {"by": "speaker", "clusters": 6, "draws": 200, "level": 0.95, "seed": 0}
    assert f"{values['waf']['value']:.6f}" in result.output and "waf *" in result.output
    assert len(report["gold"]["sha256"]) == 64 and [made["model"] for made in report["predictions"][0]["made_by"]] == [
        "m"
    ]
    assert "versions" in report["provenance"]


def test_errors_and_unreadable_answers_stay_in_the_denominator(tmp_path: Path) -> None:
    words = dict(GOLD)
    found = answers(tmp_path / "p.jsonl", words | {"c0": None, "c1": None})
    result = run(found, gold(tmp_path / "g.jsonl"), "--metric", "classes,fs", "--draws", 20)
    assert result.exit_code == 0 and "2 error row(s)" in result.output
    assert f"{22 / 24:.6f}" in result.output, "accuracy is of all 24 clips"
    rows = [
        {"id": id_, "output": "He walks off and says nothing." if id_ == "c0" else word} for id_, word in words.items()
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = run(tmp_path / "t.jsonl", tmp_path / "g.jsonl", "--metric", "classes", "--draws", 20)
    assert "(text): 1 unreadable" in result.output and f"{23 / 24:.6f}" in result.output


def test_prose_alone_is_refused(tmp_path: Path) -> None:
    rows = [{"id": id_, "output": "He walks off and says nothing."} for id_ in GOLD]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = run(tmp_path / "t.jsonl", gold(tmp_path / "g.jsonl"), "--metric", "classes")
    assert result.exit_code == 2 and "no answer can be read as labels" in result.stderr


def test_comparison_on_the_same_clips(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    worse, better = answers(tmp_path / "a.jsonl", first_wrong(12)), answers(tmp_path / "b.jsonl", first_wrong(3))
    options = ("--metric", "classes,hit-rate", "--compare", better, "--draws", 200, "--cluster", "clip", "-o", out)
    result = run(worse, gold(tmp_path / "g.jsonl"), *options)
    assert result.exit_code == 0, result.output
    for row in json.loads(out.read_text())["scores"]:
        found = row["compare"][row["ranks"]]
        assert found["difference"] == pytest.approx(found["second"] - found["first"]) and found["low"] > 0
        assert found["gain"] == pytest.approx(found["second"] / found["first"] - 1)
        assert found["p_holm"] == pytest.approx(min(1, 2 * found["p"])), "two metrics, both with the least p"
    assert "p (Holm)" in result.output
    same = run(worse, tmp_path / "g.jsonl", "--metric", "classes", "--compare", worse, "--draws", 20, "-o", out)
    assert same.exit_code == 0 and json.loads(out.read_text())["scores"][0]["compare"]["waf"]["p"] == 1


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    rows = [("a", "[happy]"), ("a", "[sad]"), ("b", "[]"), ("c", "[happy"), ("d", "[calm]"), ("", "[calm]")]
    table(tmp_path / "g.csv", rows)
    found = [
        {"id": "a", "output": "happy"},
        {"id": "a", "output": "sad"},
        {"id": "z", "output": "sad"},
        {"output": "sad"},
        {"id": "b", "output": 3},
    ]
    text = "\n".join(map(json.dumps, found)) + '\n{"id": "q", \nNaN\n'
    (tmp_path / "p.jsonl").write_text(text)
    result = run(tmp_path / "p.jsonl", tmp_path / "g.csv", "--metric", "fs", "-o", tmp_path / "out.json")
    assert result.exit_code == 2 and not (tmp_path / "out.json").exists()
    for told in (
        "1 id(s) twice in gold: a",
        "g.csv:5 (c): brackets do not pair",
        "g.csv:7: no name",
        "without targets.labels_ov with at least one label: b",
        "1 id(s) twice: a",
        "1 id(s) not in gold: z",
        "without a prediction: b, d",
        "p.jsonl:4: no id",
        "p.jsonl:5: no text of an answer",
        "p.jsonl:6: not a JSON object",
        "p.jsonl:7: float instead of an object",
    ):
        assert told in result.stderr, (told, result.stderr)


def test_numbers_that_are_missing_or_nan_are_refused(tmp_path: Path) -> None:
    path = gold(tmp_path / "g.jsonl", {"a": "x", "b": "y"}, targets={"vad": {"valence": 0.5, "scale": [-1, 1]}})
    row = {
        "schema": "emollm.prediction/1",
        "task": "full",
        "status": "ok",
        "provenance": {"model": "m", "engine": "fake", "emollm": "0"},
    }
    spoilt = json.dumps(row | {"id": "a", "vad": {"valence": float("nan"), "scale": [-1, 1]}})
    (tmp_path / "p.jsonl").write_text(spoilt + "\n" + json.dumps(row | {"id": "b"}))
    result = run(tmp_path / "p.jsonl", path, "--metric", "valence")
    assert result.exit_code == 2
    assert "p.jsonl:1: vad.valence" in result.stderr and "without vad.valence: b" in result.stderr


@pytest.mark.parametrize("kind", ["records", "csv"])
def test_labels_made_for_other_wheels_are_refused(tmp_path: Path, kind: str) -> None:
    if kind == "records":
        path = gold(tmp_path / "g.jsonl", quality={"flags": ["wheels:mer2026"]})
    else:
        path = table(
            tmp_path / "g.csv", [(id_, word, "mer2026") for id_, word in GOLD.items()], ("name", "openset", "wheels")
        )
    result = run(answers(tmp_path / "p.jsonl", GOLD), path, "--metric", "fs")
    assert result.exit_code == 2 and "made for wheels mer2026" in result.stderr


def test_a_larger_submission_may_be_allowed(tmp_path: Path) -> None:
    found = table(tmp_path / "p.csv", [(id_, f"[{word}]") for id_, word in [*GOLD.items(), ("extra", "sad")]])
    files = (found, gold(tmp_path / "g.jsonl"))
    assert run(*files, "--metric", "classes").exit_code == 2
    result = run(*files, "--metric", "classes", "--allow-extra", "--draws", 20)
    assert result.exit_code == 0 and "1 left out" in result.output


def test_empty_gold_is_left_out_only_when_asked(tmp_path: Path) -> None:
    rows = [("a", "[happy]"), ("b", "[sad]"), ("c", "[]")]
    files = (
        table(tmp_path / "p.csv", [("a", "[happy]"), ("b", "[sad]"), ("c", "[angry]")]),
        table(tmp_path / "g.csv", rows),
    )
    refused = run(*files, "--metric", "fs")
    assert refused.exit_code == 2 and "labels_ov with at least one label: c" in refused.stderr
    result = run(*files, "--metric", "fs", "--allow-empty-gold", "--draws", 20)
    assert result.exit_code == 0 and "1 with empty gold left out" in result.output
    assert f"f *    {1:.6f}" in result.output


def test_given_groups_of_mer2024(tmp_path: Path) -> None:
    gold_file = table(tmp_path / "g.csv", [("a", "['happy', 'glad', 'proud']"), ("b", "['sad']")])
    found = table(tmp_path / "p.csv", [("a", "['joyful']"), ("b", "['sad', 'cross']")])
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps({"a": [["happy", "glad", "joyful"]], "b": []}))
    result = run(found, gold_file, "--metric", "mer2024", "--groups", groups, "--draws", 20)
    assert result.exit_code == 0, result.output
    assert f"{0.75:.6f}" in result.output, "precision (1 + 1/2) / 2, recall (1/2 + 1) / 2"
    groups.write_text(json.dumps({"a": [[]]}))
    assert "at least 1 item" in run(found, gold_file, "--metric", "mer2024", "--groups", groups).stderr
    assert "add --groups" in run(found, gold_file, "--metric", "mer2024").stderr


def test_a_wrong_call(tmp_path: Path) -> None:
    files = (answers(tmp_path / "p.jsonl", GOLD), gold(tmp_path / "g.jsonl"))
    assert "did you mean classes?" in run(*files, "--metric", "clases").stderr
    assert "known are" in run(*files, "--metric", ",").stderr
    assert "without a dialogue" in run(*files, "--metric", "classes", "--cluster", "dialogue").stderr
    assert "emollm wheels import" in run(*files, "--metric", "fs", "--wheels", "own-0").stderr
    assert run(tmp_path / "no.jsonl", files[1], "--metric", "classes").exit_code == 2


def test_a_single_speaker_has_no_interval(tmp_path: Path) -> None:
    path = gold(tmp_path / "g.jsonl", {"c0": "happy", "c1": "sad"})
    result = run(answers(tmp_path / "p.jsonl", {"c0": "happy", "c1": "sad"}), path, "--metric", "classes")
    assert result.exit_code == 0 and "no intervals: 1 speaker" in result.output
