"""One card a clip: what was said, what the answer claims with its cues and seconds, what is true, and what the model was given."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from emollm.gold import gold_cues, gold_labels
from emollm.records import Cue, Prediction, Record
from emollm.report.clip_line import time_line, timed
from emollm.report.clip_media import ClipMedia, Showing, look_into
from emollm.report.figures import Chart, Line
from emollm.report.wheel import families, small_wheel

Verdict = Literal["error", "unreadable", "no label", "wrong", "partly right", "right", "no truth"]
VERDICTS: Mapping[Verdict, str] = {
    "error": "no answer: an error",
    "unreadable": "an answer that cannot be read",
    "no label": "no label: insufficient evidence",
    "wrong": "another class, or no family in common with truth",
    "partly right": "some families in common with truth",
    "right": "the class, or the same families as truth",
    "no truth": "no truth to compare with",
}
FAILED: tuple[Verdict, ...] = ("error", "unreadable", "wrong", "no label")
_FRAMES = 8


@dataclass(frozen=True)
class Answered:
    """An answer with its record, where that is known; `closed`: its first label names one class out of a closed set."""

    prediction: Prediction
    record: Record | None
    closed: bool = False
    part: str = ""

    @property
    def said(self) -> tuple[str, ...]:
        """The answer's labels."""
        return tuple(label.text for label in self.prediction.labels)

    @property
    def truth(self) -> tuple[str, ...] | None:
        """The true labels, or None where they are not known."""
        if self.record is None:
            return None
        if self.closed and self.record.targets.label is not None:
            return (self.record.targets.label.name,)
        return gold_labels(self.record)

    @property
    def verdict(self) -> Verdict:
        """What the answer is worth; in a closed set only the class itself is right."""
        if self.prediction.error is not None:
            return "error"
        if self.prediction.parse == "failed":
            return "unreadable"
        if not self.said:
            return "right" if self.truth == () else "no label"
        if self.truth is None:
            return "no truth"
        if self.closed:
            return "right" if self.said[0].strip().lower() == self.truth[0].strip().lower() else "wrong"
        said, true = families(self.said), families(self.truth)
        return "right" if said == true else "partly right" if said & true else "wrong"


@dataclass(frozen=True)
class CueLine:
    """A cue of the answer in words; `link`: id of its bar on the time line."""

    number: int
    modality: str
    text: str
    seconds: str
    link: str | None


@dataclass(frozen=True)
class Card:
    """What is shown of one clip; `explanation` is in pieces, those that repeat a cue with its link."""

    anchor: str
    title: str
    part: str
    verdict: Verdict
    transcript: str
    heard: str
    context: tuple[tuple[str, str], ...]
    truth: tuple[str, ...] | None
    labels: tuple[tuple[str, str], ...]
    wheel: Markup
    explanation: tuple[tuple[str, str | None], ...]
    cues: tuple[CueLine, ...]
    line: Markup | None
    media: ClipMedia | None
    series: Chart | None
    facts: tuple[tuple[str, str], ...]
    error: str
    raw: str


