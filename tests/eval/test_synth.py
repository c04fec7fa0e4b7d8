"""The synthetic benchmark's own measures, on drawn clips and made-up answers; and every leaf that ships can be read."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.data.prep import leaf_names
from emollm.emotions.maps import OWN
from emollm.engines import Request
from emollm.errors import EmoError
from emollm.evaluation.benchmarks import benchmark_names, load_benchmark
from emollm.evaluation.choose import choose
from emollm.evaluation.runner import Measured
from emollm.records import Prediction, Record, write_records
from emollm.synth.measure import family_scores, gold_words
from emollm.synth.record import build_clip

N = 24


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[list[Record], Path]:
    """Records of dev clips with labels, without media, and their file with the truth beside it."""
    import json

    clips = [build_clip("dev", index, 8, 3) for index in range(N)]
    write_records(tmp_path / "records.jsonl", [clip.record for clip in clips])
    (tmp_path / "truth.jsonl").write_text("".join(json.dumps(clip.truth.to_dict()) + "\n" for clip in clips))
    return [clip.record for clip in clips if gold_words(clip.record)], tmp_path / "records.jsonl"


def answer(record: Record, labels: tuple[str, ...], cues: bool = False) -> Prediction:
    row = {
        "id": record.id,
        "task": "labels",
        "status": "ok",
        "labels": [{"text": label} for label in labels],
        "provenance": {"model": "m", "engine": "fake", "emollm": "0"},
    }
    found = Prediction.model_validate(row)
    return found.model_copy(update={"cues": record.targets.cues or ()}) if cues else found


def small(monkeypatch: pytest.MonkeyPatch) -> object:
    """The leaf, which draws few training clips."""
    benchmark = load_benchmark("synth")
    module = __import__("sys").modules[benchmark.named("synth.py:make").__module__]
    monkeypatch.setattr(module, "TRAIN_CLIPS", 60)
    monkeypatch.setattr(module, "DEV_CLIPS", 20)
    module._drawn.cache_clear()
    return benchmark


def test_answers_that_follow_the_media_pass_the_swap_test(
    drawn: tuple[list[Record], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    records, file = drawn
    benchmark = small(monkeypatch)
    by_id = {record.id: record for record in records}
    asked: list[Request] = []

    def ask(name: str, requests: list[Request]) -> list[Prediction]:
        asked.extend(requests)
        donors = [by_id[request.id.partition("<-")[2]] for request in requests]
        return [answer(donor, gold_words(donor), cues=True) for donor in donors]

    gold = [answer(record, gold_words(record), cues=True) for record in records]
    mute = [answer(record, ("neutral",)) for record in records]
    part = benchmark.spec.parts["open"]
    measured = Measured("open", records, {"t": mute, "avt": gold}, ask, part, [file])
    found = benchmark.named("synth.py:families")(measured)
    swap = found["swap"]
    assert swap["n"] == len(asked) > 2 and swap["donor_f"] == 1.0 and swap["recipient_f"] == 0.0
    assert swap["passed"] is (swap["text_only_f"] > 0)
    row = found["given"]["avt"]
    base = family_scores(list(map(gold_words, records)), [tuple(found["constant"])] * len(records)).f
    assert row["normalised"] == pytest.approx((1 - base) / (row["oracle"] - base)), "all right is above the observer"
    assert 0 < row["probe"] < 1 and found["given"]["t"]["normalised"] < 1
    told = benchmark.named("synth.py:cues")(Measured("explain", records, {"avt": gold}, ask, part, [file]))
    assert told["f"] == 1.0 and told["usual_cues_f"] < 1 and told["heard_and_seen_f_swapped"] < 1
    file.with_name("truth.jsonl").unlink()
    with pytest.raises(EmoError, match=f"no truth of {len(records)} clip"):
        benchmark.named("synth.py:families")(measured)


def test_the_number_is_f_over_families(drawn: tuple[list[Record], Path]) -> None:
    records, _ = drawn
    metric = load_benchmark("synth").named("synth.py:FAMILY_F")
    words = [gold_words(record) if row % 2 else ("joy", "nonsense") for row, record in enumerate(records)]
    import numpy as np

    prepared = metric.prepare([metric.gold(record) for record in records], words)
    expected = family_scores([gold_words(record) for record in records], words)
    found = prepared.statistics(np.arange(len(records)))
    assert (found["f"], found["p"], found["r"]) == pytest.approx((expected.f, expected.precision, expected.recall))


@pytest.mark.parametrize("name", benchmark_names())
def test_every_leaf_names_metrics_data_sets_and_functions_that_exist(name: str) -> None:
    benchmark = load_benchmark(name)
    for part in benchmark.spec.parts.values():
        named = {
            one for one in part.records.dataset if f"name: {one};" in " ".join(benchmark.spec.data)
        }  # of a mapping
        assert set(part.records.dataset) <= {*leaf_names(), *named, "synth"}
        references = [one for one in (*part.metrics, part.measure, benchmark.spec.make) if one and ":" in one]
        assert all(benchmark.named(reference) for reference in references)
        names = [one for one in part.metrics if ":" not in one and one not in ("mer2025-fg", "mer2026-fg")]
        assert not names or choose(names, [OWN])
    result = CliRunner().invoke(app, ["eval", "info", name])
    assert result.exit_code == 0 and benchmark.spec.measures_not[:20] in result.output


def test_ls_lists_every_leaf() -> None:
    listed = CliRunner().invoke(app, ["eval", "ls"]).output.splitlines()
    assert [line.split()[0] for line in listed] == list(benchmark_names())
    assert all(
        line.endswith(load_benchmark(name).spec.title) for line, name in zip(listed, benchmark_names(), strict=True)
    )


def test_a_misspelt_key_and_a_missing_file_are_told(tmp_path: Path) -> None:
    text = (load_benchmark("ov_merd").path).read_text()
    leaf = tmp_path / "mine.yaml"
    leaf.write_text(text.replace("measures_not", "measures_nothing").replace("metrics: [", "metrics: [mine.py:X, "))
    result = CliRunner().invoke(app, ["eval", "info", str(leaf)])
    assert (
        result.exit_code == 2 and "measures_nothing" in result.stderr and "did you mean `measures_not`" in result.stderr
    )
    leaf.write_text(text.replace("metrics: [", "metrics: [mine.py:X, "))
    assert "mine.py, which is not there" in CliRunner().invoke(app, ["eval", "info", str(leaf)]).stderr
    assert "did you mean `ov_merd`" in CliRunner().invoke(app, ["eval", "info", "ov_mred"]).stderr
