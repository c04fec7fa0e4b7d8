"""`/v1/chat/completions` as OpenAI clients speak it (https://platform.openai.com/docs/api-reference/chat): what is read and answered.

A conversation is about one clip: one `video_url` and one `input_audio` or `audio_url` part, in any message of the user. A video
brings its own sound. Text answers are free, or follow `response_format` (a JSON schema) or `structured_outputs.grammar`. Words of
a system message stand before the first question, since the models have no such role. Greedy unless `temperature` says otherwise.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emollm.engines import Finish, Request, Sampling
from emollm.engines.evidence import Evidence, MediaSettings
from emollm.prompts import TASKS, Exchange
from emollm.records import Media, Prediction, Record, Seen, Usage
from emollm.serve.gateway.intake import Intake
from emollm.serve.gateway.questions import check_text, readable, take_media
from emollm.serve.gateway.settings import RefusedError, Settings

FRAMES = "data:video/jpeg;base64,"  # pictures of a video, base64 with commas between: vLLM's own form
MAX_FRAMES = 64
MAX_RULES_CHARS = 16_000
_SPEAKERS = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class Completion(BaseModel):
    """The fields of a request that mean something here; others are refused, so that nothing is silently left out."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: str
    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=200)]
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    n: Literal[1] | None = None
    user: str | None = None
    response_format: dict[str, Any] | None = None
    structured_outputs: dict[str, Any] | None = None

    @classmethod
    def read(cls, fields: Any) -> Completion:
        """Read the JSON of a request.

        Raises:
            RefusedError: A field is unknown or wrong.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise RefusedError(400, "bad_request", readable(error), "see docs/serve.md") from None

    def request(self, intake: Intake, settings: Settings) -> Request:
        """Take the clip in, and return the request.

        Raises:
            RefusedError: The messages are no conversation about one clip, or the clip cannot be used.
        """
        turns, parts = _turns(self.messages)
        check_text([text for _, text in turns], settings)
        history, question = _history(turns)
        task = TASKS["ask"].with_question(question).after(history).with_rules(self._rules())
        request = Request("chat", Record(id="chat", media=_media(parts, intake)), task, self.seed or 0)
        frames = next((url for kind, url in parts if kind == "video_url" and url.startswith(FRAMES)), None)
        return request if frames is None else replace(request, evidence=_shown(frames, request, intake))

    def sampling(self, settings: Settings) -> Sampling:
        """Return how the answer is drawn."""
        wanted = self.max_completion_tokens or self.max_tokens or settings.max_new_tokens
        return Sampling(self.temperature or 0.0, self.top_p or 1.0, min(wanted, settings.max_new_tokens))

    @property
    def tells_usage(self) -> bool:
        """Whether a stream ends with its tokens."""
        return bool((self.stream_options or {}).get("include_usage"))

    def _rules(self) -> str | None:
        """Return the grammar that the answer must follow."""
        if self.structured_outputs:
            rules = self.structured_outputs.get("grammar")
            if (
                set(self.structured_outputs) != {"grammar"}
                or not isinstance(rules, str)
                or len(rules) > MAX_RULES_CHARS
            ):
                raise RefusedError(400, "bad_request", "structured_outputs: a grammar, and nothing else")
            return rules
        form = self.response_format or {"type": "text"}
        if form.get("type") == "text":
            return None
        schema = form.get("json_schema", {}).get("schema") if form.get("type") == "json_schema" else {"type": "object"}
        if form.get("type") not in {"json_schema", "json_object"} or not isinstance(schema, dict):
            raise RefusedError(400, "bad_request", "response_format: text, json_object, or json_schema with a schema")
        return _grammar(json.dumps(schema))


def completed(model: str, prediction: Prediction) -> dict[str, Any]:
    """Return an answer as OpenAI's `chat.completion`.

    Raises:
        RefusedError: There is no answer.
    """
    if prediction.error is not None and prediction.raw is None:
        raise RefusedError(422, prediction.error.code, prediction.error.what, prediction.error.fix)
    text = prediction.raw if prediction.raw is not None else prediction.explanation
    finish = "length" if prediction.parse == "truncated" else "stop"
    message = {"role": "assistant", "content": (text or "").strip()}
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return {**_head(model, "chat.completion"), "choices": [choice], "usage": _usage(prediction.usage)}


class Chunks:
    """The pieces of one streamed answer, as OpenAI's `chat.completion.chunk`.

    Args:
        model: Who answers.
        tells_usage: The tokens come behind the end.
    """

    def __init__(self, model: str, tells_usage: bool = False) -> None:
        self._head, self._tells_usage = _head(model, "chat.completion.chunk"), tells_usage

    def event(self, text: str | None = None) -> str:
        """Return one server-sent event: the beginning (no text), or a piece."""
        return self._choice({"role": "assistant", "content": ""} if text is None else {"content": text})

    def end(self, finish: Finish) -> str:
        """Return the end, and the tokens where they are wanted."""
        told = self._line({"choices": [], "usage": _usage(finish.usage)}) if self._tells_usage else ""
        return self._choice({}, finish.reason) + told

    def _choice(self, delta: dict[str, str], reason: str | None = None) -> str:
        return self._line({"choices": [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]})

    def _line(self, fields: dict[str, Any]) -> str:
        return f"data: {json.dumps({**self._head, **fields}, ensure_ascii=False)}\n\n"


def _turns(messages: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return who said what, and the media with their kinds."""
    turns: list[tuple[str, str]] = []
    parts: list[tuple[str, str]] = []
    for number, message in enumerate(messages):
        where, content = f"messages.{number}", message.get("content")
        speaker = _SPEAKERS.get(str(message.get("role")))
        if speaker is None:
            raise RefusedError(400, "bad_request", f"{where}: the role is system, user or assistant")
        texts = []
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or ():
            kind, value = _part(part, where)
            if kind == "text":
                texts.append(value)
            elif speaker != "user":
                raise RefusedError(400, "bad_request", f"{where}: clips come from the user")
            else:
                parts.append((kind, value))
        turns.append((speaker, "\n".join(texts)))
    return turns, parts


