"""Clips are decoded ahead of the engine, in processes whose death costs one row at most; what lies elsewhere is fetched."""

from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from emollm.batch import Output, Todo, run_rows
from emollm.batch.ahead import QUEUED_CLIPS, decoded_ahead
from emollm.data.sources import find_rows
from emollm.engines import Request, Sampling
from emollm.engines.evidence import Evidence, MediaSettings, gather
from emollm.engines.fake import FakeEngine
from emollm.errors import MediaError
from emollm.jsonl import read_rows
from emollm.prompts import TASKS
from emollm.records import Failure, Prediction, Record

# Run by Python at the start of each decoding process: a decoder that some files kill, always or the first time.
KILLER = """
import os, sys
import emollm.media
decode = sys.modules["emollm.media.decode"]
open_media = decode.open_media
def open_or_die(path):
    name = os.path.basename(path)
    if name.startswith("killer") or (name.startswith("once") and not os.path.exists(f"{path}.seen")):
        open(f"{path}.seen", "w").close()
        os.kill(os.getpid(), 9)
    return open_media(path)
decode.open_media = open_or_die
"""


class Looking(FakeEngine):
    """Answers after it has looked at the clip."""

    media = MediaSettings(2, 32, 1.0, 16000)

    def _answer(self, request: Request, sampling: Sampling) -> Prediction:
        answer = super()._answer(request, sampling)
        try:
            return answer.model_copy(update={"seen": gather(request, self.media).seen})
        except MediaError as error:
            failure = Failure(code=error.code, what=error.what, fix=error.fix)
            return answer.model_copy(update={"status": "error", "labels": (), "parse": None, "error": failure})


def ask(record: Record) -> list[Request]:
    return [Request(record.id, record, TASKS["labels"]), Request(f"{record.id}\0", record, TASKS["explain"])]


def go(out: Path, *sources: str | Path, workers: int = 2, keep: bool = False) -> list[Prediction]:
    engine = Looking()
    with Output.open(out, {}) as output:
        todo = Todo(lambda: find_rows(sources), ask, engine.identity, Sampling(), keep)
        return list(run_rows(todo, engine, output, workers))


def test_a_dead_decoder_costs_one_clip_and_no_other(
    make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "killer", "once", "z"):
        make_clip(f"clips/{name}.mp4")
    (tmp_path / "sitecustomize.py").write_text(KILLER)
    monkeypatch.syspath_prepend(tmp_path)
    answers = go(tmp_path / "out.jsonl", tmp_path / "clips")
    assert len(answers) == 8
    failed = [(Path(row.id).name, row.error.code) for row in answers if row.error]
    assert failed == [("killer.mp4", "decoder_died")] * 2
    assert {row.seen.frames for row in answers if row.status == "ok"} == {2}
    with fsspec.open(str(tmp_path / "out.bad.jsonl")) as bad:
        assert len(bad.readlines()) == 2
    plain = go(tmp_path / "plain.jsonl", tmp_path / "clips" / "a.mp4", workers=0)
    by_key = {row.key: row for row in read_rows(tmp_path / "out.jsonl", Prediction)}
    assert [by_key[row.key] for row in plain] == plain, "decoded ahead or by the engine: the same answers"


def test_decoded_clips_are_kept_for_the_next_run(
    make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip("clips/killer.mp4")
    first = go(tmp_path / "first.jsonl", tmp_path / "clips", workers=1, keep=True)
    (tmp_path / "sitecustomize.py").write_text(KILLER)  # from now on, who decodes it dies
    monkeypatch.syspath_prepend(tmp_path)
    assert go(tmp_path / "second.jsonl", tmp_path / "clips", workers=1, keep=True) == first
    assert {row.error.code for row in go(tmp_path / "third.jsonl", tmp_path / "clips", workers=1)} == {"decoder_died"}


def test_clips_elsewhere_are_fetched_and_known_by_their_version(
    make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_clip("store/a.mp4").parent
    make_clip("store/b.wav")
    (store / "r.jsonl").write_text(
        '{"id": "x", "media": {"video": {"path": "a.mp4"}}}\n{"id": "gone", "media": {"video": {"path": "none.mp4"}}}\n'
    )
    url = f"local://{store}"
    answers = {row.id: row for row in go(tmp_path / "out.jsonl", url, f"{url}/r.jsonl")}
    assert {name.rpartition("/")[2]: row.status for name, row in answers.items()} == {
        "a.mp4": "ok", "b.wav": "ok", "x": "ok", "gone": "error",
    }  # fmt: skip
    assert answers["x"].seen.frames == 2
    assert answers["gone"].error.code == "not_fetched"
    assert go(tmp_path / "out.jsonl", url, f"{url}/r.jsonl") == []
    make_clip("store/a.mp4", brightness=90)
    changed = {row.id.rpartition("/")[2] for row in go(tmp_path / "out.jsonl", url, f"{url}/r.jsonl")}
    assert changed == {"a.mp4", "x"}


def test_the_queue_is_bounded_and_errors_of_the_source_arrive() -> None:
    drawn = 0

    def requests() -> Iterator[Request]:
        nonlocal drawn
        for drawn in range(1, 200):
            yield Request(f"r{drawn}", Record(id=f"r{drawn}"), TASKS["labels"])
        raise MediaError("broken", "the source broke")

    ready = decoded_ahead(requests(), Looking(), 1)
    assert isinstance(next(ready).evidence, Evidence)
    for _ in range(50):
        assert drawn <= QUEUED_CLIPS + 60
        next(ready)
    with pytest.raises(MediaError, match="the source broke"):
        list(ready)
    unread = decoded_ahead(requests(), Looking(), 1)
    next(unread)
    unread.close()
    assert drawn < 150, "who stops drawing stops the decoding"
