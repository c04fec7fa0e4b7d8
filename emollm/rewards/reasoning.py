"""Which labels a reasoning names: emotion words in running text, by the lexicon.

Words of cues that the answer names are left out, since "voice is tense" tells of the voice. A negated word is no label.
"""

from __future__ import annotations

import re
from functools import lru_cache

from emollm.emotions.lexicon import read_word
from emollm.rewards.rollout import Grade, Rollout

_SENTENCE = re.compile(r"[.,;:!?()\n]+")
_MOST_WORDS = 4
NOT_ASKED = Grade(None, "the task asks for no reasoning")


def reasoned_labels(rollout: Rollout) -> tuple[str, ...]:
    """Return the emotion words of a completion's reasoning, each once, in their order."""
    return labels_in(rollout.reasoning, tuple(cue.text for cue in rollout.answer.cues))


@lru_cache(maxsize=4096)
def labels_in(text: str, cues: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the emotion words of a text, longest first where they overlap, without those inside `cues`."""
    text = text.lower()
    for cue in sorted(cues, key=len, reverse=True):
        text = text.replace(cue.lower(), ",")
    found = []
    for sentence in _SENTENCE.split(text):
        words, place = sentence.split(), 0
        while place < len(words):
            for size in range(min(_MOST_WORDS, len(words) - place), 0, -1):
                word = read_word(" ".join(words[place : place + size]))
                if word.kind in ("emotion", "negated"):
                    found += [word.base] * (word.kind == "emotion")
                    break
            place += size
    return tuple(dict.fromkeys(found))
