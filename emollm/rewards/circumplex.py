"""Where labels lie on the circumplex of valence and arousal (Russell 1980, https://doi.org/10.1037/h0077714): by sign only.

The lexicon has a sign of valence and of arousal for each concept (no rated norms); the point of a list is the mean of its words.
"""

from __future__ import annotations

from collections.abc import Sequence

from emollm.emotions.lexicon import concepts, read_word, split_labels


def signs(labels: Sequence[str]) -> list[tuple[int, int]]:
    """Return valence and arousal, each -1, 0 or 1, of the labels that the lexicon knows."""
    found = (read_word(label).concept for label in split_labels(labels))
    return [(concepts()[concept].valence, concepts()[concept].arousal) for concept in found if concept]


def point(labels: Sequence[str]) -> tuple[float, float] | None:
    """Return the mean valence and arousal of labels, each -1..1; None when the lexicon knows none of them."""
    known = signs(labels)
    if not known:
        return None
    return sum(v for v, _ in known) / len(known), sum(a for _, a in known) / len(known)
