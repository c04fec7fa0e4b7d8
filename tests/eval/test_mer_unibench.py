"""MER-UniBench on a few clips of each set: the nine numbers, computed by hand, and their mean; and the reference case."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.emotions.importing import import_folder
from emollm.jsonl import write_rows
from emollm.records import Prediction, Record, write_records
from tests.workbook import write_xlsx

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
# Four wheels know three sectors; the fifth lacks anger.
ANGER = ["angry", "cross", "furious"]
WHEEL = [["level1", "level2", "level3"], ["happy", "joyful", "glad"], ["sad", "low", "blue"]]
FORMS = {
    "happy": "happy,happiness",
    "joy": "joy",
    "glad": "glad",
    "sad": "sad,sadness",
    "blue": "blue",
    "angry": "angry,anger",
}

# set -> (fields of its records, gold of each clip, answer to each clip, number)
HITS = {
    # wheels 1 to 4 count happy, sad, angry: 2 hits of 3; the fifth counts happy, sad: 2 of 2; neutral is on no wheel
    "mer2023": (
        "test1",
        ["happy", "sad", "angry", "neutral"],
        [["glad"], ["happy", "blue"], ["sad"], ["happy"]],
        11 / 15,
    ),
    "mer2024": ("test-semi", ["happy", "sad"], [["happy"], ["sad"]], 1.0),
    # 2 of 3 on four wheels, 1 of 2 on the fifth
    "meld": ("test", ["joy", "sadness", "anger", "neutral"], [["happy"], ["happy"], ["anger", "sad"], []], 19 / 30),
    "iemocap": ("session5-4way", ["happy", "angry"], [["sad"], []], 0.0),
}
SENTIMENT = {
    # without the 0: true + - +, answered + + -: F1 of + is 1/2, of - 0, weighted by 2 and 1
    "mosi": ([1.0, -0.6, 0.0, 2.0], ["positive", "positive", "negative", "neutral"], 1 / 3),
    "mosei": ([1.0, -1.0, 0.0, 2.0], ["positive", "negative", "positive", "positive"], 1.0),
    # `Positive` is not the word that is asked for: F1 of + is 0, of - 4/5, weighted by 1 and 2
    "sims": ([0.4, -0.4, -0.2, 0.0], ["Positive", "negative", "negative", "negative"], 8 / 15),
    # neutral counts as negative: F1 of + is 0, of - 1/2, weighted by 2 and 1
    "simsv2": ([0.4, 0.2, -0.6, 0.0], ["neutral", "neutral", "neutral", "neutral"], 1 / 6),
}
# P, R, F are 3/4 each on four wheels; on the fifth only the first clip counts: P 1, R 1/2, F 2/3
OPEN = ([["happy", "sad"], ["angry"]], [["glad"], ["angry", "sad", "zzz"]], 11 / 15)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("emollm.run.git_commit", lambda: None)  # asking git takes longer than all else here


@pytest.fixture
def wheels(tmp_path: Path) -> str:
    """The version of wheels on which numbers can be computed by hand."""
    folder = tmp_path / "emotion_wheel"
    folder.mkdir()
    for number in range(1, 6):
        write_xlsx(folder / f"wheel{number}.xlsx", [*WHEEL, ANGER] if number < 5 else WHEEL)
    header = [f"{kind}_run{run}" for run in range(1, 9) for kind in ("word", "synonym")]
    synonyms = {"happy": "joy"} | {word: word for row in (*WHEEL[1:], ANGER) for word in row if word != "happy"}
    rows = [[text for _ in range(8) for text in pair] for pair in synonyms.items()]
    write_xlsx(folder / "synonym.xlsx", [header, *rows])
    lines = "".join(f'{name},"{forms}"\n' for name, forms in FORMS.items())
    (folder / "format.csv").write_text("name,format\n" + lines)
    return import_folder(folder).version


def record(dataset: str, split: str, number: int, targets: Mapping[str, Any]) -> Record:
    row = {"id": f"{dataset}:{split}:{number}", "dataset": dataset, "split": split, "native_id": str(number)}
    turns = [{"id": f"{dataset}:{split}:0", "text": "Well."}] if number else []
    return Record.model_validate(row | {"context": turns, "targets": targets})


def prediction(id_: str, labels: Sequence[str]) -> Prediction:
    row = {
        "id": id_,
        "task": "labels",
        "status": "ok" if labels else "insufficient_evidence",
        "labels": [{"text": label} for label in labels],
        "provenance": {"model": "m", "engine": "fake", "emollm": "0"},
    }
    return Prediction.model_validate(row)


def fixture_data(folder: Path) -> tuple[Path, dict[str, float]]:
    """Write the records of all nine sets into a folder, answers beside it; return the answers and the numbers by hand."""
    rows: dict[str, list[tuple[Record, Sequence[str]]]] = {}
    for name, (split, gold, found, _) in HITS.items():
        truths = [{"label": {"space": "t", "name": one}} for one in gold]
        rows[name] = [(record(name, split, i, t), a) for i, (t, a) in enumerate(zip(truths, found, strict=True))]
    for name, (values, words, _) in SENTIMENT.items():
        truths = [{"sentiment": {"value": value}} for value in values]
        rows[name] = [(record(name, "test", i, t), [a]) for i, (t, a) in enumerate(zip(truths, words, strict=True))]
    truths = [{"labels_ov": [{"text": text} for text in texts]} for texts in OPEN[0]]
    rows["ov_merd_plus"] = [
        (record("ov_merd_plus", "all", i, t), a) for i, (t, a) in enumerate(zip(truths, OPEN[1], strict=True))
    ]
    folder.mkdir()
    for name, pairs in rows.items():
        write_records(folder / f"{name}.jsonl", [one for one, _ in pairs])
    answers = folder.parent / "answers.jsonl"
    write_rows(answers, [prediction(one.id, labels) for pairs in rows.values() for one, labels in pairs])
    numbers = {name: number for name, (*_, number) in (*HITS.items(), *SENTIMENT.items())}
    return answers, {**numbers, "ov_merd_plus": OPEN[2]}


def test_all_nine_are_as_computed_by_hand(tmp_path: Path, wheels: str) -> None:
    answers, numbers = fixture_data(tmp_path / "records")
    call = ["mer_unibench", "--data", tmp_path / "records", "--predictions", answers, "--wheels", wheels, "--draws", 20]
    result = CliRunner().invoke(app, ["eval", "run", *map(str, [*call, "-o", tmp_path / "out"])])
    assert result.exit_code == 2, "numbers of clips are not the published ones"
    assert "4 clips, 411 in the published set" in result.stderr
    result = CliRunner().invoke(app, ["eval", "run", *map(str, [*call, "-o", tmp_path / "out", "--allow-missing"])])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {run["part"]: run["value"] for run in found["runs"]} == pytest.approx(numbers)
    assert found["summary"][0]["value"] == pytest.approx(sum(numbers.values()) / 9)
    rates = next(run for run in found["runs"] if run["part"] == "mer2023")["scores"][0]["details"]["wheels"]
    assert [one["n"] for one in rates] == [3, 3, 3, 3, 2]
    assert next(run for run in found["runs"] if run["part"] == "meld")["intervals"]["by"] == "dialogue"
    assert {row["system"] for row in found["reported"]} >= {"AffectGPT (A+V+T)", "Emotion-LLaMA"}


def test_a_change_of_an_answer_changes_its_number(tmp_path: Path, wheels: str) -> None:
    answers, numbers = fixture_data(tmp_path / "records")
    lines = [json.loads(line) for line in answers.read_text().splitlines()]
    next(row for row in lines if row["id"] == "simsv2:test:0")["labels"] = [{"text": "positive"}]
    answers.write_text("".join(json.dumps(row) + "\n" for row in lines))
    call = ["mer_unibench", "--data", tmp_path / "records", "--predictions", answers, "--wheels", wheels, "--draws", 20]
    CliRunner().invoke(app, ["eval", "run", *map(str, [*call, "-o", tmp_path / "out", "--allow-missing"])])
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    changed = {run["part"] for run in found["runs"] if run["value"] != pytest.approx(numbers[run["part"]])}
    assert changed == {"simsv2"}


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="no shared/reference beside the checkout")
def test_the_reference_case_through_the_runner(tmp_path: Path) -> None:
    case = REFERENCE / "mer2024_ov"
    with (case / "check-openset.csv").open(encoding="utf-8-sig", newline="") as lines:
        truth = {row["name"]: row["openset"].strip("[]").replace("'", "").split(", ") for row in csv.DictReader(lines)}
    rows = [
        {
            "id": f"ov_merd:all:{name}",
            "dataset": "ov_merd",
            "native_id": name,
            "targets": {"labels_ov": [{"text": text} for text in texts]},
        }
        for name, texts in truth.items()
    ]
    write_records(tmp_path / "gold.jsonl", map(Record.model_validate, rows))
    for year in ("2025", "2026"):
        import_folder(REFERENCE / "mer_wheels" / year)
    call = ["ov_merd", "--data", tmp_path / "gold.jsonl", "--predictions", case / "predict-openset.csv", "--draws", 10]
    result = CliRunner().invoke(
        app, ["eval", "run", *map(str, [*call, "--wheels", "mer2025,mer2026", "-o", tmp_path / "out"])]
    )
    assert result.exit_code == 0, result.output
    (run,) = json.loads((tmp_path / "out" / "results.json").read_text())["runs"]
    scores = {row["metric"]: row for row in run["scores"]}
    values = {name: [round(one["value"], 6) for one in scores[name]["values"].values()] for name in scores}
    assert values["fs [mer2025]"] == [0.553706, 0.559395, 0.548516]
    assert values["fs [mer2026]"] == [0.554608, 0.560524, 0.549187]
    level1 = [one for one in scores["fs [mer2025]"]["details"]["groupings"] if one["name"].endswith("-L1")]
    assert [one["n"] for one in level1] == [327, 328, 324, 327, 316]
    assert run["clips"] == 332
