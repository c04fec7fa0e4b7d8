"""Votes of several models for labels: which ones enough of them agree on, and how they spread.

    agreed([("angry", "tense"), ("irate",), ("mad", "sad")], 0.6)    # {"angry": 1.0}

Words count as one when our wheels know them as words of one meaning (`M2`); the word that most voters wrote stands for all. This is the
idea of the filter behind MER-Caption (Lian et al. 2025, https://arxiv.org/abs/2501.16566), with an explicit share in place of its steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from emollm.emotions.maps import Maps, load_maps
from emollm.records import Distribution

KIND = "model_votes"  # never `votes`: those are people's


def tally(votes: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return how many voters named each label, words of one meaning taken together; most named first."""
    maps = load_maps()
    voters: Counter[str] = Counter()
    words: dict[str, Counter[str]] = {}
    for vote in votes:
        named = {_meaning(maps, label): label.strip() for label in reversed(vote) if label.strip()}
        voters.update(named.keys())
        for meaning, word in named.items():
            words.setdefault(meaning, Counter())[word] += 1
    return {words[meaning].most_common(1)[0][0]: n for meaning, n in voters.most_common()}


def agreed(votes: Sequence[Sequence[str]], share: float) -> dict[str, float]:
    """Return the labels that at least this share of the voters named, with the share that did.

    Args:
        votes: The labels of each voter; one who did not answer named none.
        share: 0 keeps every label.
    """
    return {label: n / len(votes) for label, n in tally(votes).items() if n / len(votes) >= share}


def distribution(votes: Sequence[Sequence[str]], space: str) -> Distribution | None:
    """Return the votes as a soft label, or None where no voter named any.

    Args:
        votes: The labels of each voter.
        space: Name of the label space.
    """
    counts = tally(votes)
    total = sum(counts.values())
    if not total:
        return None
    return Distribution(space=space, kind=KIND, probs={label: n / total for label, n in counts.items()}, n=len(votes))


def _meaning(maps: Maps, label: str) -> str:
    """Return what tells a label from labels of other meaning."""
    word = maps.key(label)
    return (maps.group(word, "M2") or (word,))[0]
