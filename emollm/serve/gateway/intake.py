"""Clips come in as uploads, data URIs, paths below one folder, or addresses of listed hosts; what leaves is a checked local file.

- A path is followed to its end before it is compared with the folder: neither `..` nor a link leads out of it.
- An address is fetched over https from listed hosts only, without redirects and proxies, and only from public network addresses:
  the name is looked up once, every address it has is checked, and the connection goes to one of these (a name that changes its
  mind is not asked again).
- Every file is opened before a model sees it, in a process of its own with a deadline: length and size of pictures are limited.

Files of a request are deleted with it.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar
from urllib.parse import unquote, urlsplit

from emollm.engines import Request
from emollm.engines.evidence import Evidence, MediaSettings, gather
from emollm.errors import MediaError
from emollm.media import Probe, probe
from emollm.media.workers import Decoders, Job
from emollm.serve.gateway.settings import RefusedError, Settings

Result = TypeVar("Result")

_DATA = re.compile(r"data:(?:audio|video|application)/[\w.+-]{1,64}(?:;[\w.=+-]{1,64})*;base64,", re.IGNORECASE)
_PIECE = 1 << 20
_CONNECT_S = 10.0
# Addresses that stand for IPv4 ones inside IPv6 (mapped, NAT64, 6to4, Teredo) would get around the check of the IPv4 ranges.
_TRANSLATED = tuple(
    map(ipaddress.ip_network, ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
)


class Intake:
    """The files of one request: `with Intake(settings, decoders) as intake`.

    Args:
        settings: The limits.
        decoders: Processes that open clips.
    """

    def __init__(self, settings: Settings, decoders: Decoders) -> None:
        self.settings, self._decoders = settings, decoders
        self._folder = tempfile.TemporaryDirectory(prefix="emollm-")
        self.folder = Path(self._folder.name)
        self._uploads: dict[str, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def take(self, source: str) -> Path:
        """Return the local file of a data URI, an address, or a path below the media folder.

        Raises:
            RefusedError: It is not allowed, or is none of them.
        """
        if source in self._uploads:
            return self._uploads[source]
        if source[:5].lower() == "data:":
            return self._decoded(source)
        try:
            scheme = urlsplit(source).scheme.lower() if "://" in source[:16] else ""
        except ValueError:
            raise RefusedError(400, "bad_source", "this is no address", "upload the clip") from None
        if scheme in {"http", "https"}:
            return self._fetched(source)
        if scheme not in {"", "file"}:
            raise RefusedError(400, "bad_source", f"clips do not come over {scheme}", "upload the clip")
        return self._below_root(unquote(urlsplit(source).path) if scheme else source)

    def upload(self, file: IO[bytes]) -> str:
        """Keep an uploaded file, and return the source under which `take` gives it."""
        with self.new_file() as (path, out):
            shutil.copyfileobj(file, out, _PIECE)
        name = f"upload:{len(self._uploads)}"
        self._uploads[name] = path
        return name

    def from_base64(self, text: str) -> Path:
        """Return the file of base64 text.

        Raises:
            RefusedError: It is no base64.
        """
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise RefusedError(
                400, "bad_source", "the clip is no base64", "encode the file's bytes with base64"
            ) from None
        with self.new_file() as (path, out):
            out.write(data)
        return path

    @contextmanager
    def new_file(self) -> Iterator[tuple[Path, IO[bytes]]]:
        """Open a new file of this request."""
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as out:
            yield Path(out.name), out

    def check(self, path: Path) -> Probe:
        """Refuse a file that is no clip, too long, or has too large pictures.

        Raises:
            RefusedError: It cannot be used.
        """
        found = self._open(str(path), partial(probe, path))
        pixels = found.video.width * found.video.height if found.video else 0
        if pixels > self.settings.max_megapixels * 1e6:
            what = f"the pictures have {pixels / 1e6:.1f} megapixels, more than {self.settings.max_megapixels:g}"
            raise RefusedError(422, "too_many_pixels", what, "scale the clip down")
        if found.duration_s is not None and found.duration_s > self.settings.max_clip_s:
            what = f"the clip lasts {found.duration_s:.0f} s, more than {self.settings.max_clip_s:g}"
            raise RefusedError(422, "too_long", what, "cut it into parts")
        return found

    def gather(self, request: Request, settings: MediaSettings) -> Evidence:
        """Decode the clip of a request.

        Raises:
            RefusedError: It cannot be used.
        """
        media = request.record.media
        names = [ref.path for ref in (media.video, media.audio) if ref]
        return self._open(" ".join(names), partial(gather, request, settings))

    def _open(self, name: str, call: Callable[[], Result]) -> Result:
        """Do something with a clip in another process."""
        try:
            return self._decoders.run(Job(name, call))
        except MediaError as error:
            raise RefusedError(422, error.code, error.what, error.fix) from None

    def _decoded(self, source: str) -> Path:
        head = _DATA.match(source)
        if head is None:
            fix = "write data:video/mp4;base64,... or data:audio/wav;base64,..."
            raise RefusedError(400, "bad_source", "this data URI holds no audio or video in base64", fix)
        return self.from_base64(source[head.end() :])

    def _below_root(self, name: str) -> Path:
        """Return a file below the media folder; what lies outside looks like what is not there."""
        root = self.settings.media_root
        if root is None:
            raise RefusedError(403, "paths_off", "clips are not taken by path", "upload it, or start with --media-root")
        root = root.resolve()
        try:
            path = (root / name).resolve()
            inside = path.is_relative_to(root) and path.is_file()
        except (OSError, ValueError, RuntimeError):  # too long, a NUL, links in a circle
            inside = False
        if not inside:
            raise RefusedError(404, "no_such_clip", "there is no such clip in the media folder", "name a file in it")
        return path

    def _fetched(self, address: str) -> Path:
        """Fetch a clip from a listed host."""
        import httpx2

        parts = urlsplit(address)
        host, port = (parts.hostname or "").lower(), _port(address)
        if host not in self.settings.url_hosts or parts.scheme.lower() != "https" or parts.username or port != 443:
            fix = f"https from: {', '.join(self.settings.url_hosts)}" if self.settings.url_hosts else "upload the clip"
            raise RefusedError(403, "address_refused", "clips are not fetched from this address", fix)
        target = parts._replace(netloc=_literal(public_address(host)), fragment="").geturl()
        left = self.settings.max_body_mb * 1e6
        timeout = httpx2.Timeout(self.settings.client_timeout_s, connect=_CONNECT_S)
        try:
            with (
                httpx2.Client(follow_redirects=False, trust_env=False, timeout=timeout) as client,
                client.stream("GET", target, headers={"host": host}, extensions={"sni_hostname": host}) as answer,
                self.new_file() as (path, out),
            ):
                if answer.status_code != 200:
                    raise RefusedError(
                        422, "fetch_failed", f"the host answers {answer.status_code}", "check the address"
                    )
                for piece in answer.iter_bytes(_PIECE):
                    left -= len(piece)
                    if left < 0:
                        what = f"the clip is larger than {self.settings.max_body_mb:g} MB"
                        raise RefusedError(413, "too_large", what, "make it smaller")
                    out.write(piece)
        except httpx2.HTTPError as error:
            raise RefusedError(422, "fetch_failed", f"the clip could not be fetched ({type(error).__name__})") from None
        return path


def public_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Look a host up, and return an address to connect to.

    Raises:
        RefusedError: It has no address, or one that is not public.
    """
    try:
        found = {
            ipaddress.ip_address(str(row[4][0]).partition("%")[0])
            for row in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
        }
    except (OSError, UnicodeError):
        raise RefusedError(422, "fetch_failed", "the host is not known") from None
    if not found or not all(is_public(address) for address in found):
        raise RefusedError(403, "address_refused", "the host is in a private network", "upload the clip")
    return min(found, key=lambda address: (address.version, int(address)))


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether an address belongs to the public network, and stands for no other one."""
    translated = address.version == 6 and any(address in network for network in _TRANSLATED)
    return address.is_global and not address.is_multicast and not translated


def _literal(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)


def _port(address: str) -> int:
    try:
        return urlsplit(address).port or 443
    except ValueError:
        return 0
