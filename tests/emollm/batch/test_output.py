"""A run that is written as it goes: whole lines, done once, each row by its key."""

import json
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from emollm.batch import Output, request_key, run
from emollm.data.sources import record_of
from emollm.engines import Request, Sampling
from emollm.engines.fake import FakeEngine
from emollm.errors import ConfigError, EmoError
from emollm.jsonl import read_rows
from emollm.prompts import TASKS
from emollm.records import Prediction, Record, TextLine

SAMPLING = Sampling()


def records(n: int) -> list[Record]:
    return [Record(id=f"r{i}", text=(TextLine(text=f"words {i}"),)) for i in range(n)]


def go(output: Path, rows: Iterable[Record], engine: FakeEngine | None = None, **settings: Any) -> list[Prediction]:
    engine = engine or FakeEngine()
    requests = [Request(row.id, row, TASKS["labels"]) for row in rows]
    with Output.open(output, {"task": "labels", **settings}) as out:
        return list(run(requests, engine, engine.identity, SAMPLING, out))


def ids(path: Path) -> list[str]:
    return [row.id for row in read_rows(path, Prediction)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def manifest(out: Path) -> dict[str, Any]:
    return json.loads(out.with_name("out.manifest.json").read_text())


def test_answers_errors_and_manifest_have_their_files(out: Path) -> None:
    go(out, records(4), FakeEngine(fail={"r2"}))
    assert ids(out) == ["r0", "r1", "r3"]
    assert ids(out.with_name("out.bad.jsonl")) == ["r2"]
    assert manifest(out)["counts"] == {"answers": 3, "errors": 1}
    assert manifest(out)["state"] == "done"


def test_what_is_done_is_not_asked_again(out: Path) -> None:
    go(out, records(3), FakeEngine(fail={"r1"}))
    before = out.read_bytes()
    again = FakeEngine()
    assert go(out, records(3), again) == []
    assert again.asked == []
    assert out.read_bytes() == before
    more = FakeEngine()
    go(out, records(5), more)
    assert more.asked == ["r3", "r4"]


def test_an_interrupted_run_leaves_whole_lines_and_goes_on(out: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(out, records(5), FakeEngine(interrupt_after=2))
    assert ids(out) == ["r0", "r1"]
    assert manifest(out)["state"] == "interrupted"
    go(out, records(5))
    assert ids(out) == [f"r{i}" for i in range(5)]
    assert manifest(out)["state"] == "done"


@pytest.mark.parametrize("torn", ['{"schema":"emollm.pred', "{}", "x" * 200_000, '{"key":"\u00e9'])
def test_a_torn_last_line_is_cut_and_asked_again(out: Path, torn: str) -> None:
    go(out, records(3))
    whole = out.read_bytes()
    first_two = b"".join(whole.splitlines(keepends=True)[:2])
    out.write_bytes(first_two + torn.encode())
    engine = FakeEngine()
    go(out, records(3), engine)
    assert engine.asked == ["r2"]
    assert out.read_bytes() == whole


def test_a_file_of_one_torn_line_starts_anew(out: Path) -> None:
    go(out, records(1))
    whole = out.read_bytes()
    out.write_bytes(whole[:40])
    go(out, records(1))
    assert out.read_bytes() == whole


def test_a_damaged_line_inside_is_refused_with_its_number(out: Path) -> None:
    go(out, records(3))
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(lines[0] + b"garbage\n" + lines[2])
    with pytest.raises(ConfigError, match=r"out\.jsonl:2"):
        go(out, records(3))


def test_other_settings_are_refused_and_named(out: Path) -> None:
    go(out, records(2), temperature=0.0)
    before = out.read_bytes()
    with pytest.raises(ConfigError, match=r"temperature: 0\.0 then, 0\.7 now"):
        go(out, records(2), temperature=0.7)
    assert out.read_bytes() == before


def test_a_file_that_no_run_has_made_is_refused(out: Path) -> None:
    out.write_text('{"my": "data"}\n')
    with pytest.raises(ConfigError, match="manifest"):
        go(out, records(1))
    assert out.read_text() == '{"my": "data"}\n'


def test_two_processes_do_not_write_one_file(out: Path) -> None:
    with Output.open(out, {}), pytest.raises(ConfigError, match="another run"):
        Output.open(out, {})
    Output.open(out, {}).__exit__(None, None, None)


def test_error_rows_are_asked_again_when_wanted(out: Path) -> None:
    go(out, records(4), FakeEngine(fail={"r1", "r2"}))
    engine = FakeEngine(fail={"r2"})
    requests = [Request(row.id, row, TASKS["labels"]) for row in records(4)]
    with Output.open(out, {"task": "labels"}, retry_failed=True) as output:
        list(run(requests, engine, engine.identity, SAMPLING, output))
    assert engine.asked == ["r1", "r2"]
    assert ids(out) == ["r0", "r3", "r1"]
    assert ids(out.with_name("out.bad.jsonl")) == ["r2"]
    assert manifest(out)["counts"] == {"answers": 3, "errors": 1}


def test_a_full_disk_takes_the_row_back_and_the_run_goes_on_later(out: Path) -> None:
    """A limit on the size of files stands for the disk: the kernel refuses the same way, in the middle of a row."""
    rows, (soft, hard) = records(300), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
    try:
        with pytest.raises(EmoError, match="cannot be written"):
            go(out, rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert out.read_bytes().endswith(b"\n")
    written = len(ids(out))
    assert 0 < written < 300
    engine = FakeEngine()
    go(out, rows, engine)
    assert len(engine.asked) == 300 - written
    assert ids(out) == [row.id for row in rows]


def test_the_purpose_is_kept(out: Path) -> None:
    with Output.open(out, {}, "a pilot study"):
        assert manifest(out)["purpose"] == "a pilot study"
        assert manifest(out)["state"] == "running"


def test_only_jsonl_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.jsonl"):
        Output.open(tmp_path / "out.csv", {})


def test_a_clip_whose_bytes_have_changed_is_asked_again(out: Path, tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"one")
    go(out, [record_of(clip)])
    clip.write_bytes(b"two!")
    engine = FakeEngine()
    go(out, [record_of(clip)], engine)
    assert engine.asked == [clip.as_posix()]
    moved = tmp_path / "b.mp4"
    clip.rename(moved)
    moved.rename(clip)
    assert go(out, [record_of(clip)]) == []


def test_a_key_holds_all_that_an_answer_depends_on(tmp_path: Path) -> None:
    from emollm.media.hashes import MediaHashes

    hashes = MediaHashes(tmp_path / "hashes.sqlite")
    record, other = records(2)
    task = TASKS["labels"]
    keys = [
        request_key(request, sampling, identity, hashes)
        for request, sampling, identity in (
            (Request("r", record, task), SAMPLING, {"weights": 1}),
            (Request("r", other, task), SAMPLING, {"weights": 1}),
            (Request("r", record, TASKS["cues"]), SAMPLING, {"weights": 1}),
            (Request("r", record, task.with_labels(("calm",))), SAMPLING, {"weights": 1}),
            (Request("r", record, task, seed=1), SAMPLING, {"weights": 1}),
            (Request("r", record, task, audio=False), SAMPLING, {"weights": 1}),
            (Request("r", record, task, transcript=False), SAMPLING, {"weights": 1}),
            (Request("r", record, task), Sampling(temperature=0.5), {"weights": 1}),
            (Request("r", record, task), SAMPLING, {"weights": 2}),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == request_key(Request("r", record, task), SAMPLING, {"weights": 1}, hashes)
    hashes.close()
