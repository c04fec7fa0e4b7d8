"""Clips of which something is taken away after they were decoded: stretches of sound, picture and words, all sound, all movement.

A clip is cut into `SLOTS` equal stretches of time. What is lost is a share of these: scattered or in one piece, in each modality on its own
or in all at the same time. Which ones follows from the clip's id, so that all models lose the same. Of the picture the frames in a lost
stretch become black, of the sound the samples become silence, of the transcript the words there are left out, as if words were spread
evenly over the clip; the turns of a dialogue before it stay.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emollm.engines import Engine, Request, Sampling
from emollm.engines.evidence import Evidence, gather
from emollm.errors import MediaError
from emollm.media.pictures import is_black
from emollm.records import Media, MediaRef, Prediction, Record

SLOTS = 20
Change = Callable[[Evidence], Evidence]
_WORD = re.compile(r"[\u3400-\u9fff]\s*|[^\s\u3400-\u9fff]+\s*")


@dataclass(frozen=True)
class Altered(Request):
    """A request whose clip is changed between decoder and model; `way` is the change's name."""

    way: str = ""
    change: Change | None = field(default=None, compare=False, repr=False)


class Altering:
    """An engine that is given clips as `Altered` requests change them.

    Args:
        engine: Who answers.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine, self.name = engine, engine.name

    @property
    def identity(self) -> dict[str, Any]:
        """What an answer depends on, besides the request and the sampling."""
        return self.engine.identity

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Prediction]:
        """Answer requests, in any order; clips are decoded and changed one by one."""
        return self.engine.generate(map(self._changed, requests), sampling)

    def stream(self, request: Request, sampling: Sampling) -> Iterator[str]:
        """Answer one request piece by piece."""
        return self.engine.stream(self._changed(request), sampling)

    def close(self) -> None:
        """Free what the engine holds."""
        self.engine.close()

    def _changed(self, request: Request) -> Request:
        settings = getattr(self.engine, "media", None)
        if not isinstance(request, Altered) or request.change is None or settings is None:
            return request
        evidence: Evidence | MediaError
        try:
            evidence = request.change(gather(request, settings))
        except MediaError as error:
            evidence = error
        # a changed clip is another clip: engines that remember what they read last must not take it for the whole one
        return replace(request, record=_renamed(request.record, request.way), evidence=evidence)


def lost(way: str, id_: str, modality: str, rate: float, whole: bool) -> np.ndarray:
    """Return which stretches of a clip are lost, bool (SLOTS,): a share `rate` of them, in one piece (`whole`) or scattered."""
    count = round(rate * SLOTS)
    chances = [chance(f"{way}|{id_}|{modality}|{slot}") for slot in range(SLOTS)]
    gone = np.zeros(SLOTS, bool)
    if whole:
        first = int(chances[0] * (SLOTS - count + 1))
        gone[first : first + count] = True
    else:
        gone[np.argsort(chances)[:count]] = True
    return gone


def without_words(record: Record, gone: np.ndarray) -> Record:
    """Return the record without the words of its transcript that lie in lost stretches."""

    def rest(text: str) -> str:
        words = _WORD.findall(text)
        return "".join(word for word, out in zip(words, gone[_slots(len(words))], strict=True) if not out).strip()

    lines = [
        line.model_copy(update={"text": rest(line.text)}) if line.kind in ("transcript", "asr") else line
        for line in record.text
    ]
    return record.model_copy(update={"text": tuple(lines)})


def without_stretches(evidence: Evidence, seen: np.ndarray, heard: np.ndarray) -> Evidence:
    """Return what is left when stretches of picture and sound are lost, bool (SLOTS,) each."""
    frames, audio = evidence.frames, evidence.audio
    if frames is not None:
        frames = np.where(seen[_slots(len(frames))][:, None, None, None], np.uint8(0), frames)
    if audio is not None:
        audio = np.where(heard[_slots(len(audio))], np.float32(0), audio)
    return _told(replace(evidence, frames=frames, audio=audio))


def muted(evidence: Evidence) -> Evidence:
    """Return the clip with silence for its sound."""
    return without_stretches(evidence, np.zeros(SLOTS, bool), np.ones(SLOTS, bool))


def frozen(evidence: Evidence) -> Evidence:
    """Return the clip with its middle picture for all its pictures."""
    frames = evidence.frames
    if frames is None or not len(frames):
        return evidence
    return replace(evidence, frames=np.repeat(frames[len(frames) // 2][None], len(frames), axis=0))


def _slots(count: int) -> np.ndarray:
    """Return the stretch in which each of `count` equally spaced things lies, int (count,)."""
    return ((np.arange(count) + 0.5) * SLOTS / max(count, 1)).astype(np.int64)


def _told(evidence: Evidence) -> Evidence:
    """Return the clip with the states that its picture and sound have now."""
    states = dict(evidence.seen.states)
    if evidence.frames is not None and states.get("video") == "present" and is_black(evidence.frames):
        states["video"] = "black"
    if evidence.audio is not None and states.get("audio") == "present" and not evidence.audio.any():
        states["audio"] = "silent"
    return replace(evidence, seen=evidence.seen.model_copy(update={"states": states}))


def _renamed(record: Record, way: str) -> Record:
    def other(ref: MediaRef | None) -> MediaRef | None:
        return ref and ref.model_copy(update={"path": f"{ref.path}#{way}"})

    media = Media(video=other(record.media.video), audio=other(record.media.audio), images=record.media.images)
    return record.model_copy(update={"media": media})


def chance(text: str) -> float:
    """Return a number in [0, 1) that follows from a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
