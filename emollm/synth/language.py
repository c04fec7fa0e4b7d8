"""What the speaker says, and the short dialogue before it.

A sentence is a frame around a clause. The clause tells a family of emotion, or none (see likelihood.py for the chances); frames belong
to one split each. Listener turns tell nothing about the speaker; the listener may feel otherwise about the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from emollm.synth.events import STATES, events, state_tables
from emollm.synth.vocabulary import FAMILIES, word_weights, words


@dataclass(frozen=True)
class Line:
    """One turn before the clip; `emotion` is a word, `tells_event` marks the cause utterance."""

    who: str  # "speaker" or "listener"
    text: str
    emotion: str | None = None
    tells_event: bool = False


@cache
def _stock() -> dict[str, Any]:
    return yaml.safe_load(Path(__file__).with_name("sentences.yaml").read_text(encoding="utf-8"))


def frames(split: str) -> tuple[str, ...]:
    """Return the sentence frames of a split."""
    return tuple(_stock()["frames"][split])


def clauses(evidence: str) -> tuple[str, ...]:
    """Return the clauses that speak for a family, or for none (`none`)."""
    return tuple(_stock()["topics"] if evidence == "none" else _stock()["clauses"][evidence])


def _framed(split: str, clause: str, rng: np.random.Generator) -> str:
    frame = frames(split)[rng.integers(len(frames(split)))]
    return frame.replace("{}", clause) + "."


def draw_sentence(split: str, evidence: str, rng: np.random.Generator) -> str:
    """Draw what the speaker says, given the family that the words speak for (or `none`)."""
    stock = clauses(evidence)
    return _framed(split, stock[rng.integers(len(stock))], rng)


def emotion_word(family: str, level: int, rng: np.random.Generator) -> str:
    """Draw a word of a family at a level, common words more often."""
    return words(family, level)[rng.choice(len(words(family, level)), p=word_weights(family, level))]


def _listener_emotion(event: int, rng: np.random.Generator) -> str:
    primary, _, level = STATES[rng.choice(len(STATES), p=state_tables()[1][event])]
    return emotion_word(FAMILIES[primary], int(level), rng)


def draw_dialogue(split: str, event: int, rng: np.random.Generator) -> tuple[Line, ...]:
    """Draw one to three turns before the clip; exactly one, the speaker's, tells the event."""
    n_turns = int(rng.integers(1, 4))
    cause = Line("speaker", _framed(split, events()[event].text, rng), tells_event=True)
    opener = _stock()["openers"][split]
    reaction = _stock()["reactions"][split]
    before = Line("listener", opener[rng.integers(len(opener))], _listener_emotion(event, rng))
    after = Line("listener", reaction[rng.integers(len(reaction))], _listener_emotion(event, rng))
    return ((cause,), (before, cause), (before, cause, after))[n_turns - 1]
