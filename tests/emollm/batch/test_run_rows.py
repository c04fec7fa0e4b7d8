"""Runs over sources of any size: what is done is passed over unparsed, parts are disjoint, and no kill loses or doubles a row."""

import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emollm.batch import Output, Todo, count_rows, portion, run_rows
from emollm.batch.progress import ENOUGH, Progress, TooManyFailures, stopping, watched
from emollm.data.sources import RawRecord, find_rows, raw
from emollm.engines import Request, Sampling
from emollm.engines.fake import FakeEngine
from emollm.errors import ConfigError
from emollm.jsonl import read_rows
from emollm.prompts import TASKS
from emollm.records import Media, MediaRef, Prediction, Record, TextLine

TASK = TASKS["labels"]


def rows(n: int, start: int = 0) -> list[RawRecord]:
    return [raw(Record(id=f"r{i}", text=(TextLine(text=f"words {i}"),))) for i in range(start, start + n)]


def ask(record: Record) -> list[Request]:
    return [Request(record.id, record, TASK)]


def go(out: Path, source: Sequence[RawRecord], engine: FakeEngine | None = None) -> FakeEngine:
    engine = engine or FakeEngine()
    with Output.open(out, {}) as output:
        list(run_rows(Todo(lambda: source, ask, engine.identity, Sampling()), engine, output))
    return engine


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def test_what_is_done_is_neither_asked_nor_parsed_again(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = rows(600)
    assert len(go(out, source).asked) == 600
    parsed = []
    record = RawRecord.record
    monkeypatch.setattr(RawRecord, "record", lambda row: parsed.append(row.id) or record(row))
    assert go(out, [replace(row) for row in source]).asked == []
    assert parsed == []
    assert go(out, [*source, *rows(3, start=600)]).asked == ["r600", "r601", "r602"]
    assert len(parsed) < 600, "only the last block is read again"


def test_another_model_knows_nothing_of_these_keys(out: Path, tmp_path: Path) -> None:
    class Other(FakeEngine):
        @property
        def identity(self) -> dict[str, Any]:
            return {"engine": "fake", "model": "other", "weights_sha256": None}

    go(out, rows(3))
    assert len(go(tmp_path / "other.jsonl", rows(3), Other()).asked) == 3
    keys = [{row.key for row in read_rows(path, Prediction)} for path in (out, tmp_path / "other.jsonl")]
    assert not keys[0] & keys[1]


def test_a_clip_whose_bytes_change_between_runs_is_asked_again(out: Path, tmp_path: Path) -> None:
    clips = [tmp_path / f"{name}.mp4" for name in "ab"]
    for clip in clips:
        clip.write_bytes(b"one")
    source = [raw(Record(id=clip.stem, media=Media(video=MediaRef(path=str(clip))))) for clip in clips]
    go(out, source)
    clips[1].write_bytes(b"two!")
    assert go(out, source).asked == ["b"]


def test_several_questions_about_a_clip_have_a_row_each(out: Path) -> None:
    def ask_both(record: Record) -> list[Request]:
        return [Request(record.id, record, TASK), Request(f"{record.id}\0", record, TASKS["explain"])]

    engine = FakeEngine()
    with Output.open(out, {}) as output:
        list(run_rows(Todo(lambda: rows(2), ask_both, engine.identity, Sampling()), engine, output))
    found = [(row.id, row.task) for row in read_rows(out, Prediction)]
    assert found == [("r0", "labels"), ("r0", "explain"), ("r1", "labels"), ("r1", "explain")]


def test_a_clip_named_twice_is_answered_once(out: Path) -> None:
    assert go(out, [*rows(2), *rows(2)]).asked == ["r0", "r1"]


def test_parts_are_disjoint_and_whole_and_stay_when_rows_move() -> None:
    source = rows(200)
    parts = [[row.id for row in portion(source, part, 3)] for part in (1, 2, 3)]
    assert sorted(name for part in parts for name in part) == sorted(row.id for row in source)
    assert min(map(len, parts)) > 40
    moved = [*rows(50, start=900), *reversed(source)]
    assert {row.id for row in portion(moved, 2, 3)} & {row.id for row in source} == set(parts[1])


def test_rows_are_counted_and_all_wrong_ones_told(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text('{"id": "a"}\n{"id": "b"}\n\n{"id": "a"}\n')
    assert count_rows(find_rows([file])) == 2
    file.write_text('{"id": "a"}\nno json\n{"id": "a", "split": "dev"}\n[]\n')
    with pytest.raises(ConfigError, match=r"(?s)3 problems.*jsonl:2.*two different records have the id 'a'.*jsonl:4"):
        count_rows(find_rows([file]))


@pytest.mark.parametrize(
    ("bad", "told"), [(20, None), (21, r"20 of 99"), (200, r"50 of 50 clips failed \(50 not_media\)")]
)
def test_a_run_in_which_too_much_fails_is_stopped(bad: int, told: str | None) -> None:
    """The good clips come first, so that the share of failures grows; at 20 of 100 it is what is still allowed."""
    names = [f"good{i}" for i in range(max(0, 100 - bad))] + [f"bad{i}" for i in range(bad)]
    engine, progress = FakeEngine(fail={name for name in names if name.startswith("bad")}), Progress(len(names))
    requests = [Request(name, Record(id=name), TASK) for name in names]
    answers = stopping(watched(engine.generate(requests, Sampling()), progress, print), progress, max_failed_percent=20)
    if told is None:
        assert len(list(answers)) == 100
    else:
        with pytest.raises(TooManyFailures, match=told):
            list(answers)
        assert progress.new >= ENOUGH


class Slow(FakeEngine):
    """Takes a few milliseconds for an answer, so that there are moments to be killed at."""

    def _answer(self, request: Request, sampling: Sampling) -> Prediction:
        time.sleep(0.002)
        return super()._answer(request, sampling)


def test_twenty_kills_at_random_moments_lose_and_double_nothing(out: Path, tmp_path: Path) -> None:
    source, chance = rows(600), random.Random(5)
    bad = {"r7", "r77"}
    go(tmp_path / "whole.jsonl", source, FakeEngine(fail=bad))
    killed = 0
    for _ in range(20):
        enough = (out.stat().st_size if out.exists() else 0) + chance.randrange(5000)
        child = os.fork()
        if child == 0:
            try:
                go(out, source, Slow(fail=bad))
            finally:
                os._exit(0)
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if out.exists() and out.stat().st_size > enough:
                time.sleep(chance.random() * 0.003)
                os.kill(child, signal.SIGKILL)
                killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
                break
    assert killed >= 10, "children were in the middle of their work"
    go(out, source, FakeEngine(fail=bad))
    for name in ("{}.jsonl", "{}.bad.jsonl"):
        found, whole = ((tmp_path / name.format(run)).read_bytes().splitlines() for run in ("out", "whole"))
        assert sorted(found) == sorted(whole)
