"""Who may ask: keys, of which only hashes are kept.

A keys file has one line a key: `name sha256`. The keys are 256 random bits, so that a plain SHA-256 of them cannot be turned
around. Keys in the environment (`EMOLLM_API_KEYS=name:key,...`) are hashed when the gateway starts.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from emollm.errors import ConfigError

ENVIRONMENT = "EMOLLM_API_KEYS"
_LINE = re.compile(r"([\w.-]{1,64})\s+([0-9a-f]{64})")
_SHORTEST = 20  # characters of a key that a user thought of


class Keys:
    """Names and hashes of keys.

    Args:
        hashes: SHA-256 (hexadecimal) of each name's key.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = dict(hashes)

    def __bool__(self) -> bool:
        return bool(self._hashes)

    @classmethod
    def read(cls, file: Path | None, environment: Mapping[str, str]) -> Keys:
        """Read a keys file and the environment.

        Raises:
            ConfigError: A line is no key, or a key is too short.
        """
        hashes: dict[str, str] = {}
        for number, line in enumerate(_lines(file), 1):
            found = _LINE.fullmatch(line.strip())
            if found:
                hashes[found[1]] = found[2]
            elif line.strip() and not line.startswith("#"):
                raise ConfigError("no key", f"{file}:{number}", "make one with emollm serve --new-key NAME --keys FILE")
        for entry in filter(None, environment.get(ENVIRONMENT, "").split(",")):
            name, _, key = entry.strip().partition(":")
            if len(key) < _SHORTEST:
                fix = f"write name:key, the key with at least {_SHORTEST} characters"
                raise ConfigError("a key is missing or too short", ENVIRONMENT, fix)
            hashes[name] = _hash(key)
        return cls(hashes)

    def who(self, key: str) -> str | None:
        """Return whose key this is, in the same time whatever it is."""
        given, found = _hash(key), None
        for name, known in self._hashes.items():
            if hmac.compare_digest(given, known):
                found = name
        return found


def new_key(name: str, file: Path) -> str:
    """Make a key, append its hash to a file (mode 0600), and return the key: it is nowhere else.

    Raises:
        ConfigError: The name is there already, or is no name.
    """
    if not re.fullmatch(r"[\w.-]{1,64}", name):
        raise ConfigError(f"no name: {name!r}", "--new-key", "letters, digits, dots and dashes")
    if any(line.split()[:1] == [name] for line in _lines(file)):
        raise ConfigError(f"there is a key of this name: {name}", str(file), "take its line out first")
    key = f"emo-{secrets.token_urlsafe(32)}"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w", encoding="utf-8") as out:
        out.write(f"{name} {_hash(key)}\n")
    return key


def _lines(file: Path | None) -> list[str]:
    if file is None or not file.exists():
        return []
    return file.read_text(encoding="utf-8").splitlines()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
