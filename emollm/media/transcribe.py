"""What is said in a clip, by a speech recogniser: only where somebody speaks, since recognisers invent words for silence.

    recogniser = Whisper("openai/whisper-small")
    line = transcribe(clip.audio, clip.sample_rate_hz, recogniser)   # TextLine(kind="asr"), or None where nobody speaks

A recogniser is anything with a `name` that is called with a waveform and its rate and returns `Heard`. Ours is Whisper on
transformers. Paper: Radford et al. 2022, https://arxiv.org/abs/2212.04356. Does not: tell speakers apart, or time words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emollm.errors import ConfigError
from emollm.media.speech import find_speech
from emollm.records import Record, TextLine

LONGEST_S = 30.0  # what Whisper hears at once


@dataclass(frozen=True)
class Heard:
    """Words, and their language where the recogniser tells it."""

    text: str
    lang: str | None = None


class Recogniser(Protocol):
    """Turns a waveform (samples,) into words; `name` says which it is."""

    name: str

    def __call__(self, samples: NDArray[np.float32], sample_rate_hz: int) -> Heard:
        """Return what is said."""
        ...


def transcribe(samples: NDArray[np.float32], sample_rate_hz: int, recogniser: Recogniser) -> TextLine | None:
    """Return what is said in a waveform, or None where nobody speaks.

    Args:
        samples: Waveform (samples,), full scale at 1.
        sample_rate_hz: Of the waveform.
        recogniser: What listens; it is given at most 30 s at once.
    """
    pieces = stretches(find_speech(samples, sample_rate_hz))
    heard = [
        recogniser(samples[round(start_s * sample_rate_hz) : round(end_s * sample_rate_hz)], sample_rate_hz)
        for start_s, end_s in pieces
    ]
    text = " ".join(words for piece in heard if (words := piece.text.strip()))
    if not text:
        return None
    return TextLine(text=text, lang=heard[0].lang, kind="asr", source=recogniser.name)


def stretches(speech: list[tuple[float, float]], longest_s: float = LONGEST_S) -> Iterator[tuple[float, float]]:
    """Join stretches of speech, with the pauses between them, as long as they fit; cut what is longer itself.

    >>> list(stretches([(0, 10), (12, 25), (40, 105)]))
    [(0, 25), (40, 70.0), (70.0, 100.0), (100.0, 105)]
    """
    begin: float | None = None
    end = 0.0
    for start_s, end_s in speech:
        if begin is not None and end_s - begin > longest_s:
            yield begin, end
            begin = None
        begin, end = (start_s if begin is None else begin), end_s
        while end - begin > longest_s:
            yield begin, begin + longest_s
            begin += longest_s
    if begin is not None:
        yield begin, end


def with_words(record: Record, line: TextLine | None) -> Record:
    """Return a record with a recogniser's words (None: nobody speaks) in place of its own; its dialogue stays."""
    others = tuple(one for one in record.text if one.kind not in ("transcript", "asr"))
    return record.model_copy(update={"text": others if line is None else (line, *others)})


def without_words(record: Record) -> Record:
    """Return a record without words and dialogue."""
    return record.model_copy(update={"text": (), "context": ()})


def check_recogniser(model: str) -> None:
    """Refuse what is no Whisper checkpoint, by its configuration alone.

    Raises:
        ConfigError: It cannot be found, or is something else.
    """
    from transformers import AutoConfig

    fix = "give the folder or the hub name of a Whisper checkpoint, such as openai/whisper-small"
    try:
        kind = AutoConfig.from_pretrained(model).model_type
    except (OSError, ValueError) as error:
        raise ConfigError(f"no checkpoint ({str(error).splitlines()[0]})", f"media.recogniser {model!r}", fix) from None
    if kind != "whisper":
        raise ConfigError(f"this is {kind}, not Whisper", f"media.recogniser {model!r}", fix)


@cache
def whisper(model: str) -> Whisper:
    """Return the recogniser of this process."""
    return Whisper(model)


class Whisper:
    """Whisper on transformers.

    Args:
        model: Folder of a checkpoint, or its hub name.
    """

    def __init__(self, model: str) -> None:
        from transformers import WhisperForConditionalGeneration, WhisperProcessor

        self.name = f"whisper:{model}"
        self._processor = WhisperProcessor.from_pretrained(model)
        self._model = WhisperForConditionalGeneration.from_pretrained(model).eval()

    def __call__(self, samples: NDArray[np.float32], sample_rate_hz: int) -> Heard:
        """Return what is said in at most 30 s of sound at 16 kHz."""
        import torch

        inputs = self._processor(samples, sampling_rate=sample_rate_hz, return_tensors="pt")
        with torch.inference_mode():
            ids = self._model.generate(inputs.input_features, do_sample=False)  # (1, tokens)
        return Heard(self._processor.batch_decode(ids, skip_special_tokens=True)[0].strip())
