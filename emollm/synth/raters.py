"""Ten simulated raters, who perceive only the media, and the gold that follows from their words.

A rater perceives one state, drawn from the tempered posterior given what the clip shows (people weigh evidence less sharply than an
ideal observer; Phillips & Edwards 1966 call it conservatism), with a few lapses. The rater writes a word for the primary family, and in
part of the cases one for the secondary. Raters know everyday display rules, whatever the speakers' population.
Gold: every family that at least 3 of 10 raters named, by its most voted word; where none reached 3, the most voted family alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emollm.synth.events import LEVEL, N_FAMILIES, N_STATES, PRIMARY, SECONDARY
from emollm.synth.language import emotion_word
from emollm.synth.vocabulary import FAMILIES, families_by_word, vad_centre

N_RATERS = 10
GOLD_VOTES = 3
CONSERVATISM = 0.60
LAPSE = 0.06
SECOND_WORD = 0.40
NEIGHBOUR_LEVEL = 0.15


@dataclass(frozen=True)
class Ballot:
    """What each rater wrote (one or two words), and valence, arousal and dominance of those words, (raters, 3)."""

    words: tuple[tuple[str, ...], ...]
    vad: np.ndarray


def _heard_level(level: int, rng: np.random.Generator) -> int:
    if rng.random() < NEIGHBOUR_LEVEL:
        return int(np.clip(level + rng.choice([-1, 1]), 1, 3))
    return level


def vote(perceived: np.ndarray, rng: np.random.Generator) -> Ballot:
    """Let ten raters write words, given P(state) as they perceive it, (states,)."""
    ballot, vads = [], []
    for state in rng.choice(N_STATES, size=N_RATERS, p=perceived):
        level = _heard_level(int(LEVEL[state]), rng)
        primary = FAMILIES[PRIMARY[state]]
        written = [emotion_word(primary, level, rng)]
        if SECONDARY[state] >= 0 and rng.random() < SECOND_WORD:
            written.append(emotion_word(FAMILIES[SECONDARY[state]], max(1, level - 1), rng))
        ballot.append(tuple(written))
        vads.append(vad_centre(primary, level))
    return Ballot(tuple(ballot), np.stack(vads))


def word_counts(ballot: Ballot) -> Counter[str]:
    """Return by how many raters each word was written."""
    return Counter(word for written in ballot.words for word in set(written))


def gold_labels(ballot: Ballot) -> tuple[str, ...]:
    """Return the gold words, most agreed family first (ties by alphabet)."""
    family_of = families_by_word()
    votes = Counter(family for written in ballot.words for family in {family_of[word] for word in written})
    counts = word_counts(ballot)
    ranked = sorted(votes, key=lambda family: (-votes[family], family))
    kept = [family for family in ranked if votes[family] >= GOLD_VOTES] or ranked[:1]
    return tuple(min((w for w in counts if family_of[w] == family), key=lambda w: (-counts[w], w)) for family in kept)


def draw_gold_sets(perceived: np.ndarray, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw gold family sets as 0/1 rows, (n_draws, families), without writing the words.

    Args:
        perceived: P(state) as raters perceive it, (n_draws or 1, states).
        n_draws: How many panels of ten raters to draw.
        rng: Source of random numbers.
    """
    cumulative = np.broadcast_to(np.cumsum(perceived, axis=1), (n_draws, N_STATES))
    offset = (
        cumulative + np.arange(n_draws)[:, None]
    )  # one increasing row after the other: a single searchsorted serves all
    draws = np.arange(n_draws)[:, None] + rng.random((n_draws, N_RATERS)) * cumulative[:, -1:]
    state = np.minimum(np.searchsorted(offset.ravel(), draws) - np.arange(n_draws)[:, None] * N_STATES, N_STATES - 1)
    second = (SECONDARY[state] >= 0) & (rng.random(state.shape) < SECOND_WORD)
    votes = np.zeros((n_draws, N_FAMILIES), dtype=int)
    row = np.broadcast_to(np.arange(n_draws)[:, None], state.shape)
    np.add.at(votes, (row, PRIMARY[state]), 1)
    np.add.at(votes, (row[second], SECONDARY[state][second]), 1)
    gold = votes >= GOLD_VOTES
    nobody = ~gold.any(axis=1)
    alphabetical = np.argsort(FAMILIES)
    best = alphabetical[votes[:, alphabetical].argmax(axis=1)]  # ties go to the first in the alphabet
    gold[nobody, best[nobody]] = True
    return gold


def vote_shares(ballot: Ballot) -> dict[str, float]:
    """Return the share of raters that wrote each word, sorted by share, then word."""
    counts = word_counts(ballot)
    return {word: counts[word] / N_RATERS for word in sorted(counts, key=lambda w: (-counts[w], w))}


def gold_families(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the families of gold words, in order."""
    return tuple(families_by_word()[label] for label in labels)
