"""A client of OpenAI-compatible endpoints, with the standard library alone.

    endpoint = Endpoint("http://localhost:8000/v1")
    answer = endpoint.post("chat/completions", {"model": "tiny", "messages": [...]})

The key comes from the environment (EMOLLM_API_KEY, else OPENAI_API_KEY) and is never written anywhere. Busy and failing servers are asked
again, after the time that they name or a growing one; redirects are not followed, as they would carry key and media elsewhere.
Threads may share one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from emollm.errors import ConfigError, EmoError

KEY_NAMES = ("EMOLLM_API_KEY", "OPENAI_API_KEY")
AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504})
LONGEST_WAIT_S = 60.0
_SHOWN = 400


class EndpointError(EmoError):
    """An endpoint that cannot be reached, or that refuses a request."""

    code = "endpoint"


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow none: the redirect comes back as an error."""


class Endpoint:
    """One server.

    Args:
        base_url: Beginning of its addresses, usually up to `/v1`.
        timeout_s: Longest silence of the server.
        tries: Times that a request is sent before it fails.

    Raises:
        ConfigError: This is no address.
    """

    def __init__(self, base_url: str, timeout_s: float = 300.0, tries: int = 4) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            fix = "give an address such as http://localhost:8000/v1; the key comes from the environment"
            raise ConfigError(f"{base_url!r} is no address of an endpoint", "--base-url", fix)
        self.base_url, self.timeout_s, self.tries = base_url.rstrip("/"), timeout_s, tries
        self._opener = build_opener(_NoRedirect)

    def get(self, path: str) -> Any:
        """Return the JSON value of an address below the base.

        Raises:
            EndpointError: There is no usable answer.
        """
        return self._value(path, None)

    def post(self, path: str, body: Any) -> Any:
        """Send a JSON value to an address below the base; return the answer's.

        Raises:
            EndpointError: There is no usable answer.
        """
        return self._value(path, body)

    def stream(self, path: str, body: Any) -> Iterator[Any]:
        """Send a JSON value and yield the answer's server-sent events as JSON values, until `[DONE]`.

        Raises:
            EndpointError: There is no usable answer, or it breaks off.
        """
        with self._open(path, body) as response:
            try:
                for line in response:
                    data = line.decode("utf-8", "replace").removeprefix("data:").strip()
                    if data == "[DONE]":
                        return
                    if data and line.startswith(b"data:"):
                        yield json.loads(data)
            except (OSError, HTTPException, ValueError) as error:
                raise EndpointError(f"the answer breaks off ({error})", self._at(path)) from None

    def _value(self, path: str, body: Any) -> Any:
        with self._open(path, body) as response:
            try:
                return json.load(response)
            except (OSError, HTTPException, ValueError) as error:
                raise EndpointError(f"the answer is no JSON ({error})", self._at(path)) from None

    def _open(self, path: str, body: Any) -> HTTPResponse:
        """Send a request, several times if need be; return the answer, unread."""
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        key = next((os.environ[name] for name in KEY_NAMES if os.environ.get(name)), None)
        if key:
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._at(path), data, headers)  # noqa: S310  # http and https only: see __init__
        for left in range(self.tries - 1, -1, -1):
            try:
                return self._opener.open(request, timeout=self.timeout_s)
            except HTTPError as error:
                if not left or error.code not in AGAIN:
                    raise self._refused(path, error) from None
                wait_s = _asked_wait_s(error)
            except (URLError, OSError, HTTPException) as error:
                if not left:
                    fix = "is the server running, and the address right?"
                    raise EndpointError(f"no answer ({_reason(error)})", self._at(path), fix) from None
                wait_s = None
            growing_s = 2.0 ** (self.tries - 1 - left) / 2
            time.sleep(min(growing_s if wait_s is None else wait_s, LONGEST_WAIT_S))
        raise AssertionError("unreachable: the last try returns or raises")

    def _refused(self, path: str, error: HTTPError) -> EndpointError:
        """Return the error that tells why a server refuses; of its own words, a line."""
        fixes = {401: f"set {KEY_NAMES[0]}", 403: f"set {KEY_NAMES[0]}", 404: "check address and model name"}
        try:
            words = " ".join(error.read(4 * _SHOWN).decode("utf-8", "replace").split())[:_SHOWN]
        except (OSError, HTTPException):
            words = ""
        return EndpointError(f"status {error.code}: {words or error.reason}", self._at(path), fixes.get(error.code))

    def _at(self, path: str) -> str:
        return f"{self.base_url}/{path}"


def _asked_wait_s(error: HTTPError) -> float | None:
    """Return the seconds after which a busy server wants to be asked again, if it says so."""
    try:
        return max(0.0, float(error.headers.get("Retry-After", "")))
    except ValueError:
        return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error or type(error).__name__)
