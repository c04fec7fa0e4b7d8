"""Engines in Ray actors: the rows of one engine, whoever is killed; what cannot run is told and not tried for ever."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.batch import Output, Todo, run_rows
from emollm.batch.ray_actors import RayActors
from emollm.cli.main import app
from emollm.data.sources import raw
from emollm.engines import Engine, Request, Sampling
from emollm.engines.fake import FakeEngine
from emollm.errors import ConfigError, EmoError
from emollm.jsonl import read_rows
from emollm.prompts import TASKS
from emollm.records import Prediction, Record, write_records

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'emollm[ray]'")
pytestmark = pytest.mark.slow
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # actors cannot import tests

HEAD = """
import ray
head = ray.init("local", num_cpus=2, object_store_memory=100 * 2**20, include_dashboard=False, log_to_driver=False)
print("address", head.address_info["gcs_address"], flush=True)
input()
"""

# The command, with an engine that leaves time to be killed in.
SLOWLY = """
import sys, time
import emollm.api
from emollm.cli.main import app
from emollm.engines.fake import FakeEngine
class Slow(FakeEngine):
    def _answer(self, request, sampling):
        time.sleep(0.1)
        return super()._answer(request, sampling)
emollm.api.open_engine = lambda *_, **__: Slow()
app(sys.argv[1:])
"""


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """Start Ray once for all runs, which find it as they would find a cluster; RAY_ADDRESS names one that is there already."""
    if "RAY_ADDRESS" in os.environ:
        yield
        return
    quiet = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    call = [sys.executable, "-c", HEAD]
    with (
        subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet) as head,
        pytest.MonkeyPatch.context() as patch,
    ):
        address = next((line.split()[1] for line in head.stdout if line.startswith("address ")), None)
        if address is None:
            pytest.skip("Ray's processes did not start in the 15 s that Ray gives them: the machine is too busy")
        patch.setenv("RAY_ADDRESS", address)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield
        head.stdin.close()


class Mortal(FakeEngine):
    """Dies of some clips; of those with a file only while that is not there."""

    def __init__(self, killers: dict[str, Path | None]) -> None:
        super().__init__()
        self.killers = killers

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        for request in requests:
            mark = self.killers.get(request.id)
            if request.id in self.killers and (mark is None or not mark.exists()):
                if mark is not None:
                    mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            yield from super().generate([request], sampling)


def todo(n: int = 40) -> Todo:
    def ask(record: Record) -> list[Request]:
        return [Request(record.id, record, TASKS["labels"])]

    return Todo(lambda: [raw(Record(id=f"r{i}")) for i in range(n)], ask, FakeEngine().identity, Sampling())


def go(out: Path, open_engine: Callable[[], Engine], n: int = 40, **given: Any) -> None:
    with Output.open(out, {}) as output:
        list(RayActors(open_engine, actors=2, workers=1, **given).run(todo(n), output))


def alone(out: Path, n: int = 40) -> None:
    with Output.open(out, {}) as output:
        list(run_rows(todo(n), FakeEngine(), output))


def rows(path: Path) -> list[Prediction]:
    return sorted(read_rows(path, Prediction), key=lambda row: row.id)


def test_the_command_gives_the_rows_of_one_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("emollm.api.open_engine", lambda *_, **__: FakeEngine(fail={"r3"}))
    write_records("r.jsonl", [Record(id=f"r{i}") for i in range(40)])
    call = ["label", "r.jsonl", "--purpose", "film studies", "-o"]
    assert CliRunner().invoke(app, [*call, "local.jsonl"]).exit_code == 1
    for told in ("40 new rows, 0 done before; 1 error rows", "0 new rows, 40 done before"):
        result = CliRunner().invoke(app, [*call, "ray.jsonl", "--executor", "ray", "--actors", "2"])
        assert (result.exit_code, told in result.stderr) == (1, True), result.stderr
    for kind in ("{}.jsonl", "{}.bad.jsonl"):
        assert rows(Path(kind.format("ray"))) == rows(Path(kind.format("local")))
    assert not Path("ray.parts").exists()


def test_a_run_in_which_too_much_fails_is_stopped_and_ray_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("emollm.api.open_engine", lambda *_, **__: FakeEngine(fail={f"r{i}" for i in range(200)}))
    write_records("r.jsonl", [Record(id=f"r{i}") for i in range(200)])
    call = ["label", "r.jsonl", "-o", "ray.jsonl", "--executor", "ray", "--max-failed", "30"]
    result = CliRunner().invoke(app, call)
    assert (result.exit_code, "50 of 50 clips failed" in result.stderr) == (1, True), result.stderr
    assert not ray.is_initialized()
    assert len(rows(Path("ray.bad.jsonl"))) == 50


def test_actors_that_die_are_replaced_and_a_clip_that_kills_costs_itself(tmp_path: Path) -> None:
    once = tmp_path / "once"
    go(tmp_path / "ray.jsonl", partial(Mortal, {"r7": None, "r30": once}))
    alone(tmp_path / "one.jsonl")
    (killer,) = rows(tmp_path / "ray.bad.jsonl")
    assert (killer.id, killer.error.code, once.exists()) == ("r7", "engine_died", True)
    wanted = {row.id: row for row in rows(tmp_path / "one.jsonl")}
    assert killer.key == wanted.pop("r7").key
    assert rows(tmp_path / "ray.jsonl") == list(wanted.values())


def test_a_run_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("emollm.api.open_engine", lambda *_, **__: FakeEngine())
    write_records("r.jsonl", [Record(id=f"r{i}") for i in range(200)])
    call = ["label", "r.jsonl", "-o", "ray.jsonl", "--executor", "ray", "--actors", "2"]
    with subprocess.Popen([sys.executable, "-c", SLOWLY, *call]) as run:
        while run.poll() is None and len(list(Path("ray.parts").glob("*.jsonl"))) < 6:
            time.sleep(0.1)
        run.kill()
    before = Path("ray.jsonl").read_bytes()
    assert 0 < before.count(b"\n") < 200
    assert CliRunner().invoke(app, call).exit_code == 0
    assert Path("ray.jsonl").read_bytes().startswith(before)
    assert CliRunner().invoke(app, ["label", "r.jsonl", "-o", "one.jsonl"]).exit_code == 0
    assert rows(Path("ray.jsonl")) == rows(Path("one.jsonl"))


def test_what_cannot_run_ends_and_says_why(tmp_path: Path) -> None:
    def broken() -> Engine:
        raise RuntimeError("no weights")

    class Other(FakeEngine):
        @property
        def identity(self) -> dict[str, Any]:
            return {**super().identity, "model": "other"}

    with pytest.raises(EmoError, match="no weights"):
        RayActors(broken, actors=2, workers=1).identity()
    with pytest.raises(ConfigError, match="room for"):
        RayActors(FakeEngine, actors=1000, workers=1).identity()
    with pytest.raises(ConfigError, match="differs from the first one in model"):
        go(tmp_path / "other.jsonl", Other)
    with pytest.raises(EmoError, match="actors died more than 1 times"):
        go(tmp_path / "dying.jsonl", partial(Mortal, {f"r{i}": None for i in range(40)}), max_deaths=1)
