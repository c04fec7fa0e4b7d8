"""The client of endpoints, against a scripted server on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from emollm import endpoint
from emollm.endpoint import Endpoint, EndpointError
from emollm.errors import ConfigError

Reply = tuple[int, dict[str, str], bytes]


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[str, list[Any]]]]:
    """Start a server that gives the replies in turn; returns its address and what it was asked."""
    servers: list[ThreadingHTTPServer] = []

    def start(*replies: Reply) -> tuple[str, list[Any]]:
        left, asked = list(replies), []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append((self.path, dict(self.headers), json.loads(body) if body else None))
                status, headers, content = left.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(endpoint.time, "sleep", waits.append)
    return waits


def test_the_key_comes_from_the_environment_and_goes_into_the_header(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked = serve((200, {}, b'{"a": 1}'), (200, {}, b"[]"))
    monkeypatch.setenv("OPENAI_API_KEY", "theirs")
    monkeypatch.setenv("EMOLLM_API_KEY", "ours")
    assert Endpoint(url).post("chat/completions", {"x": "é"}) == {"a": 1}
    monkeypatch.delenv("EMOLLM_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert Endpoint(url + "/").get("models") == []
    assert [path for path, _, _ in asked] == ["/v1/chat/completions", "/v1/models"]
    assert asked[0][2] == {"x": "é"}
    assert [headers.get("Authorization") for _, headers, _ in asked] == ["Bearer ours", None]


def test_a_busy_server_is_asked_again_when_it_wants(serve: Callable[..., Any], slept: list[float]) -> None:
    url, asked = serve((429, {"Retry-After": "7"}, b""), (503, {}, b""), (200, {}, b"{}"))
    assert Endpoint(url).post("x", {}) == {}
    assert len(asked) == 3
    assert slept[0] == 7
    assert 0 < slept[1] <= 5


def test_it_gives_up_and_tells_the_server_s_words(serve: Callable[..., Any], slept: list[float]) -> None:
    url, asked = serve(*[(500, {}, b"out of memory\n" * 100)] * 2)
    with pytest.raises(EndpointError, match="out of memory") as caught:
        Endpoint(url, tries=2).post("x", {})
    assert len(asked) == 2
    assert len(str(caught.value)) < 700
    assert caught.value.code == "endpoint"


def test_a_wrong_key_is_not_tried_again_and_not_told(
    serve: Callable[..., Any], slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOLLM_API_KEY", "sesame")
    url, asked = serve((401, {}, b"no"))
    with pytest.raises(EndpointError, match="EMOLLM_API_KEY") as caught:
        Endpoint(url).get("models")
    assert len(asked) == 1
    assert "sesame" not in str(caught.value)


def test_redirects_are_not_followed(serve: Callable[..., Any]) -> None:
    other, never = serve((200, {}, b"{}"))
    url, _ = serve((307, {"Location": f"{other}/x"}, b""))
    with pytest.raises(EndpointError, match="307"):
        Endpoint(url).post("x", {"secret": 1})
    assert never == []


def test_no_server_is_an_error_that_names_the_address(slept: list[float]) -> None:
    with pytest.raises(EndpointError, match="is the server running") as caught:
        Endpoint("http://127.0.0.1:9/v1", tries=2).get("models")
    assert "127.0.0.1:9" in str(caught.value)
    assert len(slept) == 1


@pytest.mark.parametrize("url", ["localhost:8000", "file:///etc/passwd", "http://me:secret@host/v1", "http://h/v1?k=1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="--base-url"):
        Endpoint(url)


def test_an_answer_that_is_no_json_is_an_error(serve: Callable[..., Any]) -> None:
    url, _ = serve((200, {}, b"<html>"))
    with pytest.raises(EndpointError, match="no JSON"):
        Endpoint(url).get("x")


def test_events_are_read_until_done_and_a_torn_stream_is_told(serve: Callable[..., Any]) -> None:
    whole = b'data: {"n": 1}\n\n: note\n\ndata: {"n": 2}\n\ndata: [DONE]\n\ndata: {"n": 3}\n\n'
    url, _ = serve((200, {}, whole), (200, {}, b'data: {"n": 1}\n\ndata: {"n"'))
    assert [event["n"] for event in Endpoint(url).stream("x", {})] == [1, 2]
    with pytest.raises(EndpointError, match="breaks off"):
        list(Endpoint(url).stream("x", {}))
