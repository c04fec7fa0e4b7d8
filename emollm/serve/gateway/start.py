"""Start what `emollm serve` needs: engines, vLLM's server where it is wanted, and the gateway."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn

from emollm.api import open_engine
from emollm.engines.checkpoints import find_checkpoint
from emollm.engines.evidence import MediaSettings
from emollm.engines.openai import OpenAIEngine
from emollm.errors import ConfigError
from emollm.serve.gateway.backend import EngineBackend
from emollm.serve.gateway.guard import Guard, patient_protocol
from emollm.serve.gateway.settings import Settings


@dataclass(frozen=True)
class Wanted:
    """Which model is served, and by what.

    Attributes:
        model: `tiny`, a run folder, a checkpoint folder, a hub name; with `openai` its name at the server.
        engine: `hf`, `vllm` (its server is started here) or `openai` (a server that runs already).
        base_url: Address of that server.
        adapters: LoRA adapters by name, for `vllm`.
        demo: A model that is valid for synthetic clips only is wanted all the same.
    """

    model: str
    engine: str = "hf"
    base_url: str | None = None
    adapters: Mapping[str, Path] = field(default_factory=dict)
    demo: bool = False


def open_backend(wanted: Wanted, settings: Settings) -> tuple[EngineBackend, MediaSettings | None]:
    """Open the engines; return them, and how clips are decoded for them.

    Raises:
        ConfigError: There is no such model, or it is a demonstration and nobody said `--demo`.
    """
    if wanted.adapters and wanted.engine != "vllm":
        raise ConfigError("adapters are served by vLLM", "--adapter", "add --engine vllm, or merge them: emollm merge")
    if wanted.engine == "openai":
        client = OpenAIEngine(wanted.model, wanted.base_url)
        return EngineBackend({wanted.model: client}, settings.max_requests), client.media
    checkpoint = find_checkpoint(wanted.model)
    if checkpoint.valid_for is not None and not wanted.demo:
        what = f"this checkpoint is valid for {checkpoint.valid_for} clips only: its answers about people mean nothing"
        raise ConfigError(what, f"model {wanted.model!r}", "serve another one, or show how it works: --demo")
    if wanted.engine == "vllm":
        from emollm.serve.gateway.vllm_server import open_vllm

        return open_vllm(checkpoint, wanted.adapters, settings)
    engine = open_engine(wanted.model, settings.max_questions + 1)
    from emollm.engines.local import LocalEngine  # after a wrong name is told: it imports torch

    return EngineBackend({checkpoint.name: engine}), engine.media if isinstance(engine, LocalEngine) else None


class Server(uvicorn.Server):
    """uvicorn's server around the gateway; it says where it listens, and tells the gateway that it is going down.

    Args:
        guard: The gateway.
        on_start: Called with the address when it listens.
    """

    def __init__(self, guard: Guard, on_start: Callable[[str], None]) -> None:
        settings = guard.settings
        config = uvicorn.Config(
            guard,
            host=settings.host,
            port=settings.port,
            http=patient_protocol(settings.client_timeout_s),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(settings.drain_s),
        )
        super().__init__(config)
        self._guard, self._on_start = guard, on_start

    async def startup(self, sockets: list | None = None) -> None:  # type: ignore[type-arg]
        """Listen."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_start(f"http://{f'[{host}]' if ':' in host else host}:{port}/v1")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Go down when running requests are done."""
        self._guard.draining = True
        super().handle_exit(sig, frame)


def serve(guard: Guard, on_start: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; running requests are finished first.

    Args:
        guard: The gateway.
        on_start: Called with the address when it listens.
    """
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("emollm.gateway").setLevel(logging.INFO)
    Server(guard, on_start).run()
