"""What `/v1/emotions` takes: one clip, and what is asked about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emollm.engines import Request, Sampling
from emollm.prompts import TASKS, Task
from emollm.records import Media, MediaRef, Record, TextLine
from emollm.serve.gateway.intake import Intake
from emollm.serve.gateway.settings import RefusedError, Settings

LISTS = ("labels", "questions")
FILES = ("clip", "audio")


class Questions(BaseModel):
    """The fields of a request, in JSON or as a form (`labels` and `questions` are then repeated, `clip` and `audio` may be files).

    Attributes:
        clip: Upload, data URI, path or address of a video or a sound file.
        audio: The same, for sound that is not in the clip.
        transcript: What the person says.
        task: `labels`, `cues`, `explain` or `full`; None only where there are questions.
        labels: Closed set of labels.
        questions: Further questions, answered in words.
        id: Name of the clip in the answers.
        model: Which model answers; None takes the usual one.
        temperature: 0 is greedy.
        seed: Of sampling.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    clip: str | None = None
    audio: str | None = None
    transcript: str | None = None
    task: Literal["labels", "cues", "explain", "full"] | None = None
    labels: Annotated[list[str], Field(max_length=200)] = []
    questions: list[str] = []
    id: Annotated[str, Field(min_length=1, max_length=200)] = "clip"
    model: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def read(cls, fields: Mapping[str, Any], settings: Settings) -> Questions:
        """Read the fields of a request.

        Raises:
            RefusedError: A field is unknown, wrong, or too long.
        """
        try:
            asked = cls.model_validate(fields)
        except ValidationError as error:
            raise RefusedError(400, "bad_request", readable(error), "see docs/serve.md") from None
        texts = [asked.transcript or "", *asked.questions, *asked.labels]
        if len(asked.questions) > settings.max_questions:
            raise RefusedError(400, "too_many_questions", f"at most {settings.max_questions} questions about one clip")
        check_text(texts, settings)
        if asked.clip is None and asked.audio is None and not (asked.transcript or "").strip():
            raise RefusedError(400, "no_clip", "there is no clip", "send `clip`, `audio` or `transcript`")
        if len(set(asked.labels)) != len(asked.labels) or not all(label.strip() for label in asked.labels):
            raise RefusedError(400, "bad_request", "labels: each one once, none empty")
        return asked

    def requests(self, intake: Intake) -> list[Request]:
        """Take the clip in, and return a request for each question.

        Raises:
            RefusedError: The clip cannot be used.
        """
        media = take_media(self.clip, self.audio, intake)
        words = () if self.transcript is None else (TextLine(text=self.transcript),)
        record = Record(id=self.id, media=media, text=words)
        tasks: list[Task] = []
        if self.task is not None or not self.questions:
            task = TASKS[self.task or "explain"]
            tasks.append(task.with_labels(tuple(self.labels)) if self.labels else task)
        tasks += [TASKS["ask"].with_question(question) for question in self.questions]
        names = [self.id, *(f"{self.id}#{number}" for number in range(1, len(tasks)))]
        return [Request(name, record, task, self.seed) for name, task in zip(names, tasks, strict=True)]

    def sampling(self, settings: Settings) -> Sampling:
        """Return how answers are drawn."""
        return Sampling(temperature=self.temperature, max_new_tokens=settings.max_new_tokens)


def take_media(clip: str | None, audio: str | None, intake: Intake) -> Media:
    """Return the checked media of a request; sound without a picture is sound, whatever it was sent as."""
    refs: dict[str, MediaRef] = {}
    if clip is not None:
        path = intake.take(clip)
        found = intake.check(path)
        refs["video" if found.video else "audio"] = MediaRef(path=str(path), has_audio=found.audio is not None)
    if audio is not None:
        path = intake.take(audio)
        if intake.check(path).audio is None:
            raise RefusedError(422, "no_streams", "the file that was sent as sound holds none", "send it as the clip")
        refs["audio"] = MediaRef(path=str(path))
    return Media(video=refs.get("video"), audio=refs.get("audio"))


def check_text(texts: list[str], settings: Settings) -> None:
    """Refuse texts that are too long.

    Raises:
        RefusedError: One is.
    """
    if any(len(text) > settings.max_text_chars for text in texts):
        raise RefusedError(400, "too_long_text", f"a text has more than {settings.max_text_chars} characters")


def readable(error: ValidationError) -> str:
    """Return what pydantic found, without the values: they may be a clip."""
    found = (f"{'.'.join(map(str, problem['loc'])) or 'the request'}: {problem['msg']}" for problem in error.errors())
    return "; ".join(found)