def _part(part: Any, where: str) -> tuple[str, str]:
    """Return the kind of a content part, and its text or source."""
    kind = part.get("type") if isinstance(part, dict) else None
    value = part.get(kind) if kind else None
    if kind in {"video_url", "audio_url"} and isinstance(value, dict):
        value = value.get("url")
    elif kind == "input_audio" and isinstance(value, dict):
        value = f"data:audio/{value.get('format', 'wav')};base64,{value.get('data', '')}"
    if kind not in {"text", "video_url", "audio_url", "input_audio"} or not isinstance(value, str):
        what = f"{where}: a part is text, video_url, audio_url or input_audio, as a text"
        raise RefusedError(400, "bad_request", what, "see docs/serve.md")
    return str(kind), value


def _history(turns: Sequence[tuple[str, str]]) -> tuple[tuple[Exchange, ...], str]:
    """Return the exchanges before the last question, and the question."""
    told = "\n".join(text for speaker, text in turns if speaker == "system")
    asked: list[list[str]] = []
    for speaker, text in turns:
        if speaker == "user" and (not asked or len(asked[-1]) == 2):
            asked.append([text])
        elif speaker == "user":
            asked[-1][0] = f"{asked[-1][0]}\n{text}".strip()
        elif speaker == "assistant":
            if not asked or len(asked[-1]) == 2:
                raise RefusedError(400, "bad_request", "messages: an answer of the assistant follows a question")
            asked[-1].append(text)
    if not asked or len(asked[-1]) == 2:
        raise RefusedError(400, "bad_request", "messages: the last one is a question of the user")
    if told:
        asked[0][0] = f"{told}\n{asked[0][0]}".strip()
    return tuple(Exchange(*pair) for pair in asked[:-1]), asked[-1][0].strip() or TASKS["ask"].question


def _media(parts: Sequence[tuple[str, str]], intake: Intake) -> Media:
    """Return the checked media of a conversation; pictures that come one by one are not a file."""
    videos = [value for kind, value in parts if kind == "video_url"]
    sounds = [value for kind, value in parts if kind != "video_url"]
    if len(videos) > 1 or len(sounds) > 1:
        raise RefusedError(400, "too_many_clips", "a conversation is about one clip", "send one video and one sound")
    clip = next((url for url in videos if not url.startswith(FRAMES)), None)
    return take_media(clip, sounds[0] if sounds else None, intake)


def _shown(frames: str, request: Request, intake: Intake) -> Evidence:
    """Return the evidence of a request whose pictures came one by one; its sound, if there is any, is decoded with it."""
    import numpy as np
    from PIL import Image

    from emollm.media.pictures import is_black

    pictures = frames[len(FRAMES) :].split(",")
    limit = intake.settings.max_megapixels * 1e6
    if len(pictures) > MAX_FRAMES:
        raise RefusedError(400, "too_many_frames", f"at most {MAX_FRAMES} pictures")
    shown = []
    for text in pictures:
        try:
            with Image.open(intake.from_base64(text), formats=["JPEG", "PNG"]) as picture:
                if picture.width * picture.height > limit:
                    raise RefusedError(422, "too_many_pixels", "a picture is too large", "scale it down")
                shown.append(np.asarray(picture.convert("RGB")))  # (height, width, 3)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            raise RefusedError(422, "not_media", "a part of the video is no picture", "send JPEG or PNG") from None
    if len({frame.shape for frame in shown}) != 1:
        raise RefusedError(422, "not_media", "the pictures differ in size", "send those of one video")
    sound = intake.gather(request, MediaSettings(1, 64, intake.settings.max_clip_s, 16000))
    stack = np.stack(shown)  # (frames, height, width, 3)
    states = {**sound.seen.states, "video": "black" if is_black(stack) else "present"}
    seen = Seen.model_validate({**sound.seen.model_dump(), "frames": len(stack), "states": states})
    return replace(sound, frames=stack, seen=seen)


def _grammar(schema: str) -> str:
    """Return the grammar of the JSON values that fit a schema, without optional whitespace."""
    import xgrammar

    if len(schema) > MAX_RULES_CHARS:
        raise RefusedError(400, "bad_request", f"the schema has more than {MAX_RULES_CHARS} characters")
    try:
        return str(xgrammar.Grammar.from_json_schema(schema, any_whitespace=False))
    except (RuntimeError, ValueError):
        raise RefusedError(400, "bad_request", "response_format: this is no usable JSON schema") from None


def _head(model: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def _usage(counted: Usage | None) -> dict[str, int] | None:
    """Return the tokens of an answer as OpenAI's clients read them; null where the engine does not count."""
    if counted is None:
        return None
    return {**counted.model_dump(), "total_tokens": counted.prompt_tokens + counted.completion_tokens}
