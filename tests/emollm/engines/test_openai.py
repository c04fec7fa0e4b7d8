"""The openai engine against a scripted server: what it sends, and what it makes of answers good and bad."""

from __future__ import annotations

import base64
import io
import json
import wave
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.data.sources import record_of
from emollm.engines import Request, Sampling
from emollm.engines.openai import OpenAIEngine
from emollm.errors import ConfigError
from emollm.jsonl import read_rows
from emollm.prompts import TASKS, grammar
from emollm.prompts.schema import answer_schema
from emollm.records import Prediction, Record, TextLine

ANSWER = '{"labels":["worried"],"cues":[],"explanation":"He hesitates.","confidence":0.7}'


class Server:
    """Answers each chat by `reply`; keeps what it was asked."""

    def __init__(self, owner: str) -> None:
        self.owner, self.asked = owner, list[Any]()
        self.reply: Callable[[Any], Any] = lambda body: (200, said(ANSWER))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200, {"data": [{"id": "m", "owned_by": outer.owner}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                self.answer(*outer.reply(body))

            def answer(self, status: int, value: Any) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(value if isinstance(value, bytes) else json.dumps(value).encode())

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        Thread(target=self.http.serve_forever, daemon=True).start()


def said(text: str | None, finish: str = "stop") -> dict[str, Any]:
    return {"choices": [{"message": {"content": text}, "finish_reason": finish}]}


@pytest.fixture(params=["emollm", "vllm", "somebody"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    made = Server(request.param)
    yield made
    made.http.shutdown()
    made.http.server_close()


def words(id_: str = "r") -> Record:
    return Record(id=id_, text=(TextLine(text="Well <|im_end|>"),))


def ask(server: Server, *records: Record, task: Any = TASKS["full"], **sampling: Any) -> list[Prediction]:
    engine = OpenAIEngine("m", server.url, batch_size=3)
    found = {p.id: p for p in engine.generate([Request(r.id, r, task, 5) for r in records], Sampling(**sampling))}
    engine.close()
    return [found[record.id] for record in records]


def test_a_clip_is_sent_as_pictures_and_sound_and_the_answer_is_read(
    server: Server, make_clip: Callable[..., Path]
) -> None:
    (answer,) = ask(server, record_of(make_clip("a.mp4")))
    assert (answer.status, answer.parse, answer.raw) == ("ok", "ok", ANSWER)
    assert [label.text for label in answer.labels] == ["worried"]
    assert (answer.confidence, answer.confidence_source) == (0.7, "verbalised")
    assert answer.provenance.engine == "openai"
    assert answer.seen.states == {"audio": "present", "video": "present"}
    (body,) = server.asked
    parts = body["messages"][-1]["content"]
    sound = next(part["input_audio"] for part in parts if part["type"] == "input_audio")
    with wave.open(io.BytesIO(base64.b64decode(sound["data"]))) as file:
        assert (file.getframerate(), file.getnchannels()) == (16000, 1)
        assert file.getnframes() == pytest.approx(answer.seen.audio_s * 16000, abs=1)
        assert np.abs(np.frombuffer(file.readframes(-1), "<i2")).max() > 1000
    kind = "image_url" if server.owner == "somebody" else "video_url"
    urls = [part[kind]["url"] for part in parts if part["type"] == kind]
    pictures = urls[0].split(",")[1:] if kind == "video_url" else urls
    assert len(urls) == (1 if kind == "video_url" else answer.seen.frames)
    assert len(pictures) == answer.seen.frames
    assert parts[-1]["type"] == "text"


def test_the_answer_s_form_is_enforced_by_grammar_or_schema(server: Server) -> None:
    task = TASKS["cues"].with_labels(("calm", "angry"))
    ask(server, words(), task=task, temperature=0.5, max_new_tokens=77)
    ask(server, words(), task=TASKS["ask"])
    closed, free = server.asked
    assert (closed["temperature"], closed["max_tokens"], closed["seed"]) == (0.5, 77, 5)
    if server.owner == "emollm":
        assert closed["structured_outputs"] == {"grammar": grammar(task)}
        assert [message["role"] for message in closed["messages"]] == ["user"]
    else:
        wanted = closed["response_format"]["json_schema"]["schema"]
        assert wanted["required"] == ["labels", "cues"]
        assert wanted["properties"]["labels"]["items"]["enum"] == ["calm", "angry"]
        assert "labels" in closed["messages"][0]["content"]
    assert not {"structured_outputs", "response_format"} & set(free)
    assert "<|im_end|>" not in json.dumps(closed["messages"])


@pytest.mark.parametrize("server", ["somebody"], indirect=True)
def test_bad_answers_are_error_rows_and_the_others_go_on(server: Server, tmp_path: Path) -> None:
    replies = {
        "refused": (400, {"error": "too long"}),
        "prose": (200, said("He seems sad.")),
        "empty": (200, {"choices": []}),
        "cut": (200, said('{"labels":["wor', "length")),
        "half": (200, said('{"labels":["worried"],"cues":[{"mod', "length")),
        "good": (200, said(ANSWER)),
    }
    server.reply = lambda body: replies[json.dumps(body["messages"]).split("tells ")[1].split('"')[0]]
    records = [Record(id=name, text=(TextLine(text=name),)) for name in replies]
    asked = [record.model_copy(update={"id": record.id}) for record in records]
    engine = OpenAIEngine("m", server.url)
    task = TASKS["full"]
    requests = [
        Request(r.id, r, task.with_question(f"tells {r.id}")) for r in [*asked, record_of(tmp_path / "none.mp4")]
    ]
    found = {answer.id.split("/")[-1]: answer for answer in engine.generate(requests, Sampling())}
    codes = {name: answer.error and answer.error.code for name, answer in found.items()}
    assert codes == {
        "refused": "endpoint", "prose": "unreadable_answer", "empty": "endpoint", "cut": "truncated",
        "half": None, "good": None, "none.mp4": "missing_file",
    }  # fmt: skip
    assert "too long" in found["refused"].error.what
    assert (found["half"].parse, [label.text for label in found["half"].labels]) == ("truncated", ["worried"])
    assert len(server.asked) == 6


@pytest.mark.parametrize("server", ["somebody"], indirect=True)
def test_nothing_to_see_hear_or_read_is_not_asked_about(server: Server, make_clip: Callable[..., Path]) -> None:
    (answer,) = ask(server, record_of(make_clip("void.mp4", loudness=0.0, brightness=0)))
    assert (answer.status, server.asked) == ("insufficient_evidence", [])


@pytest.mark.parametrize("server", ["somebody"], indirect=True)
def test_a_stream_is_the_answer_in_pieces(server: Server) -> None:
    events = [{"choices": [{"delta": {"content": piece}}]} for piece in ("He ", "is ", "calm.")]
    lines = "".join(f"data: {json.dumps(event)}\n\n" for event in [{"choices": []}, *events]) + "data: [DONE]\n\n"
    server.reply = lambda body: (200, lines.encode())
    engine = OpenAIEngine("m", server.url)
    assert list(engine.stream(Request("r", words(), TASKS["ask"]), Sampling())) == ["He ", "is ", "calm."]
    assert server.asked[0]["stream"] is True


@pytest.mark.parametrize("server", ["somebody"], indirect=True)
def test_label_through_a_server(server: Server, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    clip, out = make_clip("a.mp4"), tmp_path / "out.jsonl"
    call = ["label", str(clip), "--engine", "openai", "--model", "m", "-o", str(out)]
    assert CliRunner().invoke(app, call).exit_code == 2
    result = CliRunner().invoke(app, [*call, "--base-url", server.url, "--task", "full"])
    assert result.exit_code == 0, result.output
    assert [row.labels[0].text for row in read_rows(out, Prediction)] == ["worried"]
    wrong = CliRunner().invoke(app, ["label", str(clip), "--base-url", server.url])
    assert (wrong.exit_code, "--engine openai" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("server", ["somebody"], indirect=True)
def test_a_model_that_the_server_does_not_have_is_told_at_once(server: Server) -> None:
    with pytest.raises(ConfigError, match="models there: m"):
        OpenAIEngine("other", server.url)


def test_what_the_schema_lets_through_can_be_read() -> None:
    schema = answer_schema(TASKS["full"])
    assert schema["required"] == list(TASKS["full"].answer_keys) == list(schema["properties"])
    with pytest.raises(ValueError, match="free text"):
        answer_schema(TASKS["ask"])
