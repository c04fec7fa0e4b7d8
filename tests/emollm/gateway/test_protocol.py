"""What the gateway is asked and answers: predictions, and OpenAI's protocol through the official client."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.records import Prediction


def client(running: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=running.key or "none", max_retries=0)


def last(running: Any) -> Any:
    return running.engine.requests[-1]


def test_an_uploaded_clip_and_several_questions(usual: Any, make_clip: Callable[..., Path]) -> None:
    with make_clip().open("rb") as clip:
        fields = {"task": "explain", "questions": ["why?", "since when?"], "id": "mine", "transcript": "so be it"}
        answer = usual.client.post("/v1/emotions", data=fields, files={"clip": clip})
    assert answer.status_code == 200, answer.text
    rows = [Prediction.model_validate(row) for row in answer.json()["predictions"]]
    assert [(row.id, row.task) for row in rows] == [("mine", "explain"), ("mine#1", "ask"), ("mine#2", "ask")]
    assert all(row.provenance.purpose == "tests" for row in rows)
    asked = usual.engine.requests[-3:]
    assert [request.task.question for request in asked[1:]] == ["why?", "since when?"]
    evidence = asked[0].evidence
    assert (evidence.seen.frames, evidence.seen.transcript) == (4, "given")
    assert evidence.seen.states == {"audio": "present", "video": "present"}
    assert all(request.evidence is asked[0].evidence for request in asked), "the clip is decoded once"


def test_a_data_uri_and_closed_labels(usual: Any, data_uri: Callable[..., str]) -> None:
    answer = usual.ask(clip=data_uri(), task="labels", labels=["odd", "even"])
    (row,) = answer.json()["predictions"]
    assert row["labels"][0]["text"] in {"odd", "even"}


def test_sound_alone_and_sound_beside_a_picture(usual: Any, data_uri: Callable[..., str]) -> None:
    wave = data_uri("a.wav")
    assert usual.ask(clip=wave).status_code == 200
    assert last(usual).record.media.video is None
    assert usual.ask(clip=data_uri("b.mp4", sound=False), audio=wave).status_code == 200
    assert last(usual).evidence.seen.states == {"audio": "present", "video": "present"}


def test_words_alone(usual: Any) -> None:
    assert usual.ask(transcript="I will not go").status_code == 200


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "no_clip"),
        ({"transcript": "x", "lables": ["a"]}, "bad_request"),
        ({"transcript": "x", "labels": ["a", "a"]}, "bad_request"),
        ({"transcript": "x", "temperature": 3}, "bad_request"),
        ({"transcript": "x" * 9000}, "too_long_text"),
        ({"transcript": "x", "questions": ["?"] * 9}, "too_many_questions"),
        ({"clip": "data:text/html;base64,PGI+"}, "bad_source"),
        ({"clip": "data:video/mp4;base64,###"}, "bad_source"),
        ({"clip": "ftp://host/clip.mp4"}, "bad_source"),
        ({"transcript": "x", "model": "other"}, "model_not_found"),
    ],
)
def test_wrong_requests_are_told(usual: Any, fields: dict[str, Any], code: str) -> None:
    answer = usual.ask(**fields)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize("body", [b"{", b"[1]", b"[" * 100_000, b"\xff"])
def test_no_json(usual: Any, body: bytes) -> None:
    answer = usual.client.post("/v1/emotions", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


def test_a_file_that_is_no_clip(usual: Any) -> None:
    html = base64.b64encode(b"<html>" * 50).decode()
    answer = usual.ask(clip=f"data:video/mp4;base64,{html}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_media")
    assert "emollm-" not in answer.text, "where the gateway keeps its files is its own affair"


def test_models_health_ready_metrics(usual: Any) -> None:
    assert [(model.id, model.owned_by) for model in client(usual).models.list()] == [("parrot", "emollm")]
    assert usual.client.get("/health").json() == {"status": "ok"}
    assert usual.client.get("/ready").status_code == 200
    usual.ask(transcript="x", task="labels")
    text = usual.client.get("/metrics").text
    assert 'emollm_requests_total{path="/v1/emotions",status="200"}' in text
    assert 'emollm_answers_total{task="labels",status="ok"}' in text


def test_metrics_are_off_unless_wanted(gateway: Callable[..., Any]) -> None:
    assert gateway().client.get("/metrics").status_code == 404


def test_the_openai_client_asks_about_a_clip(usual: Any, data_uri: Callable[..., str]) -> None:
    video = {"type": "video_url", "video_url": {"url": data_uri()}}
    sound = {"type": "input_audio", "input_audio": {"data": data_uri("a.wav").partition(",")[2], "format": "wav"}}
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [sound, video, {"type": "text", "text": "why?"}]},
        {"role": "assistant", "content": "Because."},
        {"role": "user", "content": "since when?"},
    ]
    answer = client(usual).chat.completions.create(model="parrot", messages=messages, max_tokens=50, seed=3)
    assert answer.choices[0].message.content.startswith("so: ") and answer.choices[0].finish_reason == "stop"
    request = last(usual)
    assert [tuple(exchange) for exchange in request.task.history] == [("Be brief.\nwhy?", "Because.")]
    assert (request.task.question, request.seed) == ("since when?", 3)
    assert request.evidence.seen.states == {"audio": "present", "video": "present"}


def test_the_openai_client_reads_a_stream(usual: Any) -> None:
    messages: list[Any] = [{"role": "user", "content": "one two three"}]
    chunks = list(client(usual).chat.completions.create(model="parrot", messages=messages, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two three "
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "length"
    assert len(chunks) == 5


def test_tokens_are_told_with_an_answer_and_where_they_are_wanted_behind_a_stream(usual: Any) -> None:
    ask: Any = {"model": "parrot", "messages": [{"role": "user", "content": "one two three"}]}
    told = client(usual).chat.completions.create(**ask).usage
    assert (told.prompt_tokens, told.completion_tokens, told.total_tokens) == (7, 2, 9)
    options: Any = {"include_usage": True}
    *_, end, last_chunk = client(usual).chat.completions.create(**ask, stream=True, stream_options=options)
    assert end.choices[0].finish_reason == "length" and end.usage is None
    assert not last_chunk.choices and last_chunk.usage.total_tokens == 10
    rows = usual.ask(transcript="x").json()["predictions"]
    assert not any("usage" in row for row in rows), "a prediction has no such field"


@pytest.mark.parametrize(
    "extra",
    [{"logprobs": True}, {"n": 3}, {"tools": []}, {"response_format": {"type": "xml"}}, {"extra_body": {"best_of": 3}},
     {"extra_body": {"structured_outputs": {"regex": "a+"}}}],
)  # fmt: skip
def test_what_is_not_done_is_refused(usual: Any, extra: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        client(usual).chat.completions.create(model="parrot", messages=[{"role": "user", "content": "?"}], **extra)


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "assistant", "content": "hi"}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        [{"role": "tool", "content": "a"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]}],
        [{"role": "user", "content": [{"type": "text", "text": 3}]}],
        [{"role": "user", "content": [{"type": "audio_url", "audio_url": {"url": "x"}}] * 2}],
    ],
)
def test_messages_that_are_no_conversation(usual: Any, messages: list[Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        client(usual).chat.completions.create(model="parrot", messages=messages)


def test_an_unknown_model(usual: Any) -> None:
    with pytest.raises(openai.NotFoundError):
        client(usual).chat.completions.create(model="other", messages=[{"role": "user", "content": "?"}])


def test_a_schema_becomes_the_rules_of_the_answer(usual: Any) -> None:
    schema = {"type": "object", "properties": {"mood": {"enum": ["calm"]}}, "required": ["mood"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}}
    client(usual).chat.completions.create(
        model="parrot", messages=[{"role": "user", "content": "?"}], response_format=form
    )
    assert "root ::=" in last(usual).task.rules and "calm" in last(usual).task.rules


def test_emollm_itself_is_a_client(
    usual: Any, make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`emollm label --engine openai` sends pictures, sound and the grammar; the gateway hands on what it was sent."""
    clip, out = make_clip(), tmp_path / "out.jsonl"
    arguments = ["label", str(clip), "--engine", "openai", "--base-url", f"{usual.url}/v1", "--model", "parrot"]
    result = CliRunner().invoke(app, [*arguments, "-o", str(out)])
    rows = [json.loads(line) for file in tmp_path.glob("out*.jsonl") for line in file.read_text().splitlines()]
    assert [row["raw"][:4] for row in rows] == ["so: "], result.output
    request = last(usual)
    assert "root ::=" in request.task.rules
    evidence = request.evidence
    assert evidence.frames.shape == (8, 32, 32, 3), "a clip of 8 pictures"
    assert evidence.seen.states == {"audio": "present", "video": "present"}
