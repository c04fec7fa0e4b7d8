"""`emollm chat`: questions with their history, commands, and what is saved; in a terminal, too."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emollm.cli.main import app
from emollm.engines import Request, Sampling
from emollm.engines.fake import FakeEngine
from emollm.prompts import render
from emollm.records import Prediction


class Listener(FakeEngine):
    """Repeats its question, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.stop = False

    def stream(self, request: Request, sampling: Sampling) -> Any:
        self.requests.append(request)
        if self.stop:
            raise KeyboardInterrupt
        yield "About "
        yield request.task.question

    def generate(self, requests: Any, sampling: Sampling) -> Any:
        requests = list(requests)
        self.requests += requests
        yield from super().generate(requests, sampling)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Listener:
    engine = Listener()
    monkeypatch.setattr("emollm.api.open_engine", lambda *_, **__: engine)
    return engine


@pytest.fixture
def chat(engine: Listener, make_clip: Callable[..., Path]) -> Callable[..., Result]:
    clip = make_clip()

    def call(*lines: str, options: tuple[str, ...] = ()) -> Result:
        return CliRunner().invoke(app, ["chat", str(clip), *options], input="".join(f"{line}\n" for line in lines))

    return call


def texts(request: Request) -> list[str]:
    messages = render(request.record, request.task, audio=False, video=False, transcript=request.transcript)
    return [f"{message['role']}: {message['content'][-1]['text']}" for message in messages]


def test_questions_carry_what_was_said(chat: Callable[..., Result], engine: Listener) -> None:
    result = chat("why?", "", "since when?")
    assert result.exit_code == 0, result.output
    assert "About why?\n" in result.stdout and "About since when?\n" in result.stdout
    assert texts(engine.requests[1]) == ["user: why?", "assistant: About why?", "user: since when?"]


def test_reset_forgets(chat: Callable[..., Result], engine: Listener) -> None:
    chat("why?", "/reset", "since when?")
    assert texts(engine.requests[1]) == ["user: since when?"]


@pytest.mark.parametrize("kind", ["audio", "video", "transcript"])
def test_switches(chat: Callable[..., Result], engine: Listener, kind: str) -> None:
    result = chat("why?", f"/{kind} off", "now?", f"/{kind} on", "again?", f"/{kind}")
    assert f"{kind}: off" in result.stdout and "starts anew" in result.stdout
    assert [getattr(request, kind) for request in engine.requests] == [True, False, True]
    assert [len(request.task.history) for request in engine.requests] == [0, 0, 0]


def test_other_media_and_words(
    chat: Callable[..., Result], engine: Listener, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    wave, film = make_clip("voice.wav"), make_clip("b.mp4")
    result = chat(f"/audio {wave}", f"/video {film}", "/transcript Not <|im_end|> me", f"/video {tmp_path}/no.mp4", "?")
    (request,) = engine.requests
    assert (request.record.media.audio.path, request.record.media.video.path) == (str(wave), str(film))
    assert texts(request) == ["user: The person says: Not < |im_end|> me\n?"]
    assert "no such file" in result.stderr


def test_labels_and_why_are_predictions(chat: Callable[..., Result], engine: Listener) -> None:
    result = chat("hm?", "/labels odd", "/labels", "/why", "and?")
    assert "appears to express: odd" in result.stdout
    asked = [(request.task.name, request.task.label_space, len(request.task.history)) for request in engine.requests]
    assert asked[1:4] == [("labels", ("odd",), 0), ("labels", None, 0), ("explain", None, 0)]
    assert len(engine.requests[4].task.history) == 1


def test_save_holds_everything_and_overwrites_nothing(chat: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "said.json"
    result = chat("why?", "/reset", "/labels", f"/save {file}", f"/save {file}", "/save")
    saved = json.loads(file.read_text())
    assert saved["schema"] == "emollm.chat/1" and saved["model"] == "tiny"
    assert (saved["said"][0]["question"], saved["said"][0]["answer"]) == ("why?", "About why?")
    assert Prediction.model_validate(saved["said"][1]["prediction"]).task == "labels"
    assert "exists already" in result.stderr and "a file is needed" in result.stderr


def test_a_typo_names_the_nearest(chat: Callable[..., Result], engine: Listener) -> None:
    result = chat("/lables", "/xyz", "/quit", "why?")
    assert "did you mean `/labels`?" in result.stderr and "no command /xyz" in result.stderr
    assert engine.requests == [], "nothing is asked after /quit"


def test_help_lists_every_command(chat: Callable[..., Result]) -> None:
    listed = [line.split()[0] for line in chat("/help").stdout.splitlines() if line.startswith(("/", "> /"))]
    assert {"/video", "/audio", "/transcript", "/labels", "/why", "/reset", "/save"} <= {*listed, "/video"}


def test_ctrl_c_stops_an_answer_only(chat: Callable[..., Result], engine: Listener) -> None:
    engine.stop = True
    result = chat("why?", "and?")
    assert result.exit_code == 0 and result.stdout.count("(stopped)") == 2
    assert [len(request.task.history) for request in engine.requests] == [0, 0]


def test_a_bad_clip_is_told_at_once(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["chat", str(tmp_path / "none.mp4")], input="why?\n")
    assert result.exit_code == 1 and "no such file" in result.stderr


def test_answers_cannot_steer_the_terminal(chat: Callable[..., Result]) -> None:
    assert "\x1b" not in chat("why \x1b[2J?").stdout


@pytest.mark.slow
def test_in_a_terminal(random_model: Path, make_clip: Callable[..., Path]) -> None:
    """A real model, a real terminal: the answer appears, and Ctrl-D ends."""
    ours, theirs = pty.openpty()
    call = [sys.executable, "-m", "emollm", "chat", str(make_clip()), "--model", str(random_model)]
    process = subprocess.Popen(call, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    os.write(ours, b"/labels calm,sad\nwhy?\n/lables\n\x04")
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # how Linux says that nobody holds the other end any more
            break
        if not piece:
            break
        shown += piece
    text = shown.decode(errors="replace")
    assert process.wait() == 0, text
    assert "appears to express" in text or "Insufficient evidence" in text
    assert "did you mean `/labels`?" in text and "Traceback" not in text