def pick(clips: Sequence[Answered], most: int) -> tuple[list[Answered], list[Answered]]:
    """Return the failures that are shown, worst first, and other clips: half of `most` each, always the same ones."""

    def order(clip: Answered) -> tuple[int, float, bytes]:
        drawn = hashlib.sha256(clip.prediction.id.encode()).digest()
        return FAILED.index(clip.verdict), -(clip.prediction.confidence or 0.0), drawn

    failed = sorted((clip for clip in clips if clip.verdict in FAILED), key=order)
    others = [clip for clip in clips if clip.verdict not in FAILED]
    others.sort(key=lambda clip: hashlib.sha256(clip.prediction.id.encode()).digest())
    half = max(most // 2, most - len(others))
    return failed[:half], others[: most - min(half, len(failed))]


def card(clip: Answered, anchor: str, showing: Showing) -> Card:
    """Return the card of a clip.

    Args:
        clip: The answer.
        anchor: Its id in the page.
        showing: Which media may be shown.
    """
    prediction, record = clip.prediction, clip.record
    seen, media = prediction.seen, None
    if record is not None and showing.allows(record) and (record.media.video or record.media.audio):
        media = look_into(record, seen.frames if seen.states else _FRAMES, showing)
    truth = () if record is None else _from_start(gold_cues(record) or (), record)
    words = None if record is None else record.transcript
    line = time_line(anchor, prediction.cues, truth, media)
    cues = tuple(_cue(number, cue, anchor) for number, cue in enumerate(prediction.cues, 1))
    error = prediction.error
    return Card(
        anchor=anchor,
        title=prediction.id,
        part=clip.part,
        verdict=clip.verdict,
        transcript="" if words is None else words.text,
        heard="" if words is None or words.kind == "transcript" else "as a speech recogniser heard it",
        context=() if record is None else tuple((turn.speaker or "someone", turn.text) for turn in record.context),
        truth=clip.truth,
        labels=tuple((one.text, "" if one.score is None else f"{one.score:.2f}") for one in prediction.labels),
        wheel=small_wheel(clip.truth, clip.said),
        explanation=tuple(_linked(prediction.explanation or "", cues)),
        cues=cues,
        line=line,
        media=media,
        series=series(clip),
        facts=tuple(_facts(prediction)),
        error="" if error is None else f"{error.code}: {error.what}" + (f" ({error.fix})" if error.fix else ""),
        raw=(prediction.raw or "") if clip.verdict == "unreadable" or prediction.parse == "truncated" else "",
    )


def series(clip: Answered) -> Chart | None:
    """Return valence and arousal over the clip, where truth or answer has them."""
    sides = {"answer": clip.prediction.vad, "truth": clip.record.targets.vad if clip.record else None}
    lines, axis = [], "frame"
    for side, vad in sides.items():
        for name in ("valence", "arousal"):
            rows = [row for row in (vad.series if vad and vad.series else ()) if name in row]
            axis = next((key for row in rows for key in ("frame", "time_s") if key in row), axis)
            points = [(row[axis], row[name]) for row in rows if axis in row]
            lines += [Line(f"{name}, {side}", points)] if points else []
    if not lines:
        return None
    return Chart("Valence and arousal", "Valence and arousal over the clip.", axis, "", lines, height=170)


def _from_start(cues: Sequence[Cue], record: Record) -> list[Cue]:
    """Return true cues with times from the clip's start: in a record they count from that of the media file."""
    ref = record.media.video or record.media.audio
    start_s = 0.0 if ref is None else ref.start_s or 0.0
    moved = []
    for cue in cues:
        times = {"start_s": cue.start_s, "end_s": cue.end_s}
        late = {key: None if at is None else max(at - start_s, 0.0) for key, at in times.items()}
        moved.append(cue.model_copy(update=late))
    return moved


def _cue(number: int, cue: Cue, anchor: str) -> CueLine:
    seconds = f"{cue.start_s:.1f}-{cue.end_s:.1f} s" if timed(cue) else ""
    return CueLine(number, cue.modality, cue.text, seconds, f"{anchor}-{number}" if seconds else None)


def _linked(text: str, cues: Sequence[CueLine]) -> Iterator[tuple[str, str | None]]:
    """Yield an explanation in pieces: where it repeats a cue word for word, that piece leads to the cue's seconds."""
    links = {cue.text.lower(): cue.link for cue in reversed(cues) if cue.link}
    if not links or not text:
        yield text, None
        return
    known = "|".join(re.escape(one) for one in sorted(links, key=len, reverse=True))
    for place, piece in enumerate(re.split(f"({known})", text, flags=re.IGNORECASE)):
        if piece:
            yield piece, links.get(piece.lower()) if place % 2 else None


def _facts(prediction: Prediction) -> Iterator[tuple[str, str]]:
    """Yield what the model was given, how sure it says it is, and how its answer was read."""
    seen = prediction.seen
    given = [f"{seen.frames} pictures" if seen.frames else "", f"{seen.audio_s:.1f} s of sound" if seen.audio_s else ""]
    given += [f"transcript ({seen.transcript})" if seen.transcript != "none" else ""]
    given += [f"{name}: {state.replace('_', ' ')}" for name, state in seen.states.items() if state != "present"]
    yield "the model was given", ", ".join(filter(None, [*given, *seen.flags])) or "not told"
    if prediction.confidence is not None:
        yield "confidence", f"{prediction.confidence:.2f} ({prediction.confidence_source})"
    if prediction.parse not in (None, "ok"):
        yield "answer", str(prediction.parse)
    if prediction.provenance.valid_for:
        yield "valid for", f"{prediction.provenance.valid_for} clips only"
