"""`emollm serve`: a model for a team, behind keys and limits. The gateway is in emollm/serve/gateway/."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emollm.cli import label_run, options

EXAMPLES = """Examples:

  emollm serve tiny --demo

  emollm serve --new-key ann --keys keys.txt

  emollm serve runs/mine --host 0.0.0.0 --keys keys.txt --purpose "film studies"

  emollm serve runs/mine --engine vllm --adapter actors=runs/actors/checkpoints/lora --media-root clips
"""


Model = Annotated[
    str | None,
    typer.Argument(help="tiny, a run folder, a checkpoint folder, a hub name; with openai its name there."),
]
Adapter = Annotated[
    list[str] | None, typer.Option("--adapter", help="LoRA adapter as NAME=FOLDER, asked for by its name (vllm).")
]
Host = Annotated[str, typer.Option("--host", help="Address to listen on; others than loopback need keys.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")]
KeysFile = Annotated[Path | None, typer.Option("--keys", help="File with hashes of keys; also: EMOLLM_API_KEYS.")]
NewKey = Annotated[
    str | None,
    typer.Option("--new-key", help="Make a key of this name, add its hash to --keys, print it, and end."),
]
MediaRoot = Annotated[Path | None, typer.Option("--media-root", help="Clips may be named by path below this.")]
UrlHost = Annotated[
    list[str] | None, typer.Option("--url-host", help="Clips may be fetched over https from this host.")
]
Purpose = Annotated[str | None, typer.Option("--purpose", help="What the answers are for; each one carries it.")]
PurposeException = Annotated[
    str | None,
    typer.Option("--purpose-exception", help="Why work or education is allowed: 'safety: ...', 'medical: ...'."),
]
Demo = Annotated[bool, typer.Option("--demo", help="Serve a model that is valid for synthetic clips only.")]
MaxRequests = Annotated[int, typer.Option("--max-requests", min=1, help="Requests at a time.")]
Rate = Annotated[int, typer.Option("--rate", min=1, help="Requests a minute, for each key.")]
MaxBodyMb = Annotated[float, typer.Option("--max-body-mb", min=0.01, help="Size of a request.")]
MaxClipS = Annotated[float, typer.Option("--max-clip-s", min=0.1, help="Length of a clip.")]
TimeoutS = Annotated[float, typer.Option("--timeout-s", min=1, help="Time for an answer.")]
Metrics = Annotated[bool, typer.Option("--metrics", help="Show /metrics for Prometheus.")]


def serve(
    model: Model = None,
    engine: options.Engine = options.EngineName.HF,
    base_url: options.BaseUrl = None,
    adapter: Adapter = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    keys: KeysFile = None,
    new_key: NewKey = None,
    media_root: MediaRoot = None,
    url_host: UrlHost = None,
    purpose: Purpose = None,
    purpose_exception: PurposeException = None,
    demo: Demo = False,
    commercial: label_run.Commercial = False,
    max_requests: MaxRequests = 16,
    rate: Rate = 120,
    max_body_mb: MaxBodyMb = 64.0,
    max_clip_s: MaxClipS = 300.0,
    timeout_s: TimeoutS = 120.0,
    metrics: Metrics = False,
) -> None:
    """Serve predictions and OpenAI's chat protocol; SIGTERM ends it when running requests are done.

    POST /v1/emotions and /v1/chat/completions, GET /v1/models, /health, /ready.
    """
    import os

    from emollm.errors import ConfigError
    from emollm.serve.gateway.keys import Keys
    from emollm.serve.gateway.keys import new_key as make_key

    if new_key is not None:
        if keys is None:
            raise ConfigError("a key needs a file for its hash", "--new-key", "add --keys keys.txt")
        typer.echo(make_key(new_key, keys))
        return
    if model is None:
        raise ConfigError("no model", "emollm serve", "name one, such as: emollm serve tiny --demo")
    if keys is not None and not keys.is_file():
        raise ConfigError("no such file", f"--keys {keys}", f"make one: emollm serve --new-key NAME --keys {keys}")
    known = Keys.read(keys, os.environ)
    from emollm.serve.gateway.settings import Settings

    settings = Settings(
        host=host, port=port, media_root=media_root, url_hosts=tuple(name.lower() for name in url_host or ()),
        purpose=purpose, purpose_exception=purpose_exception, max_body_mb=max_body_mb, max_clip_s=max_clip_s,
        max_requests=max_requests, requests_per_minute=rate, timeout_s=timeout_s, metrics=metrics,
    )  # fmt: skip
    settings.check_access(bool(known))  # before a model is opened
    adapters = _adapters(adapter or [])
    if commercial:
        from emollm.engines.checkpoints import allow_commercial

        allow_commercial(model, engine.value, adapters.values())
    from emollm.serve.gateway.app import make_app
    from emollm.serve.gateway.start import Wanted, open_backend
    from emollm.serve.gateway.start import serve as run

    wanted = Wanted(model, engine.value, base_url, adapters, demo)
    backend, media = open_backend(wanted, settings)
    gateway = make_app(settings, backend, known, media)
    run(gateway, lambda address: typer.echo(f"{', '.join(backend.models)} at {address}", err=True))


def _adapters(given: list[str]) -> dict[str, Path]:
    """Return adapters by name.

    Raises:
        ConfigError: One is not NAME=FOLDER, or the folder holds no adapter.
    """
    from emollm.errors import ConfigError

    found: dict[str, Path] = {}
    for entry in given:
        name, _, folder = entry.partition("=")
        if not name or name in found or not (Path(folder) / "adapter_config.json").is_file():
            fix = "write NAME=FOLDER, each name once; the folder has adapter_config.json"
            raise ConfigError("no adapter", f"--adapter {entry}", fix)
        found[name] = Path(folder)
    return found
