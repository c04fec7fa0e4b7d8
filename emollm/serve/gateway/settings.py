"""What the gateway allows."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from emollm.errors import ConfigError, EmoError
from emollm.purpose import check_purpose


@dataclass(frozen=True)
class Settings:
    """Limits and permissions of a gateway; they are checked when it is made.

    Attributes:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        media_root: Folder from which clips may be named by path; None: none.
        url_hosts: Hosts from which clips may be fetched over https; none: no addresses.
        purpose: What the answers are for; carried by each prediction.
        purpose_exception: Why a purpose in workplace or education is allowed (`medical: ...`, `safety: ...`).
        max_body_mb: Size of a request.
        max_clip_s: Length of a clip.
        max_megapixels: Size of a picture.
        max_questions: Questions about one clip in one request.
        max_text_chars: Length of a question or transcript.
        max_new_tokens: Length of an answer.
        max_requests: Requests at a time; one more is told to come later.
        requests_per_minute: For each key.
        timeout_s: For an answer.
        client_timeout_s: For a client to send its request, or to take a piece of the answer.
        drain_s: For running requests after SIGTERM.
        metrics: Show /metrics.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    media_root: Path | None = None
    url_hosts: tuple[str, ...] = ()
    purpose: str | None = None
    purpose_exception: str | None = None
    max_body_mb: float = 64.0
    max_clip_s: float = 300.0
    max_megapixels: float = 9.0
    max_questions: int = 8
    max_text_chars: int = 8000
    max_new_tokens: int = 400
    max_requests: int = 16
    requests_per_minute: int = 120
    timeout_s: float = 120.0
    client_timeout_s: float = 30.0
    drain_s: float = 30.0
    metrics: bool = False

    def __post_init__(self) -> None:
        check_purpose(self.purpose, self.purpose_exception)
        if self.media_root is not None and not self.media_root.is_dir():
            raise ConfigError("no such folder", f"--media-root {self.media_root}", "name a folder with clips")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the gateway."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def check_access(self, has_keys: bool) -> None:
        """Refuse to be reached by others without keys and a purpose.

        Raises:
            ConfigError: Others could ask without a key, or nothing says what the answers are for.
        """
        if self.is_local:
            return
        where = f"--host {self.host}"
        if not has_keys:
            fix = "make a key: emollm serve --new-key NAME --keys keys.txt, then start with --keys keys.txt"
            raise ConfigError("without keys the gateway listens on this machine only", where, fix)
        if self.purpose is None:
            raise ConfigError("others can ask, but nothing says what for", where, "say it: --purpose '...'")


class RefusedError(EmoError):
    """What the gateway does not do, with the HTTP status that says so; `code` is a stable word."""

    def __init__(
        self, status: int, code: str, what: str, fix: str | None = None, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(what, None, fix)
        self.status, self.code, self.retry_after_s = status, code, retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to the answer."""
        headers = {"www-authenticate": "Bearer"} if self.status == 401 else {}
        if self.status in {408, 413}:
            headers["connection"] = "close"  # what is left of the body is not read
        return headers if self.retry_after_s is None else {**headers, "retry-after": str(self.retry_after_s)}


def error_body(error: EmoError) -> dict[str, dict[str, str | None]]:
    """Return an error as OpenAI clients read it; where it is about is left out, it may be a path of this machine."""
    message = error.what if error.fix is None else f"{error.what} ({error.fix})"
    status = error.status if isinstance(error, RefusedError) else 400
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": error.code}}
