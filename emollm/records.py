"""Record and Prediction: what one clip is, and what was said about it. One JSON object a line (JSONL).

A *record* (`emollm.record/1`) describes a clip: its media, words, speaker, context and what is known as truth. A *prediction*
(`emollm.prediction/1`) is one answer of one model to one task about one record. Both are strict when written (unknown or mistyped
fields raise) and clear when read (`file:line: field: what was expected`).

Unknown is null, never a default. Times are seconds from the start of the media file unless `time.clock` says "source".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from emollm.errors import EmoError
from emollm.jsonl import Row, read_rows, write_rows

Modality = Literal["audio", "video", "text"]
Probability = Annotated[float, Field(ge=0, le=1)]
Second = Annotated[float, Field(ge=0)]


class Span(Row):
    """Base of everything that has a start and an end in seconds."""

    start_s: Second | None = None
    end_s: Second | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Span:
        if self.start_s is not None and self.end_s is not None and self.end_s < self.start_s:
            raise ValueError(f"end_s {self.end_s} lies before start_s {self.start_s}")
        return self


class MediaRef(Span):
    """A media file, or the part of it from `start_s` to `end_s`; `crop` is [x0, y0, x1, y1] in shares of the picture."""

    path: str = Field(min_length=1)
    has_audio: bool | None = None
    crop: tuple[Probability, Probability, Probability, Probability] | None = None


class Media(Row):
    """The files of a clip; each may be missing. When `audio` is null, the sound of `video` is the clip's sound."""

    video: MediaRef | None = None
    audio: MediaRef | None = None
    images: tuple[MediaRef, ...] = ()
    face: MediaRef | None = None


class Time(Span):
    """Where the clip lies in its source; `clock` tells whether times count from the clip's or the source's start."""

    clock: Literal["clip", "source"] = "clip"


class TextLine(Row):
    """One text of the clip."""

    text: str
    lang: str | None = None
    kind: Literal["transcript", "asr", "translation", "title"] = "transcript"
    source: str | None = None


class Speaker(Row):
    """Who speaks (or listens), as far as the source tells."""

    id: str | None = None
    role: Literal["speaker", "listener", "actor", "author"] | None = None
    gender: str | None = None
    age: float | None = None


class Turn(Span):
    """A turn of the dialogue around the clip. `emotion` is gold: no prompt shows it unless the task says `oracle_context`."""

    id: str | None = None
    speaker: str | None = None
    text: str
    emotion: str | None = None


class Cue(Span):
    """Something heard, seen or said that speaks for a label. `au`: FACS action unit; `supports`: the label it speaks for."""

    modality: Modality
    text: str = Field(min_length=1)
    au: str | None = None
    supports: str | None = None


class OpenLabel(Row):
    """A label in open vocabulary."""

    text: str = Field(min_length=1)
    lang: str | None = None


class ClassLabel(Row):
    """A class out of a named label space."""

    space: str
    name: str


class ClassLabels(Row):
    """Several classes out of a named label space."""

    space: str
    names: tuple[str, ...]


class Distribution(Row):
    """How raters (kind `votes`) or a model spread over labels; `modality` tells what they were given (`a`, `v`, `t`, `av`, `avt`, ...)."""

    space: str
    kind: str
    probs: dict[str, Probability]
    modality: str | None = None
    n: int | None = Field(default=None, ge=0)


class Vad(Row):
    """Valence, arousal and dominance on `scale`, with their spread over raters where it is known."""

    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    scale: tuple[float, float]
    sd: tuple[float, float, float] | None = None
    series: list[dict[str, float]] | None = None


class Sentiment(Row):
    """A polarity with its scale, as a whole and by modality."""

    value: float | None = None
    scale: tuple[float, float] | None = None
    name: str | None = None
    by_modality: dict[str, float | None] | None = None


class Description(Row):
    """A text about the clip: a description, or the reasoning for its labels."""

    text: str
    kind: str
    author: str
    lang: str | None = None


class Cause(Row):
    """Which utterance, and which words of it (`span`, half-open character range), brought the emotion about."""

    utterance: str | None = None
    span: tuple[int, int] | None = None
    text: str | None = None
    modality: Modality | None = None


class Salience(Row):
    """How much a label weighs in a blend."""

    label: str
    weight: Probability


class Preference(Row):
    """Which of two texts about the clip people prefer."""

    a: str
    b: str
    chosen: Literal["a", "b", "tie"]
    n_raters: int | None = None


class QA(Row):
    """A question about the clip and its answer; `choices` for multiple choice; `needs`: what must be seen or heard to answer."""

    question: str
    answer: str
    choices: tuple[str, ...] | None = None
    task: str | None = None
    needs: tuple[Modality, ...] = ()


class Targets(Row):
    """What is known as truth. Each field may be missing."""

    labels_ov: tuple[OpenLabel, ...] | None = None
    label: ClassLabel | None = None
    labels_multi: ClassLabels | None = None
    intended: tuple[Salience, ...] | None = None
    distribution: tuple[Distribution, ...] = ()
    raters: tuple[dict[str, Any], ...] | None = None
    vad: Vad | None = None
    sentiment: Sentiment | None = None
    description: tuple[Description, ...] = ()
    cues: tuple[Cue, ...] | None = None
    cause: tuple[Cause, ...] | None = None
    intent: str | None = None
    salience: tuple[Salience, ...] | None = None
    preference: Preference | None = None
    qa: tuple[QA, ...] | None = None


class Quality(Row):
    """Where the labels come from and what is wrong with the clip."""

    label_origin: Literal["human", "majority", "single", "pseudo", "model", "simulated"] | None = None
    n_raters: int | None = None
    agreement: float | None = None
    flags: tuple[str, ...] = ()


