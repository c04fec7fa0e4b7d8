"""`emollm eval compare|verify|power|table`: what is done with results."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from emollm.engines.fake import FakeEngine
from emollm.evaluation.results import over_seeds
from emollm.records import write_records
from tests.emollm.evaluation.conftest import CLASSES, answers, record, results

Call = Callable[..., Result]
N = 24


@pytest.fixture
def scored(call: Call, leaf: Path, records: Path, tmp_path: Path) -> Callable[..., Path]:
    """Score answers of which the first so many are wrong; return the folder."""

    def score(name: str, wrong: int, data: Path = records, draws: int = 200) -> Path:
        labels = {f"c{i}": [CLASSES[(i + (i < wrong)) % 3]] for i in range(N)}
        file = answers(tmp_path / f"{name}.jsonl", labels)
        result = call("run", leaf, "--data", data, "--predictions", file, "-o", tmp_path / name, "--draws", draws)
        assert result.exit_code == 0, result.output
        return tmp_path / name

    return score


def test_compare_tells_what_the_second_gains(call: Call, scored: Callable[..., Path]) -> None:
    worse, better = scored("worse", 12), scored("better", 2)
    result = call("compare", worse, better, "--draws", 200)
    assert result.exit_code == 0, result.output
    gain = results(better)["runs"][0]["value"] - results(worse)["runs"][0]["value"]
    assert f"{gain:+.4f}" in result.output and f"{-gain:+.4f}" in call("compare", better, worse).output
    same = call("compare", worse, worse, "--draws", 50)
    assert "+0.0000" in same.output and "1.0000" in same.output


def test_compare_refuses_what_cannot_be_compared(
    call: Call, scored: Callable[..., Path], leaf: Path, records: Path
) -> None:
    first, second = scored("first", 12), scored("second", 2)
    file = second / "results.json"
    text = file.read_text()
    file.write_text(text.replace('"c0",', "", 1))
    assert "other clips" in call("compare", first, second).stderr
    file.write_text(text.replace('"version": 1', '"version": 2', 1))
    assert "different benchmarks" in call("compare", first, second).stderr
    file.write_text(text)
    write_records(records, [record("c0", "sad")])
    changed = call("compare", first, second)
    assert changed.exit_code == 2 and "has changed since the run" in changed.stderr


def test_verify_asks_again_and_scores_again(
    call: Call, leaf: Path, records: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    assert call("run", leaf, "--data", records, "-o", tmp_path / "out", "--draws", 20).exit_code == 0
    result = call("verify", tmp_path / "out", "--n", 5)
    assert result.exit_code == 0, result.output
    assert "the number is the same; 5 of 5 answers are the same" in result.output and len(engine.asked) == N + 5
    kept = tmp_path / "out" / "predictions" / "little.avt.jsonl"
    kept.write_text(kept.read_text().replace('"text":"happy"', '"text":"sad"'))
    result = call("verify", tmp_path / "out", "--n", N)
    assert result.exit_code == 1
    assert "the number is another" in result.output and "sad then, happy now" in result.output


def test_power_plans_more_clips_for_a_smaller_gain_and_fewer_for_a_pair(
    call: Call, scored: Callable[..., Path]
) -> None:
    first, second = scored("first", 10), scored("second", 8)

    def needed(*options: object) -> int:
        result = call("power", first, *options)
        assert result.exit_code == 0, result.output
        return int(result.output.splitlines()[1].split()[-1].replace(",", ""))

    assert needed("--gain", 0.1) == pytest.approx(needed("--gain", 0.2) * 4, rel=0.01)
    assert needed("--gain", 0.1, "--power", 0.9) > needed("--gain", 0.1)
    assert needed("--gain", 0.1, "--against", second) < needed("--gain", 0.1)
    # by hand: the standard error that the interval tells, times the square root of 2, for 80 % at 5 %
    run = results(first)["runs"][0]
    spread = 2**0.5 * (run["high"] - run["low"]) / (2 * 1.959964)
    assert needed("--gain", 0.1) == pytest.approx(N * (spread * (1.959964 + 0.841621) / 0.1) ** 2, abs=1)


def test_a_table_has_mean_and_interval_over_seeds(call: Call, scored: Callable[..., Path], tmp_path: Path) -> None:
    folders = [scored(name, wrong) for name, wrong in (("a", 12), ("b", 9), ("c", 6))]
    values = []
    for folder in folders:
        found = results(folder)
        values.append(found["runs"][0]["value"])
        text = (folder / "results.json").read_text()
        (folder / "results.json").write_text(text.replace(f'"{folder.name}.jsonl"', '"mine_1"'))
    low, high = over_seeds(values)
    cell = f"{100 * sum(values) / 3:.2f} ({100 * low:.2f} to {100 * high:.2f})"
    table = call("table", *folders)
    assert table.exit_code == 0 and cell in table.output and "| mine_1 | avt | plain | native | 3 |" in table.output
    latex = call("table", *folders, "--format", "latex", "-o", tmp_path / "t.tex")
    assert latex.exit_code == 0 and r"mine\_1" in (tmp_path / "t.tex").read_text()
    assert call("table", folders[0], "--format", "csv").output.startswith("model,given,variant,answers,seeds,little")


def test_intervals_over_seeds_are_students(call: Call) -> None:
    stats = pytest.importorskip("scipy.stats")
    for n in (2, 3, 10, 12, 40):
        values = [0.5 + 0.01 * (i % 5) for i in range(n)]
        low, high = over_seeds(values)
        expected = stats.t.interval(0.95, n - 1, loc=sum(values) / n, scale=stats.sem(values))
        assert (low, high) == pytest.approx(expected, abs=2e-5), n
