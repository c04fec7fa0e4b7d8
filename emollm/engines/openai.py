"""The `openai` engine: any model behind an OpenAI-compatible endpoint (`--base-url`), ours or others'.

    engine = OpenAIEngine("qwen2.5-omni", "http://localhost:8000/v1")
    for prediction in engine.generate(requests, Sampling()):
        ...

Clips are decoded here: what is sent is a number of pictures and one-channel sound, not the file. Servers of vLLM take the pictures as one
video (`video_url` with `data:video/jpeg`, frames without loss); others as `image_url` parts; sound goes as `input_audio`. JSON answers are
asked for by `response_format` with the answer's schema, and the question says which keys are wanted, since the model may never have seen
our answers; a model behind our own gateway is asked as in training, under the same grammar as in the other engines.

Several requests are under way at once. Does not: upload files, read token probabilities (a confidence is the model's own or none).
"""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from emollm import __version__
from emollm.endpoint import Endpoint, EndpointError
from emollm.engines import Finish, Request, Sampling
from emollm.engines.evidence import Evidence, MediaSettings, gather
from emollm.engines.reading import NOTHING_TO_SEE, answer_fields, failure_fields
from emollm.errors import ConfigError, EmoError
from emollm.prompts import Task, grammar, prompt_sha256, render
from emollm.prompts.schema import answer_schema
from emollm.prompts.tasks import Message
from emollm.records import Prediction, Provenance, Seen, Usage

MEDIA = MediaSettings(frames=16, max_side_px=512, audio_window_s=30.0, sample_rate_hz=16000)
NATIVE = "emollm"  # `owned_by` of models behind our own gateway
COUNTING = (NATIVE, "vllm")  # servers that tell the tokens of a stream
_WORDS = {
    "labels": 'labels: a list of short emotion words, such as ["worried"]; an empty list when there is not enough evidence',
    "cues": "cues: a list of what shows it, each with modality (audio, video or text), text, start_s and end_s in seconds",
    "explanation": "explanation: two or three sentences",
    "confidence": "confidence: a number from 0 to 1",
}


class OpenAIEngine:
    """Answers requests by asking a server.

    Args:
        model: Its name at the server.
        base_url: The server's address up to `/v1`.
        batch_size: Requests under way at once.

    Raises:
        ConfigError: There is no address, or the server does not have the model.
        EndpointError: The server does not answer.
    """

    name = "openai"
    media = MEDIA

    def __init__(self, model: str, base_url: str | None, batch_size: int = 8) -> None:
        if base_url is None:
            raise ConfigError("the engine `openai` needs a server", "--base-url", "give its address, up to /v1")
        self.model, self.batch_size, self.endpoint = model, batch_size, Endpoint(base_url)
        listed = {entry.get("id"): entry for entry in self.endpoint.get("models").get("data", [])}
        if listed and model not in listed:
            raise ConfigError(
                f"the server has no model {model!r}", base_url, f"models there: {', '.join(sorted(map(str, listed)))}"
            )
        self.owner = str(listed.get(model, {}).get("owned_by", ""))

    @property
    def identity(self) -> dict[str, Any]:
        """What of the model and its settings an answer depends on, as far as a server tells."""
        server = {"base_url": self.endpoint.base_url, "weights_sha256": None}
        return {"engine": self.name, "model": self.model, **server, **asdict(self.media)}

    @cached_property
    def _workers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.batch_size, thread_name_prefix="endpoint")

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        """Answer requests as the server does; new ones are sent as soon as others are done."""
        waiting = iter(requests)
        asked: set[Future[Prediction]] = set()
        more = True
        try:
            while more or asked:
                while more and len(asked) < self.batch_size:
                    request = next(waiting, None)
                    more = request is not None
                    if request is not None:
                        asked.add(self._workers.submit(self._answer, request, sampling))
                done, asked = wait(asked, return_when=FIRST_COMPLETED) if asked else (set(), asked)
                for one in done:
                    yield one.result()
        finally:
            for one in asked:
                one.cancel()

    def stream(self, request: Request, sampling: Sampling) -> Generator[str, None, Finish]:
        """Answer one request piece by piece.

        Raises:
            EmoError: The clip cannot be used, or the server does not answer.
        """
        evidence = gather(request, self.media)
        if evidence.is_empty:
            yield f"Insufficient evidence. {NOTHING_TO_SEE}"
            return Finish()
        body = {**self._body(request, self._messages(request, evidence), evidence, sampling), "stream": True}
        if self.owner in COUNTING:
            body["stream_options"] = {"include_usage": True}
        reason, usage = "stop", None
        for event in self.endpoint.stream("chat/completions", body):
            usage = _usage_of(event) or usage
            for choice in event.get("choices", ()):
                reason = choice.get("finish_reason") or reason
                yield choice.get("delta", {}).get("content") or ""
        return Finish(reason, usage)  # for who asks (StopIteration.value)

    def close(self) -> None:
        """End the threads."""
        self._workers.shutdown(cancel_futures=True)

    def _answer(self, request: Request, sampling: Sampling) -> Prediction:
        """Ask about one clip; whatever goes wrong with it becomes an error row."""
        try:
            evidence = gather(request, self.media)
            if evidence.is_empty:
                fields = {"status": "insufficient_evidence", "explanation": NOTHING_TO_SEE}
                return self._prediction(request, sampling, evidence.seen, **fields)
            messages = self._messages(request, evidence)
            body = self._body(request, messages, evidence, sampling)
            answer = self.endpoint.post("chat/completions", body)
            raw, cut = _text_of(answer)
        except EmoError as error:
            return self._prediction(request, sampling, **failure_fields(error, request))
        fields = answer_fields(raw, request.task, before_cut=raw if cut else None)
        usage = _usage_of(answer)
        return self._prediction(request, sampling, evidence.seen, prompt_sha256(messages), usage=usage, **fields)

    def _messages(self, request: Request, evidence: Evidence) -> list[Message]:
        """Render the prompt; media are placeholders still."""
        audio, video = evidence.audio is not None, evidence.frames is not None
        return render(request.record, request.task, audio=audio, video=video, transcript=request.transcript)

    def _body(
        self, request: Request, messages: list[Message], evidence: Evidence, sampling: Sampling
    ) -> dict[str, Any]:
        """Return what is sent."""
        task = request.task
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [
                {
                    **message,
                    "content": message_parts(message["content"], evidence, self.media.sample_rate_hz, self.owner),
                }
                for message in messages
            ],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            "seed": request.seed,
        }
        if task.style == "text" and task.rules is not None:
            return {**body, "structured_outputs": {"grammar": task.rules}}
        if task.style == "text" or not sampling.constrained:
            return body
        if self.owner == NATIVE:
            return {**body, "structured_outputs": {"grammar": grammar(task)}}
        schema = {"name": "answer", "strict": True, "schema": answer_schema(task)}
        told = {"role": "system", "content": _wanted(task)}
        messages = [told, *body["messages"]]
        return {**body, "messages": messages, "response_format": {"type": "json_schema", "json_schema": schema}}

    def _prediction(
        self, request: Request, sampling: Sampling, seen: Seen | None = None, prompt: str | None = None, **fields: Any
    ) -> Prediction:
        """Return a prediction with its provenance."""
        provenance = Provenance(
            model=self.model,
            engine=self.name,
            prompt_sha256=prompt,
            decode={**sampling.to_dict(), **asdict(self.media), "base_url": self.endpoint.base_url},
            seed=request.seed,
            emollm=__version__,
        )
        return Prediction(id=request.id, task=request.task.name, seen=seen or Seen(), provenance=provenance, **fields)