class License(Row):
    """What may be done with the clip."""

    name: str
    url: str | None = None
    redistributable: bool | None = None
    commercial: bool | None = None


class Consent(Row):
    """What the person in the clip agreed to."""

    scope: str
    expires: str | None = None


class RecordProvenance(Row):
    """Where the record comes from; `parents` are ids of the same clip in other data sets (leak checks intersect them)."""

    source: str | None = None
    reader: str | None = None
    row: int | None = None
    parents: tuple[str, ...] = ()
    generator_sha256: str | None = None


class Record(Row):
    """One clip (`emollm.record/1`). The only required field is `id`, unique as `dataset:split:native key`."""

    leaves_out_defaults: ClassVar[bool] = True

    schema_: Literal["emollm.record/1"] = Field(default="emollm.record/1", alias="schema")
    id: str = Field(min_length=1)
    dataset: str | None = None
    dataset_version: str | None = None
    subset: str | None = None
    split: str | None = None
    fold: int | None = None
    native_id: str | None = None
    subject_id: str | None = None
    media: Media = Media()
    root_id: str | None = None
    time: Time | None = None
    text: tuple[TextLine, ...] = ()
    speaker: Speaker | None = None
    context: tuple[Turn, ...] = ()
    targets: Targets = Targets()
    quality: Quality | None = None
    license: License | None = None
    consent: Consent | None = None
    provenance: RecordProvenance | None = None

    @property
    def transcript(self) -> TextLine | None:
        """The words spoken: the official transcript if there is one, else the recogniser's (`kind="asr"`)."""
        by_kind = {line.kind: line for line in reversed(self.text)}
        return by_kind.get("transcript") or by_kind.get("asr")


# ---------------------------------------------------------------- prediction


class PredictedLabel(Row):
    """A predicted label, with a score only where the engine has one."""

    text: str = Field(min_length=1)
    score: Probability | None = None


class PredictedDistribution(Row):
    """How the model itself spreads over answers: never a distribution of raters."""

    kind: Literal["samples", "choices"]
    probs: dict[str, Probability]
    unmasked_mass: Probability | None = None


State = Literal["present", "absent", "silent", "black", "no_face"]


class Seen(Row):
    """What the model was given: frames and seconds of sound, where the transcript came from, and each modality's state."""

    frames: int = Field(default=0, ge=0)
    audio_s: Second = 0.0
    transcript: Literal["given", "asr", "none"] = "none"
    states: dict[Literal["audio", "video"], State] = Field(default_factory=dict)
    flags: tuple[str, ...] = ()


class Failure(Row):
    """Why there is no answer: a stable code, what happened, and what to do."""

    code: str
    what: str
    fix: str | None = None


class Usage(Row):
    """Tokens that a model read, media included, and wrote."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Provenance(Row):
    """Which model, prompt and decoding made the answer."""

    model: str
    weights_sha256: str | None = None
    adapter: str | None = None
    engine: str
    prompt_sha256: str | None = None
    decode: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    emollm: str
    valid_for: str | None = None
    purpose: str | None = None


class Prediction(Row):
    """One answer (`emollm.prediction/1`): what a person *appears* to express, and by which cues. Errors are rows, never a class."""

    schema_: Literal["emollm.prediction/1"] = Field(default="emollm.prediction/1", alias="schema")
    id: str
    task: str
    status: Literal["ok", "insufficient_evidence", "error"]
    labels: tuple[PredictedLabel, ...] = ()
    explanation: str | None = None
    cues: tuple[Cue, ...] = ()
    confidence: Probability | None = None
    confidence_source: str | None = Field(default=None, pattern=r"^(verbalised|token|samples|calibrated:[^:]+:[^:]+)$")
    distribution: PredictedDistribution | None = None
    vad: Vad | None = None
    raw: str | None = None
    parse: Literal["ok", "repaired", "failed", "truncated"] | None = None
    error: Failure | None = None
    construct_: Literal["perceived_expression"] = Field(default="perceived_expression", alias="construct")
    seen: Seen = Seen()
    key: str | None = None
    provenance: Provenance
    usage: Usage | None = Field(default=None, exclude=True)  # for who asks in this process; not written

    @model_validator(mode="after")
    def _consistent(self) -> Prediction:
        if (self.status == "error") != (self.error is not None):
            raise ValueError("status 'error' and the field `error` go together")
        if (self.confidence is None) != (self.confidence_source is None):
            raise ValueError("confidence and confidence_source go together: a number needs its source")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of this prediction."""
        return self.model_dump(mode="json", by_alias=True)


def read_records(path: Path | str) -> Iterator[Record]:
    """Read records; relative media paths are taken from the folder of the records file. Duplicate ids raise.

    Raises:
        EmoError: See `read_rows`; also when an id occurs twice.
    """
    folder = Path(path).parent
    seen: set[str] = set()
    for record in read_rows(path, Record):
        if record.id in seen:
            raise EmoError(f"id {record.id!r} occurs twice", str(path), "ids are unique in a records file")
        seen.add(record.id)
        yield resolve(record, folder)


def write_records(path: Path | str, records: Iterable[Record]) -> int:
    """Write records (see `write_rows`)."""
    return write_rows(path, records)


def resolve(record: Record, folder: Path) -> Record:
    """Return the record with its relative media paths joined to `folder`."""

    def whole(ref: MediaRef | None) -> MediaRef | None:
        return ref and ref.model_copy(update={"path": str(folder / ref.path)})

    media = record.media
    update: dict[str, Any] = {"video": whole(media.video), "audio": whole(media.audio), "face": whole(media.face)}
    update["images"] = tuple(map(whole, media.images))
    return record.model_copy(update={"media": media.model_copy(update=update)})
