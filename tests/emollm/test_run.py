"""The run folder: one run each, metrics that survive odd numbers and torn lines, a card with everything in it."""

import hashlib
import json
import math
from pathlib import Path

import pytest

import emollm
from emollm.errors import ConfigError
from emollm.run import Run, command_line, git_commit, read_metrics


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "runs" / "one", "name: one\n", device="cpu")


def test_folder(run: Run) -> None:
    assert {path.name for path in run.folder.iterdir()} == {"config.yaml", "env.json", "plots", "checkpoints"}
    assert (run.folder / "config.yaml").read_text() == "name: one\n"
    env = json.loads((run.folder / "env.json").read_text())
    assert env["versions"]["emollm"] == emollm.__version__ and env["device"] == "cpu"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert Run.create(tmp_path, "name: one\n").folder == tmp_path


def test_a_folder_with_anything_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="not empty") as caught:
        Run.create(tmp_path, "name: two\n")
    assert "name=" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigError):
        Run.create(tmp_path / "run", "name: two\n")


def test_metrics_are_appended(run: Run) -> None:
    run.log({"step": 1, "loss": 2.5, "stage": "full"})
    run.log({"step": 2, "loss": math.nan, "grad_norm": math.inf})
    first, second = read_metrics(run.folder)
    assert (first["step"], first["loss"], first["stage"]) == (1, 2.5, "full")
    assert math.isnan(float(second["loss"])) and float(second["grad_norm"]) == math.inf
    assert 0 <= first["time_s"] <= second["time_s"]
    for line in run.metrics.read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_torn_last_row_is_left_out(run: Run) -> None:
    run.log({"step": 1})
    with run.metrics.open("a") as out:
        out.write('{"step": 2, "lo')
    assert [row["step"] for row in read_metrics(run.folder)] == [1]


def test_card(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "records.jsonl"
    data.write_text("{}\n")
    text = run.card(
        "small",
        "Trained from scratch.",
        seed=7,
        data=[data],
        blocks={"decoder": "1.0 M parameters, lora"},
        results={"loss": 1.25},
        citations=["@article{a}\n", "@article{b}", "@article{a}\n"],
        valid_for="synthetic",
    ).read_text()
    for part in ("# small", "Seed 7", hashlib.sha256(b"{}\n").hexdigest(), "| decoder |", "| loss | 1.25 |", "appears"):
        assert part in text
    assert "article 5(1)(f)" in text and "have counsel confirm" in text
    assert "Valid for: synthetic" in text and emollm.__version__ in text
    assert text.count("@article{a}") == 1


def test_the_card_tells_the_licences_of_the_data(run: Run, tmp_path: Path) -> None:
    free, bound = '{"license":{"name":"own","commercial":true}}', '{"license":{"name":"EULA","commercial":false}}'
    data = tmp_path / "records.jsonl"
    data.write_text("\n".join([free, bound, bound, "{}", ""]))
    text = run.card("small", "Nothing.", seed=0, data=[data], blocks={}).read_text()
    assert "EULA, not for commercial use (2); own (1); not told (1)" in text


def test_no_home_path_is_kept(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", [f"{tmp_path}/bin/emollm", "sft", f"data={tmp_path}/a b.jsonl", "x=y z"])
    assert command_line() == "emollm sft 'data=~/a b.jsonl' 'x=y z'"
    data = tmp_path / "records.jsonl"
    data.write_text("{}\n")
    card = run.card("small", "Nothing.", seed=0, data=[data], blocks={})
    assert str(tmp_path) not in card.read_text()
    again = Run.create(tmp_path / "again", "name: again\n")
    assert str(tmp_path) not in (again.folder / "env.json").read_text()


def test_no_environment_variable_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "do-not-write-me")
    run = Run.create(tmp_path / "run", "name: one\n")
    assert all("do-not-write-me" not in path.read_text() for path in run.folder.iterdir() if path.is_file())


def test_git_commit_is_of_the_checkout_of_emollm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    root = tmp_path / "checkout"
    (root / "emollm").mkdir(parents=True)
    (root / "emollm" / "__init__.py").write_text("a = 1\n")
    monkeypatch.setattr("emollm.__file__", str(root / "emollm" / "__init__.py"))
    assert git_commit() is None, "no checkout"

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    git("init", "-q")
    assert git_commit() is None, "no commit yet"
    git("add", ".")
    git("commit", "-q", "-m", "first")
    assert git_commit() == git("rev-parse", "HEAD")
    (root / "emollm" / "__init__.py").write_text("a = 2\n")
    assert git_commit() == git("rev-parse", "HEAD") + "+changes"