def message_parts(
    content: Sequence[Mapping[str, Any]], evidence: Evidence, sample_rate_hz: int, owner: str
) -> list[dict[str, Any]]:
    """Put a clip's sound and pictures in the places of their placeholders.

    Args:
        content: Parts of a rendered message.
        evidence: The clip.
        sample_rate_hz: Of its sound.
        owner: `owned_by` of the model: vLLM's servers take pictures as one video, others one by one.
    """
    parts: list[dict[str, Any]] = []
    for part in content:
        if part["type"] == "audio" and evidence.audio is not None:
            data = _wav(evidence.audio, sample_rate_hz)
            parts.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
        elif part["type"] == "video" and evidence.frames is not None:
            parts += _pictures(evidence.frames, owner)
        else:
            parts.append(dict(part))
    return parts


def _pictures(frames: NDArray[np.uint8], owner: str) -> list[dict[str, Any]]:
    """Return frames `(n, height, width, 3)` as message parts."""
    if owner in COUNTING:
        url = "data:video/jpeg;base64," + ",".join(_picture(frame, "png") for frame in frames)
        return [{"type": "video_url", "video_url": {"url": url}}]
    urls = [f"data:image/jpeg;base64,{_picture(frame, 'jpeg')}" for frame in frames]
    return [{"type": "image_url", "image_url": {"url": url}} for url in urls]


def _wanted(task: Task) -> str:
    """Say in words what an answer holds, for models that were not trained on ours."""
    keys = "\n".join(f"- {_WORDS[key]}" for key in task.answer_keys)
    return f"Answer with one JSON object and nothing else. Its keys, in this order:\n{keys}"


def _text_of(answer: Any) -> tuple[str, bool]:
    """Return what the model wrote, and whether it was cut off.

    Raises:
        EndpointError: The answer holds no text.
    """
    try:
        choice = answer["choices"][0]
        return str(choice["message"]["content"] or ""), choice.get("finish_reason") == "length"
    except (KeyError, IndexError, TypeError):
        raise EndpointError("the server's answer holds no text", fix="is this a chat endpoint?") from None


def _usage_of(answer: Any) -> Usage | None:
    """Return the tokens that a server tells."""
    told = answer.get("usage")
    try:
        return Usage.model_validate({name: told[name] for name in Usage.model_fields})
    except (KeyError, TypeError, ValidationError):
        return None


def _wav(samples: NDArray[np.float32], rate_hz: int) -> str:
    """Return sound `(samples,)` as a WAV file with 16 bits a sample, base64."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return base64.b64encode(file.getvalue()).decode()


def _picture(frame: NDArray[np.uint8], kind: str) -> str:
    """Return a frame `(height, width, 3)` as a picture file, base64."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(frame).save(file, kind, quality=90)
    return base64.b64encode(file.getvalue()).decode()
