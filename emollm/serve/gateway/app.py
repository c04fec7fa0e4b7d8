"""The gateway's paths, and what happens behind each.

    POST /v1/emotions           one clip in, predictions out
    POST /v1/chat/completions   OpenAI's protocol: questions about a clip, answered in words
    GET  /v1/models             what can be asked
    GET  /health /ready         the process lives; answers can be given
    GET  /metrics               counts for Prometheus, where they are switched on

No other path exists: what vLLM serves without a key (its own `/invocations`, `/tokenize`, `/docs` and others) is out of reach.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.requests import Request as HTTPRequest
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from emollm.engines import Finish, Request
from emollm.engines.evidence import MediaSettings
from emollm.errors import EmoError, MediaError
from emollm.media.workers import Decoders
from emollm.records import Prediction
from emollm.serve.gateway.backend import Backend
from emollm.serve.gateway.completions import Chunks, Completion, completed
from emollm.serve.gateway.guard import Guard
from emollm.serve.gateway.intake import Intake
from emollm.serve.gateway.keys import Keys
from emollm.serve.gateway.meters import Meters
from emollm.serve.gateway.questions import FILES, LISTS, Questions
from emollm.serve.gateway.settings import RefusedError, Settings, error_body

DECODE_S = 60.0  # for one clip


def make_app(settings: Settings, backend: Backend, keys: Keys, media: MediaSettings | None = None) -> Guard:
    """Return the gateway as an ASGI application.

    Args:
        settings: What it allows.
        backend: What answers; closed with the application.
        keys: Who may ask.
        media: How clips are decoded for the models; None: the engines do that themselves.

    Raises:
        ConfigError: Others could ask without a key, or nothing says what the answers are for.
    """
    settings.check_access(bool(keys))
    gateway = _Gateway(settings, backend, media)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await gateway.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    for path, method, answer in (
        ("/v1/emotions", "POST", gateway.emotions),
        ("/v1/chat/completions", "POST", gateway.completions),
        ("/v1/models", "GET", gateway.models),
        ("/health", "GET", gateway.health),
        ("/ready", "GET", gateway.ready),
        *([("/metrics", "GET", gateway.metrics)] if settings.metrics else []),
    ):
        app.add_api_route(path, answer, methods=[method], response_model=None)  # type: ignore[arg-type]
    app.add_exception_handler(EmoError, _told)
    app.add_exception_handler(HTTPException, _told)
    gateway.guard = Guard(app, settings, keys, gateway.meters)
    return gateway.guard


class _Gateway:
    """What the paths share."""

    guard: Guard

    def __init__(self, settings: Settings, backend: Backend, media: MediaSettings | None) -> None:
        self.settings, self.backend, self.media = settings, backend, media
        self.meters, self.started = Meters(), int(time.time())
        self.decoders = Decoders(2, DECODE_S)

    async def emotions(self, request: HTTPRequest) -> Response:
        """Take one clip and what is asked about it; return a prediction for each question."""
        with Intake(self.settings, self.decoders) as intake:
            asked = Questions.read(await _fields(request, intake), self.settings)
            model = self._model(asked.model)
            made = await asyncio.to_thread(asked.requests, intake)
            requests = await asyncio.to_thread(self._opened, made, intake)
        predictions = await self.backend.answer(model, requests, asked.sampling(self.settings))
        return JSONResponse({"model": model, "predictions": [self._public(prediction) for prediction in predictions]})

    async def completions(self, request: HTTPRequest) -> Response:
        """Answer the last question of a conversation about a clip, at once or piece by piece."""
        with Intake(self.settings, self.decoders) as intake:
            asked = Completion.read(await _json(request))
            model = self._model(asked.model)
            made = await asyncio.to_thread(asked.request, intake, self.settings)
            (ready,) = await asyncio.to_thread(self._opened, [made], intake)
        sampling = asked.sampling(self.settings)
        if not asked.stream:
            (prediction,) = await self.backend.answer(model, [ready], sampling)
            self.meters.answer(prediction.task, prediction.status)
            return JSONResponse(completed(model, prediction))
        pieces = self.backend.stream(model, ready, sampling)
        first = await anext(pieces)  # what is wrong with the request shows before the answer begins
        events = self._events(Chunks(model, asked.tells_usage), first, pieces)
        return StreamingResponse(events, media_type="text/event-stream")

    async def models(self) -> Response:
        """List the models."""
        usual = {"object": "model", "created": self.started, "owned_by": "emollm"}
        return JSONResponse({"object": "list", "data": [{"id": name, **usual} for name in self.backend.models]})

    async def health(self) -> Response:
        """Say that the process lives."""
        return JSONResponse({"status": "ok"})

    async def ready(self) -> Response:
        """Say whether answers can be given."""
        is_ready = not self.guard.draining and await self.backend.is_ready()
        return JSONResponse({"status": "ready" if is_ready else "not ready"}, 200 if is_ready else 503)

    async def metrics(self) -> Response:
        """Return what was counted."""
        return PlainTextResponse(self.meters.text(), media_type="text/plain; version=0.0.4")

    async def close(self) -> None:
        """End decoders and engines."""
        await self.backend.close()
        await asyncio.to_thread(self.decoders.close)

    async def _events(
        self, chunks: Chunks, first: str | Finish, pieces: AsyncIterator[str | Finish]
    ) -> AsyncIterator[str]:
        """Yield the server-sent events of one answer."""
        piece, status = first, "ok"
        yield chunks.event()
        try:
            while isinstance(piece, str):
                yield chunks.event(piece)
                piece = await anext(pieces)
            yield chunks.end(piece)
        except EmoError as error:
            status = "error"
            yield f"data: {JSONResponse(error_body(error)).body.decode()}\n\n"  # type: ignore[union-attr]
        yield "data: [DONE]\n\n"
        self.meters.answer("ask", status)

    def _model(self, name: str | None) -> str:
        known = self.backend.models
        if name is not None and name not in known:
            raise RefusedError(404, "model_not_found", f"there is no model {name!r}", f"models: {', '.join(known)}")
        return name or known[0]

    def _opened(self, requests: Sequence[Request], intake: Intake) -> list[Request]:
        """Decode the clip that all the requests are about, so that no engine opens a file."""
        media = requests[0].record.media
        if self.media is None or requests[0].evidence is not None or not (media.video or media.audio):
            return list(requests)
        evidence = intake.gather(requests[0], self.media)
        return [replace(request, evidence=evidence) for request in requests]

    def _public(self, prediction: Prediction) -> dict[str, Any]:
        """Return a prediction with its purpose."""
        self.meters.answer(prediction.task, prediction.status)
        provenance = prediction.provenance.model_copy(update={"purpose": self.settings.purpose})
        return prediction.model_copy(update={"provenance": provenance}).to_dict()


async def _fields(request: HTTPRequest, intake: Intake) -> dict[str, Any]:
    """Return the fields of a request; files become sources that the intake knows."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        found = await _json(request)
        if isinstance(found, dict):
            return found
        raise RefusedError(400, "bad_request", "the request is no JSON object", "see docs/serve.md")
    if kind != "multipart/form-data":
        raise RefusedError(415, "bad_type", "send application/json or multipart/form-data")
    fields: dict[str, Any] = {}
    async with request.form(max_files=len(FILES), max_fields=256) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name not in FILES:
                    raise RefusedError(
                        400, "bad_request", f"{name}: no file is taken here", f"files: {', '.join(FILES)}"
                    )
                fields[name] = await asyncio.to_thread(intake.upload, value.file)
            elif name in LISTS:
                fields.setdefault(name, []).append(value)
            else:
                fields[name] = value
    return fields


async def _json(request: HTTPRequest) -> Any:
    try:
        return await request.json()
    except (ValueError, RecursionError):
        raise RefusedError(400, "bad_request", "the request is no JSON") from None


async def _told(request: HTTPRequest, error: Exception) -> Response:
    """Return an error as OpenAI clients read it."""
    if isinstance(error, RefusedError):
        return JSONResponse(error_body(error), error.status, error.headers)
    if isinstance(error, EmoError):
        return JSONResponse(error_body(error), 422 if isinstance(error, MediaError) else 400)
    if isinstance(error, HTTPException):
        refused = RefusedError(error.status_code, "http", str(error.detail))
        return JSONResponse(error_body(refused), error.status_code, error.headers)
    raise error
