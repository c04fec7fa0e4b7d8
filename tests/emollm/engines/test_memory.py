"""Questions about one clip share its beginning: the clip is decoded and encoded once, and the answers are those of a fresh engine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emollm.data.sources import record_of
from emollm.engines import Request, Sampling
from emollm.engines.checkpoints import find_checkpoint
from emollm.engines.evidence import gather
from emollm.prompts import TASKS, Exchange
from emollm.records import Record, TextLine

SAMPLED = Sampling(temperature=1.0, max_new_tokens=20)  # greedy answers of a random model are often empty


@pytest.fixture
def engine(random_model: Path) -> Iterator[Any]:
    from emollm.engines.hf import HFEngine

    engine = HFEngine(find_checkpoint(random_model), batch_size=4)
    yield engine
    engine.close()


@pytest.fixture
def counts(engine: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count what is decoded and what is encoded."""
    found = {"decoded": 0, "encoded": 0}
    from emollm.engines import memory

    decode = memory.gather

    def counted(*arguments: Any) -> Any:
        found["decoded"] += 1
        return decode(*arguments)

    def encoded(*_: Any) -> None:
        found["encoded"] += 1

    monkeypatch.setattr(memory, "gather", counted)
    engine.model.model.av_encoder.register_forward_hook(encoded)
    return found


def stream(engine: Any, record: Record, question: str, history: tuple[Exchange, ...] = (), **given: bool) -> str:
    task = TASKS["ask"].with_question(question).after(history)
    return "".join(engine.stream(Request(record.id, record, task, **given), SAMPLED))


def afresh(engine: Any) -> None:
    engine.memory = type(engine.memory)(engine.media)


def test_a_conversation_encodes_its_clip_once(
    engine: Any, make_clip: Callable[..., Path], counts: dict[str, int]
) -> None:
    record, history, warm = record_of(make_clip()), (), []
    for question in ("why?", "since when?", "and the voice?"):
        warm.append(stream(engine, record, question, history))
        history += (Exchange(question, warm[-1]),)
    (labels,) = engine.generate([Request("r", record, TASKS["labels"])], Sampling(max_new_tokens=60))
    assert counts == {"decoded": 1, "encoded": 1}
    for place, answer in enumerate(warm):
        afresh(engine)
        assert stream(engine, record, history[place].question, history[:place]) == answer
    assert len(set(warm)) > 1, "the history does not reach the model"
    afresh(engine)
    (again,) = engine.generate([Request("r", record, TASKS["labels"])], Sampling(max_new_tokens=60))
    assert (labels.raw, labels.seen) == (again.raw, again.seen)


def test_other_evidence_is_read_anew(engine: Any, make_clip: Callable[..., Path], counts: dict[str, int]) -> None:
    record = record_of(make_clip())
    cases: list[tuple[Record, dict[str, bool]]] = [
        (record, {}),
        (record, {"audio": False}),
        (record, {"video": False}),
        (record_of(make_clip("other.mp4", brightness=90)), {}),
        (record.model_copy(update={"text": (TextLine(text="never again"),)}), {}),
    ]
    warm = [stream(engine, clip, "why?", **given) for clip, given in cases]
    assert counts == {"decoded": 5, "encoded": 5}
    for (clip, given), answer in zip(cases, warm, strict=True):
        afresh(engine)
        assert stream(engine, clip, "why?", **given) == answer
    assert len(set(warm)) > 2


def test_clips_that_come_with_their_requests_are_not_mixed_up(engine: Any, make_clip: Callable[..., Path]) -> None:
    """As pictures that a client sends: records without a file, all alike."""
    clips = [record_of(make_clip("dark.mp4", brightness=20)), record_of(make_clip("bright.mp4", brightness=220))]
    task = TASKS["ask"].with_question("why?")
    shown = [gather(Request(clip.id, clip, task), engine.media) for clip in clips]
    requests = [Request("chat", Record(id="chat"), task, evidence=evidence) for evidence in shown]
    warm = ["".join(engine.stream(request, SAMPLED)) for request in requests]
    assert warm[0] != warm[1]
    for request, answer in zip(requests, warm, strict=True):
        afresh(engine)
        assert "".join(engine.stream(request, SAMPLED)) == answer


def test_a_file_that_has_changed_is_read_anew(
    engine: Any, make_clip: Callable[..., Path], counts: dict[str, int]
) -> None:
    record = record_of(make_clip())
    first = stream(engine, record, "why?")
    make_clip(loudness=0.9, brightness=40)
    second = stream(engine, record, "why?")
    assert counts["decoded"] == 2
    afresh(engine)
    assert stream(engine, record, "why?") == second != first


def test_two_streams_at_once_do_not_disturb_each_other(engine: Any, make_clip: Callable[..., Path]) -> None:
    record = record_of(make_clip())
    alone = [stream(engine, record, question) for question in ("why?", "since when?")]
    streams = [
        engine.stream(Request(record.id, record, TASKS["ask"].with_question(question)), SAMPLED)
        for question in ("why?", "since when?")
    ]
    texts = ["", ""]
    open_ = [0, 1]
    while open_:
        for place in list(open_):
            piece = next(streams[place], None)
            if piece is None:
                open_.remove(place)
            else:
                texts[place] += piece
    assert texts == alone


def test_an_abandoned_answer_leaves_nothing_wrong(engine: Any, make_clip: Callable[..., Path]) -> None:
    record = record_of(make_clip())
    request = Request(record.id, record, TASKS["ask"].with_question("why?"))
    whole = "".join(engine.stream(request, SAMPLED))
    half = engine.stream(request, SAMPLED)
    next(half)
    half.close()
    assert "".join(engine.stream(request, SAMPLED)) == whole
