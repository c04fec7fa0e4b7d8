"""An engine that dies is replaced by one that takes care: only the clip that kills is lost, and it is asked twice."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from emollm.batch import Output, Todo, run_rows
from emollm.batch.careful import DEATHS, Careful
from emollm.data.sources import raw
from emollm.engines import Request, Sampling
from emollm.engines.fake import FakeEngine
from emollm.jsonl import read_rows
from emollm.prompts import TASKS
from emollm.records import Prediction, Record

BATCH = 8


class Mortal(FakeEngine):
    """Draws a whole batch before it answers, and dies of some requests; `asked` is a file, so that it outlives the engine."""

    def __init__(self, asked_file: Path, killers: set[str]) -> None:
        super().__init__()
        self.asked_file, self.killers = asked_file, killers

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        waiting = iter(requests)
        while batch := list(islice(waiting, BATCH)):
            with self.asked_file.open("a") as out:
                out.writelines(f"{request.id}\n" for request in batch)
            if self.killers & {request.id for request in batch}:
                os.kill(os.getpid(), signal.SIGKILL)
            yield from super().generate(batch, sampling)


def go(out: Path, engine: FakeEngine) -> None:
    def ask(record: Record) -> list[Request]:
        return [Request(record.id, record, TASKS["labels"])]

    with Output.open(out, {}) as output, closing(Careful(engine, out.with_suffix(".asked"))) as careful:
        todo = Todo(lambda: [raw(Record(id=f"r{i}")) for i in range(40)], ask, engine.identity, Sampling())
        list(run_rows(todo, careful, output))


def lives(out: Path, engine: FakeEngine) -> int:
    """Run in one process after the other until one lives to the end; return their number."""
    for number in range(1, 20):
        child = os.fork()
        if child == 0:
            try:
                go(out, engine)
            finally:
                os._exit(0)
        if os.WIFEXITED(os.waitpid(child, 0)[1]):
            return number
    raise AssertionError("it dies for ever")


def test_a_clip_that_kills_is_asked_twice_and_costs_itself_only(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    assert lives(tmp_path / "two.jsonl", Mortal(asked, {"r7", "r30"})) == 1 + 2 * DEATHS
    go(tmp_path / "one.jsonl", FakeEngine())
    one, two = ({row.id: row for row in read_rows(tmp_path / name, Prediction)} for name in ("one.jsonl", "two.jsonl"))
    bad = list(read_rows(tmp_path / "two.bad.jsonl", Prediction))
    assert [(row.id, row.error.code, row.key) for row in bad] == [
        (name, "engine_died", one.pop(name).key) for name in ("r7", "r30")
    ]
    assert two == one
    times = asked.read_text().split()
    assert times.count("r7") == times.count("r30") == DEATHS
    assert max(map(times.count, times)) == DEATHS, "who died beside them is asked once more, and answered"


def test_a_death_without_a_cause_costs_no_clip(tmp_path: Path) -> None:
    class Once(Mortal):
        """Dies in its first life only."""

        def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
            self.killers = set() if self.asked_file.exists() else self.killers
            return super().generate(requests, sampling)

    assert lives(tmp_path / "out.jsonl", Once(tmp_path / "asked", {"r12"})) == 2
    assert {row.id for row in read_rows(tmp_path / "out.jsonl", Prediction)} == {f"r{i}" for i in range(40)}
