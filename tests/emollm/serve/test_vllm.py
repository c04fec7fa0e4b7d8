"""The vllm engine gives the answers of the hf engine: the same tokens, the same probabilities but for rounding."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from emollm.data.sources import record_of
from emollm.engines import Request, Sampling
from emollm.engines.checkpoints import Checkpoint
from emollm.prompts import TASKS
from emollm.records import Prediction, Record
from tests.emollm.serve.conftest import save

pytestmark = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed: `make test` runs this in .venv-serve"
)
COMPOSITIONS = ("whisper clip resampler qwen2", "hubert siglip qformer llama")
CLOSED = TASKS["full"].with_labels(("calm", "worried", "angry"))


@pytest.fixture(scope="module", params=COMPOSITIONS)
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """The hf and the vllm engine with one model."""
    from emollm.engines.hf import HFEngine
    from emollm.engines.vllm import VLLMEngine

    folder = save(tmp_path_factory.mktemp("model"), request.param)
    checkpoint = Checkpoint(folder, "random", "synthetic")
    hf, vllm = HFEngine(checkpoint), VLLMEngine(checkpoint, batch_size=16)
    yield hf, vllm
    hf.close()
    vllm.close()


def answers(engine: Any, requests: list[Request], sampling: Sampling) -> dict[str, Prediction]:
    return {answer.id: answer for answer in engine.generate(requests, sampling)}


def drafts(engine: Any, requests: list[Request], sampling: Sampling, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The tokens behind answers, and their probabilities."""
    kept: dict[str, Any] = {}
    read = engine._read

    def keep(row: Any, draft: Any, sampling: Sampling) -> Prediction:
        kept[row.request.id] = draft
        return read(row, draft, sampling)

    monkeypatch.setattr(engine, "_read", keep)
    answers(engine, requests, sampling)
    monkeypatch.undo()
    return kept


