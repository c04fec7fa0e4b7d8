"""What each request passes before anything is read: key, rate, number of requests, size, and the patience a client is given.

Plain ASGI around the application, so that a body is refused while it comes in and not after it was read. Logs tell who asked for
which path, with what outcome and how long it took: no media, no text, no answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from uvicorn.protocols.http.h11_impl import H11Protocol

from emollm.serve.gateway.keys import Keys
from emollm.serve.gateway.meters import Meters
from emollm.serve.gateway.settings import RefusedError, Settings, error_body

PATHS = ("/v1/emotions", "/v1/chat/completions", "/v1/models", "/health", "/ready", "/metrics")
KEYLESS_PATHS = ("/health", "/ready")
MINUTE_S, DISCARD_S = 60.0, 0.3

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

log = logging.getLogger("emollm.gateway")


class Guard:
    """The application behind its limits.

    Args:
        app: The application.
        settings: The limits.
        keys: Who may ask; none: anyone on this machine.
        meters: Where requests are counted.
    """

    def __init__(self, app: Application, settings: Settings, keys: Keys, meters: Meters) -> None:
        self.app, self.settings, self.keys, self.meters = app, settings, keys, meters
        self.draining = False
        self._asked: defaultdict[str, deque[float]] = defaultdict(deque)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start, path = time.monotonic(), scope["path"] if scope["path"] in PATHS else "other"
        outcome: dict[str, Any] = {"status": 0, "who": "-"}
        sending = self._patient(send, outcome)
        counted = path not in KEYLESS_PATHS
        try:
            if counted:
                outcome["who"] = self._admit(scope)
            self.meters.running += counted
            try:
                async with asyncio.timeout(self.settings.timeout_s):
                    await self.app(scope, self._measured(scope, receive), sending)
            except TimeoutError:
                what = f"no answer within {self.settings.timeout_s:g} s"
                raise RefusedError(504, "timeout", what, "ask for less, or later") from None
            finally:
                self.meters.running -= counted
        except RefusedError as error:
            if not outcome["status"]:
                await _discard(receive)
                await _refuse(error, sending)
        except Exception as error:  # its text may hold what was sent: a traceback is shown only to who debugs
            log.error("%s in %s", type(error).__name__, path)
            log.debug("", exc_info=error)
            if not outcome["status"]:
                await _refuse(RefusedError(500, "internal", "the server failed"), sending)
        finally:
            seconds = time.monotonic() - start
            self.meters.request(path, outcome["status"], seconds)
            log.info("%s %s %s %d %.3f s", outcome["who"], scope["method"], path, outcome["status"], seconds)

    def _admit(self, scope: MutableMapping[str, Any]) -> str:
        """Return who asks.

        Raises:
            RefusedError: The key is wrong, the gateway is full, or the request is too large.
        """
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        who = self._who(headers)
        if self.draining:
            raise RefusedError(503, "draining", "the server is going down", retry_after_s=10)
        if self.meters.running >= self.settings.max_requests:
            raise RefusedError(429, "too_many_requests", "too many requests at a time", retry_after_s=1)
        now, asked = time.monotonic(), self._asked[who]
        while asked and asked[0] <= now - MINUTE_S:
            asked.popleft()
        if len(asked) >= self.settings.requests_per_minute:
            wait_s = int(asked[0] + MINUTE_S - now) + 1
            raise RefusedError(429, "rate_limit_exceeded", "too many requests a minute", retry_after_s=wait_s)
        asked.append(now)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.settings.max_body_mb * 1e6:
            raise self._too_large()
        return who

    def _who(self, headers: dict[str, str]) -> str:
        """Return the name that belongs to the key. Without keys, web pages of other origins must not reach a local gateway."""
        if self.keys:
            scheme, _, key = headers.get("authorization", "").partition(" ")
            who = self.keys.who(key.strip()) if scheme.lower() == "bearer" else None
            if who is None:
                raise RefusedError(
                    401, "invalid_api_key", "the key is missing or wrong", "send Authorization: Bearer KEY"
                )
            return who
        origin = headers.get("origin")
        names = [
            urlsplit(f"//{headers.get('host', '')}").hostname,
            urlsplit(origin).hostname if origin else "localhost",
        ]
        if not all(name in {"localhost", "127.0.0.1", "::1"} for name in names):
            raise RefusedError(403, "foreign_origin", "without keys only this machine may ask", "start it with --keys")
        return "local"

    def _measured(self, scope: MutableMapping[str, Any], receive: Receive) -> Receive:
        """Return a `receive` that ends too large bodies, and clients that take too long to send one."""
        left, until, whole = self.settings.max_body_mb * 1e6, time.monotonic() + self.settings.client_timeout_s, False

        async def measured() -> Message:
            nonlocal left, whole
            try:
                async with asyncio.timeout(None if whole else max(0.0, until - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise RefusedError(408, "slow_client", "the request did not come in time", "send it faster") from None
            left -= len(message.get("body", b""))
            whole = whole or not message.get("more_body", False)
            if left < 0:
                await _discard(receive)
                raise self._too_large()
            return message

        return measured

    def _patient(self, send: Send, outcome: dict[str, Any]) -> Send:
        """Return a `send` that gives up on clients that do not read."""

        async def patient(message: Message) -> None:
            if message["type"] == "http.response.start":
                outcome["status"] = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-store"),
                ]
            async with asyncio.timeout(self.settings.client_timeout_s):
                await send(message)

        return patient

    def _too_large(self) -> RefusedError:
        fix = "send a shorter or smaller clip"
        return RefusedError(413, "too_large", f"the request is larger than {self.settings.max_body_mb:g} MB", fix)


async def _discard(receive: Receive) -> None:
    """Read on for a moment: a connection that is closed on unread data takes the answer with it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_S):
            while (await receive()).get("more_body", False):
                pass


async def _refuse(error: RefusedError, send: Send) -> None:
    """Send a refusal, and close the connection: what is left of the body is not read."""
    headers = {"content-type": "application/json", "connection": "close", **error.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": json.dumps(error_body(error)).encode()})


def patient_protocol(patience_s: float) -> type[H11Protocol]:
    """Return uvicorn's HTTP protocol, without its log, with a deadline for the head of a request, which it does not set."""

    class PatientProtocol(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.access_log = False  # its lines hold queries, and uvicorn's own switch is a global logger
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def _watch(self) -> None:
            """Start the clock where a head is awaited, stop it where a request runs."""
            awaited = self.cycle is None or self.cycle.response_complete
            if not awaited and self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
            elif awaited and self._deadline is None:
                self._deadline = self.loop.call_later(patience_s, self.transport.close)

    return PatientProtocol
