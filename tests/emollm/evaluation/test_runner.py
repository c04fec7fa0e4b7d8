"""`emollm eval run`: a leaf, records and a model become answers, scores and results.json."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from emollm.engines.fake import FakeEngine
from emollm.evaluation.results import predictions_of, read_results, records_of
from emollm.records import Speaker, write_records
from tests.emollm.evaluation.conftest import CLASSES, answers, record, results

Call = Callable[..., Result]


def test_a_benchmark_from_the_leaf_to_the_results(
    call: Call, leaf: Path, records: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = call("run", leaf, "--data", records.parent, "-o", out, "--draws", 50, "--train", records)
    assert result.exit_code == 2 and "24 clip(s) of the benchmark are in the training records" in result.stderr
    result = call("run", leaf, "--data", records.parent, "-o", out, "--draws", 50)
    assert result.exit_code == 0, result.output
    assert len(engine.asked) == 24 and "other" not in engine.asked
    found = results(out)
    assert (found["state"], found["benchmark"]["name"], found["model"]["engine"]) == ("done", "little", "fake")
    (run,) = found["runs"]
    named = {one.id: one.labels[0].text for one in predictions_of(read_results(out), run)}
    right = sum(named[f"c{i}"] == CLASSES[i % 3] for i in range(24))
    assert run["scores"][0]["values"]["acc"]["value"] == right / 24
    assert run["low"] <= run["value"] <= run["high"] and run["clips"] == run["expected"] == 24
    assert run["not_measured"] == {"valence": "no targets.vad.valence for some clips"}
    assert run["subsets"]["language"]["en"]["n"] == 20 and run["subsets"]["language"]["de"]["value"] is None
    assert run["subsets"]["gender"].startswith("not measured")
    assert [one.id for one in records_of(read_results(out), run)] == run["ids"]
    assert len(run["predictions_sha256"]) == len(found["data"][0]["sha256"]) == 64
    constant = run["scores"][0]["details"]["constant_value"]
    cells = next(re.split(r"\s{2,}", line) for line in result.stdout.splitlines() if line.startswith("little "))
    assert cells[2:5] == ["plain", "native", "classes waf"] and cells[-2:] == ["24", f"{constant:.4f}"]
    assert constant == pytest.approx(1 / 6), "one class of three always: F1 1/2 for a third of the clips"
    assert f"{run['value']:.4f}" in result.output and "Theirs" in result.output and "does not measure" in result.output


def test_groups_as_told_have_a_gap(call: Call, leaf: Path, tmp_path: Path) -> None:
    """Of 40 clips, the 20 of older speakers are answered right."""
    leaf.write_text(leaf.read_text().replace("    clips: 24\n", ""))
    plain = [record(f"c{i}", CLASSES[i % 3]) for i in range(40)]
    rows = [row.model_copy(update={"speaker": Speaker(age=30 if i < 20 else 60)}) for i, row in enumerate(plain)]
    write_records(tmp_path / "r.jsonl", rows)
    file = answers(tmp_path / "p.jsonl", {f"c{i}": [CLASSES[(i + (i < 20)) % 3]] for i in range(40)})
    options = ("--data", tmp_path / "r.jsonl", "--predictions", file, "-o", tmp_path / "out", "--draws", 5)
    assert call("run", leaf, *options).exit_code == 0
    (run,) = results(tmp_path / "out")["runs"]
    ages = {name: (one["n"], one["value"]) for name, one in run["subsets"]["age"].items()}
    assert ages == {"18 to 39": (20, 0.0), "60 and more": (20, 1.0)} and run["worst_gap"]["age"] == 1.0
    assert run["subsets"]["gender"].startswith("not measured")


def test_an_interrupted_run_goes_on_and_a_finished_one_asks_nothing(
    call: Call, leaf: Path, records: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    engine.interrupt_after = 10
    assert call("run", leaf, "--data", records, "-o", out).exit_code == 130
    assert len((out / "predictions" / "little.avt.jsonl").read_text().splitlines()) == 10
    engine.interrupt_after = None
    assert call("run", leaf, "--data", records, "-o", out, "--draws", 20).exit_code == 0
    assert sorted(engine.asked) == sorted(f"c{i}" for i in range(24)), "each clip was asked about once"
    first = results(out)["runs"]
    assert call("run", leaf, "--data", records, "-o", out, "--draws", 20).exit_code == 0
    assert len(engine.asked) == 24 and results(out)["runs"] == first


def test_error_rows_are_counted_and_stay_in_the_denominator(
    call: Call, leaf: Path, records: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.fail = frozenset({"c0", "c1"})
    result = call("run", leaf, "--data", records, "-o", tmp_path / "out", "--draws", 20)
    assert result.exit_code == 1 and "2 error row(s)" in result.output
    (run,) = results(tmp_path / "out")["runs"]
    assert run["counts"]["error"] == 2 and run["clips"] == 24
    assert run["scores"][0]["details"]["no_class"] == 2


def test_modalities_and_variants_have_runs_of_their_own(
    call: Call, leaf: Path, records: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    seen = []
    generate = engine.generate

    def spy(requests, sampling):  # type: ignore[no-untyped-def]
        def told():  # type: ignore[no-untyped-def]
            for request in requests:
                seen.append(request)
                yield request

        return generate(told(), sampling)

    engine.generate = spy  # type: ignore[method-assign]
    ways = "prompt-1,prompt-2,missing-0.5,missing-text-1"
    options = ("--ablate", "av,t", "--variants", ways, "--draws", 20)
    result = call("run", leaf, "--data", records, "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    runs = {(run["given"], run["variant"]): run for run in results(tmp_path / "out")["runs"]}
    assert {variant for _, variant in runs} == {"plain", "prompt-1", "missing-0.5", "missing-text-1"}, (
        "no second wording"
    )
    assert runs["t", "prompt-1"]["question"] == "Which feeling does the person show?"
    assert runs["t", "plain"]["question"] != runs["t", "prompt-1"]["question"]
    given = [(one.audio, one.video, one.transcript) for one in seen]
    assert given[:24] == [(True, True, False)] * 24
    assert all(any(one) for one in given), "one modality always stays"
    assert {(True, False, False), (False, True, False), (True, True, False)} <= set(given)


def test_a_mean_needs_all_parts(call: Call, leaf: Path, records: Path, engine: FakeEngine, tmp_path: Path) -> None:
    text = leaf.read_text()
    second = text[text.index("  little:") : text.index("reported:")].replace("little:\n", "second:\n", 1)
    second = second.replace("dataset: little", "dataset: absent")
    leaf.write_text(text.replace("reported:", second + "reported:"))
    result = call("run", leaf, "--data", records, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "part second" in result.stderr and "dataset absent" in result.stderr
    assert engine.asked == []
    options = ("--allow-missing", "--limit", 9, "--draws", 20)
    assert call("run", leaf, "--data", records, "-o", tmp_path / "out", *options).exit_code == 0
    found = results(tmp_path / "out")
    assert found["summary"][0]["value"] is None and set(found["summary"][0]["parts"]) == {"little"}
    assert found["runs"][0]["clips"] == 9


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--selected-on", "test"], "no test score"),
        (["--seeds", "0,1"], "do not depend on a seed"),
        (["--ablate", "avx"], "no subset of avt"),
        (["--variants", "mising-0.3"], "no variant"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_wrong_calls_are_told(
    call: Call, leaf: Path, records: Path, engine: FakeEngine, tmp_path: Path, options: list[str], told: str
) -> None:
    result = call("run", leaf, "--data", records, "-o", tmp_path / "out", *options)
    assert result.exit_code == 2 and told in result.stderr
    assert engine.asked == []


def test_wrong_records_are_told_before_anything_is_asked(
    call: Call, leaf: Path, records: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    few = tmp_path / "few.jsonl"
    write_records(few, [record("a", "happy"), record("b", "sad", targets={})])
    result = call("run", leaf, "--data", few, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "2 clips, 24 in the published set" in result.stderr
    result = call("run", leaf, "--data", few, "-o", tmp_path / "out", "--allow-missing")
    assert result.exit_code == 2 and "1 clip(s) without targets.label: b" in result.stderr
    result = call("run", leaf, "--data", records, "--data", few, records.parent, "-o", tmp_path / "out")
    assert result.exit_code == 2 and engine.asked == []


def test_answers_of_a_file_are_scored_as_those_of_a_model(
    call: Call, leaf: Path, records: Path, tmp_path: Path
) -> None:
    labels = {f"c{i}": [CLASSES[i % 3] if i < 18 else "sad"] for i in range(24)}
    file = answers(tmp_path / "p.jsonl", labels)
    result = call("run", leaf, "--data", records, "--predictions", file, "-o", tmp_path / "out", "--draws", 20)
    assert result.exit_code == 0, result.output
    (run,) = results(tmp_path / "out")["runs"]
    assert run["scores"][0]["values"]["acc"]["value"] == 20 / 24
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:20], lines[0]]))
    result = call("run", leaf, "--data", records, "--predictions", file, "-o", tmp_path / "out2")
    assert result.exit_code == 2 and "c0 twice" in result.stderr and "4 clip(s) of little.avt" in result.stderr


def test_results_of_another_version_are_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"schema": "emollm.results/9"}))
    result = call("table", tmp_path)
    assert result.exit_code == 2 and "emollm.results/9" in result.stderr
    assert call("table", tmp_path / "none").exit_code == 2
