"""A gateway that really listens, with an engine that repeats what it is asked."""

import base64
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emollm.engines import Finish, Request, Sampling
from emollm.engines.evidence import MediaSettings
from emollm.engines.fake import FakeEngine
from emollm.prompts import render
from emollm.records import Usage
from emollm.serve.gateway.app import make_app
from emollm.serve.gateway.backend import EngineBackend
from emollm.serve.gateway.guard import Guard
from emollm.serve.gateway.keys import Keys
from emollm.serve.gateway.settings import Settings
from emollm.serve.gateway.start import Server

PATIENCE_S = 300.0  # of what waits for another thread: a busy machine is slow, not wrong
MEDIA = MediaSettings(frames=4, max_side_px=64, audio_window_s=1.0, sample_rate_hz=16000)


class Parrot(FakeEngine):
    """Keeps its requests; streams its prompt's last text word by word; waits where a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.closed = False
        self.abandoned = threading.Event()

    def generate(self, requests: Any, sampling: Sampling) -> Any:
        requests = list(requests)
        self.requests += requests
        self.may_go_on.wait(PATIENCE_S)
        for prediction in super().generate(requests, sampling):
            usage = Usage(prompt_tokens=7, completion_tokens=2)
            yield prediction.model_copy(update={"raw": f"so: {prediction.labels[0].text}", "usage": usage})

    def stream(self, request: Request, sampling: Sampling) -> Any:
        self.requests.append(request)
        try:
            for word in prompt(request)[-1].split(" "):
                yield f"{word} "
                self.may_go_on.wait(PATIENCE_S)
        except GeneratorExit:
            self.abandoned.set()
            raise
        return Finish("length", Usage(prompt_tokens=7, completion_tokens=3))

    def close(self) -> None:
        self.closed = True


def prompt(request: Request) -> list[str]:
    """Return the texts of the messages that a request becomes."""
    messages = render(request.record, request.task, audio=False, video=False, transcript=request.transcript)
    return [message["content"][-1]["text"] for message in messages]


@dataclass
class Running:
    """A gateway that listens."""

    url: str
    engine: Parrot
    guard: Guard
    server: Server
    thread: threading.Thread
    key: str | None = None
    client: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        self.client = httpx2.Client(base_url=self.url, headers=headers, timeout=600, trust_env=False)

    @property
    def address(self) -> tuple[str, int]:
        base = httpx2.URL(self.url)
        return base.host, base.port or 80

    def ask(self, **fields: Any) -> httpx2.Response:
        return self.client.post("/v1/emotions", json=fields)

    def stop(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join(PATIENCE_S)


def start(keys: dict[str, str] | None = None, media: MediaSettings | None = MEDIA, **settings: Any) -> Running:
    engine, ready, found = Parrot(), threading.Event(), []
    guard = make_app(
        Settings(port=0, **{"client_timeout_s": 300.0, "timeout_s": 600.0, **settings}),
        EngineBackend({"parrot": engine}),
        Keys(keys or {}),
        media,
    )

    def on_start(url: str) -> None:
        found.append(url)
        ready.set()

    server = Server(guard, on_start)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_S)
    return Running(found[0].removesuffix("/v1"), engine, guard, server, thread)


@pytest.fixture
def gateway() -> Iterator[Callable[..., Running]]:
    """Start gateways with settings of their own; they are ended with the test."""
    running: list[Running] = []

    def make(key: str | None = None, **options: Any) -> Running:
        one = start(**options)
        one.key = key
        one.__post_init__()
        running.append(one)
        return one

    yield make
    for one in running:
        one.engine.may_go_on.set()
        one.stop()


@pytest.fixture(scope="module")
def usual() -> Iterator[Running]:
    """The gateway of tests that need no settings of their own."""
    one = start(metrics=True, purpose="tests", requests_per_minute=100_000)
    yield one
    one.stop()


@pytest.fixture
def data_uri(make_clip: Callable[..., Path]) -> Callable[..., str]:
    """Return a new clip as a data URI."""

    def make(name: str = "clip.mp4", **options: Any) -> str:
        kind = "audio/wav" if name.endswith(".wav") else "video/mp4"
        return f"data:{kind};base64,{base64.b64encode(make_clip(name, **options).read_bytes()).decode()}"

    return make
