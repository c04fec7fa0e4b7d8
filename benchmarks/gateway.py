"""What the gateway of `emollm serve` adds to a request: behind it stands an engine that answers at once.

    python benchmarks/gateway.py [--requests 256] [--rounds 5]

For each concurrency, the median over the rounds of: milliseconds a request (median and 95th percentile), requests a second, and CPU
milliseconds a request of the gateway's own process. `engine_ms` is what the engine takes when it is called without a gateway. `words`
sends a transcript; `clip` uploads a synthetic one of some seconds, which is kept in a file, checked by a decoding process, and deleted.
The clients run on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2

from emollm.engines import Request, Sampling
from emollm.engines.fake import FakeEngine
from emollm.prompts import TASKS
from emollm.records import Record, TextLine

CONCURRENT = (1, 8, 32)
WORDS = "I will not go there again, and that is that."
TICKS = os.sysconf("SC_CLK_TCK")
Send = Callable[[httpx2.AsyncClient], Awaitable[httpx2.Response]]


def main() -> None:
    """Start a gateway, ask it, and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=64, help="at each concurrency")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve()
        return
    found: dict[str, Any] = {"engine_ms": round(engine_ms(args.requests), 3)}
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as gateway:
        try:
            assert gateway.stdout is not None
            url = gateway.stdout.readline().strip()
            for name, send in {"words": send_words, "clip": clip_sender()}.items():
                asyncio.run(measure(url, gateway.pid, send, 8, 16))  # warms up
                for concurrent in CONCURRENT:
                    rows = [
                        asyncio.run(measure(url, gateway.pid, send, concurrent, args.requests))
                        for _ in range(args.rounds)
                    ]
                    found[f"{name} x{concurrent}"] = {
                        key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]
                    }
        finally:
            gateway.terminate()
    print(json.dumps(found, indent=1))


def serve() -> None:
    """Be the gateway; its address goes to standard output."""
    from emollm.serve.gateway.app import make_app
    from emollm.serve.gateway.backend import EngineBackend
    from emollm.serve.gateway.keys import Keys
    from emollm.serve.gateway.settings import Settings
    from emollm.serve.gateway.start import Server

    settings = Settings(port=0, max_requests=2 * max(CONCURRENT), requests_per_minute=10**9)
    guard = make_app(settings, EngineBackend({"fake": FakeEngine()}), Keys({}))
    Server(guard, lambda url: print(url, flush=True)).run()


def engine_ms(n: int) -> float:
    """Return milliseconds of a question that is asked without a gateway."""
    record = Record(id="x", text=(TextLine(text=WORDS),))
    requests = [Request("x", record, TASKS["labels"]) for _ in range(n)]
    start = time.monotonic()
    for _ in FakeEngine().generate(requests, Sampling()):
        pass
    return 1000 * (time.monotonic() - start) / n


async def measure(url: str, pid: int, send: Send, concurrent: int, n: int) -> dict[str, float]:
    """Send n requests, so many at a time."""
    times_ms: list[float] = []
    left = iter(range(n))
    limits = httpx2.Limits(max_connections=concurrent)

    async def one_after_the_other(client: httpx2.AsyncClient) -> None:
        for _ in left:
            start = time.monotonic()
            answer = await send(client)
            times_ms.append(1000 * (time.monotonic() - start))
            answer.raise_for_status()

    async with httpx2.AsyncClient(base_url=url, timeout=600, trust_env=False, limits=limits) as client:
        start, cpu = time.monotonic(), cpu_ms(pid)
        await asyncio.gather(*(one_after_the_other(client) for _ in range(concurrent)))
        seconds = time.monotonic() - start
    ordered = sorted(times_ms)
    return {
        "median_ms": statistics.median(ordered),
        "p95_ms": ordered[int(0.95 * (len(ordered) - 1))],
        "requests_s": n / seconds,
        "cpu_ms": (cpu_ms(pid) - cpu) / n,
    }


async def send_words(client: httpx2.AsyncClient) -> httpx2.Response:
    """Ask about a transcript."""
    return await client.post("/emotions", json={"transcript": WORDS})


def clip_sender() -> Send:
    """Return what asks about an uploaded clip."""
    from emollm.synth.generate import make_synth

    with tempfile.TemporaryDirectory() as folder:
        make_synth(folder, 1, split="dev", workers=1)
        content = next(Path(folder, "media").glob("*.mp4")).read_bytes()

    async def send(client: httpx2.AsyncClient) -> httpx2.Response:
        return await client.post("/emotions", files={"clip": ("clip.mp4", content, "video/mp4")})

    return send


def cpu_ms(pid: int) -> float:
    """Return the CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / TICKS  # user and system time: fields 14 and 15 of proc(5)


if __name__ == "__main__":
    main()