@pytest.mark.parametrize(("task", "budget"), [(TASKS["ask"], 40), (TASKS["explain"], 150), (CLOSED, 150)])
def test_greedy_tokens_and_probabilities_are_those_of_hf(
    engines: tuple[Any, Any], mixed: list[Record], task: Any, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All kinds of clips in one batch; answers of random models end where the budget closes them."""
    requests, sampling = [Request(record.id, record, task) for record in mixed], Sampling(max_new_tokens=budget)
    theirs, ours = (drafts(engine, requests, sampling, monkeypatch) for engine in engines)
    assert len({tuple(draft.ids) for draft in theirs.values()}) > 1
    for record in mixed:
        one, two = theirs[record.id], ours[record.id]
        assert two.ids == one.ids, record.id
        assert two.cut_at == one.cut_at, record.id
        logs = [[math.log(max(prob, 1e-30)) for prob in draft.probs] for draft in (one, two)]
        assert logs[1] == pytest.approx(logs[0], abs=1e-4), record.id


def test_predictions_are_those_of_hf_but_for_the_engine(
    engines: tuple[Any, Any], mixed: list[Record], tmp_path: Path
) -> None:
    bad = tmp_path / "page.mp4"
    bad.write_text("<html>")
    records = [*mixed, record_of(bad), record_of(tmp_path / "none.mp4")]
    requests = [Request(record.id, record, TASKS["labels"]) for record in records]
    hf, vllm = (answers(engine, requests, Sampling(max_new_tokens=150)) for engine in engines)
    assert {answer.error.code for answer in vllm.values() if answer.error} == {"not_media", "missing_file"}
    for record in records:
        one, two = hf[record.id], vllm[record.id]
        assert (one.provenance.engine, two.provenance.engine) == ("hf", "vllm")
        assert two.confidence == pytest.approx(one.confidence, abs=1e-4)
        loose = {"provenance", "confidence", "labels"}
        assert two.model_dump(exclude=loose) == one.model_dump(exclude=loose)
        assert [label.text for label in two.labels] == [label.text for label in one.labels]
        assert [label.score for label in two.labels] == pytest.approx([label.score for label in one.labels], abs=1e-4)


def test_every_answer_can_be_read_and_a_cut_one_says_so(engines: tuple[Any, Any], mixed: list[Record]) -> None:
    """The grammar holds for a model that has learned nothing, greedy and sampled; only a budget that is too small breaks an answer."""
    _, vllm = engines
    tasks = [*(TASKS[name] for name in ("labels", "cues", "explain", "full")), CLOSED]
    requests = [Request(f"{i} {record.id}", record, task) for i, task in enumerate(tasks) for record in mixed[::3]]
    asked = {request.id: request.task for request in requests}
    for temperature in (0.0, 1.0):
        found = answers(vllm, requests, Sampling(temperature=temperature, max_new_tokens=150))
        assert found.keys() == asked.keys()
        for name, answer in found.items():
            assert tuple(json.loads(answer.raw)) == asked[name].answer_keys
            assert answer.parse in {"ok", "truncated"}
            assert asked[name] is not CLOSED or {label.text for label in answer.labels} <= set(CLOSED.label_space)
    short = TASKS["labels"].with_labels(("calm", "worried"))
    ended = answers(vllm, [Request(record.id, record, short) for record in mixed], Sampling(max_new_tokens=400))
    assert {answer.parse for answer in ended.values()} == {"ok"}
    cut = answers(vllm, requests, Sampling(max_new_tokens=6))
    assert {answer.parse for answer in cut.values()} == {"truncated"}


def test_sampled_answers_follow_their_seed_alone(engines: tuple[Any, Any], mixed: list[Record]) -> None:
    _, vllm = engines
    sampling = Sampling(temperature=1.0, max_new_tokens=30)
    record = mixed[4]
    together = [Request(f"{seed}", record, TASKS["ask"], seed) for seed in range(4)]
    first = answers(vllm, together, sampling)
    alone = [answers(vllm, [request], sampling)[request.id] for request in together]
    assert [first[str(seed)].raw for seed in range(4)] == [answer.raw for answer in alone]
    assert len({answer.raw for answer in alone}) > 1


def test_a_stream_is_the_answer_in_pieces(engines: tuple[Any, Any], mixed: list[Record]) -> None:
    _, vllm = engines
    request, sampling = Request("r", mixed[0], TASKS["ask"]), Sampling(temperature=1.0, max_new_tokens=40)
    pieces = list(vllm.stream(request, sampling))
    assert len(pieces) > 5
    assert "".join(pieces) == answers(vllm, [request], sampling)["r"].raw


def test_who_stops_listening_leaves_nothing_behind(engines: tuple[Any, Any], mixed: list[Record]) -> None:
    _, vllm = engines
    listening = vllm.generate([Request(r.id, r, TASKS["ask"]) for r in mixed], Sampling(max_new_tokens=20))
    next(listening)
    listening.close()
    assert not vllm._engine.has_unfinished_requests()
    assert len(answers(vllm, [Request("r", mixed[4], TASKS["ask"])], Sampling(max_new_tokens=5))) == 1


def test_a_prompt_that_does_not_fit_is_an_error_row(engines: tuple[Any, Any], mixed: list[Record]) -> None:
    _, vllm = engines
    long = mixed[4].model_copy(update={"text": (mixed[4].text[0].model_copy(update={"text": "word " * 900}),)})
    found = answers(vllm, [Request("long", long, TASKS["ask"])], Sampling(max_new_tokens=200))
    assert found["long"].error is not None
    assert "tokens" in found["long"].error.what


@pytest.mark.parametrize("content_format", ["openai", "string"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_chat_with_sound_and_picture_apart_has_the_prompt_of_training(
    engines: tuple[Any, Any], mixed: list[Record], content_format: str, order: int
) -> None:
    """As a client of vLLM's server sends them, in any order: one clip, one marker, one line."""
    from vllm import SamplingParams

    from emollm.engines.openai import MEDIA, message_parts

    hf, vllm = engines
    row = hf._row(Request("r", mixed[0], TASKS["labels"]), Sampling(max_new_tokens=10))
    ((_, _, text),) = [message["content"] for message in row.messages]
    media = message_parts(row.messages[0]["content"][:2], row.evidence, MEDIA.sample_rate_hz, "vllm")
    chat = [{"role": "user", "content": [*media[::order], text]}]
    params = SamplingParams(temperature=0, max_tokens=1, detokenize=False)
    (answer,) = vllm.llm.chat(chat, params, use_tqdm=False, chat_template_content_format=content_format)
    assert list(answer.prompt_token_ids) == hf._inputs([row])["input_ids"][0].tolist()


def test_a_second_question_about_a_clip_reads_only_what_is_new(engines: tuple[Any, Any], mixed: list[Record]) -> None:
    from vllm import SamplingParams

    from emollm.engines.vllm import media_of

    _, vllm = engines
    row = vllm._row(Request("r", mixed[1], TASKS["ask"]), Sampling(max_new_tokens=10))
    ask = {"prompt_token_ids": row.ids, "multi_modal_data": media_of(row)}
    first, second = (
        vllm.llm.generate([ask], SamplingParams(temperature=0, max_tokens=1, detokenize=False), use_tqdm=False)[0]
        for _ in range(2)
    )
    assert second.num_cached_tokens > 0
    assert second.num_cached_tokens % 32 == 0
    assert list(first.outputs[0].token_ids) == list(second.outputs[0].token_ids)


def test_the_probabilities_of_first_tokens_are_those_of_hf(engines: tuple[Any, Any], mixed: list[Record]) -> None:
    requests = [Request(record.id, record, TASKS["ask"]) for record in mixed]
    theirs, ours = (engine.first_token_probs(requests, "ABC") for engine in engines)
    assert set(ours) == set(theirs) == {record.id for record in mixed}
    for name, probs in theirs.items():
        assert ours[name] == pytest.approx(probs, rel=1e-3), name


def test_what_vllm_cannot_run_is_told_before_it_starts(tmp_path: Path) -> None:
    from emollm.engines.vllm import VLLMEngine
    from emollm.errors import ConfigError
    from emollm.models.build import build, tiny_spec

    model, processor = build(tiny_spec())  # heads of 16
    model.save_pretrained(tmp_path / "narrow")
    processor.save_pretrained(tmp_path / "narrow")
    with pytest.raises(ConfigError, match="16 wide"):
        VLLMEngine(Checkpoint(tmp_path / "narrow", "narrow"))
