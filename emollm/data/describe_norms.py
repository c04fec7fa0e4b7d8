"""What is usual for a speaker, and how far from it a value must lie to be worth a word.

    norms = Norms.fit(rows)                      # rows: twice readable
    norms.degree("meld:Joey", "voice.f0_level", 7.1)   # -2, -1, 0, 1 or 2

A value is set against the speaker's mean and spread, that of a labelled vowel then against the vowel's (z-scores, as in VowelPrompt,
https://arxiv.org/abs/2602.06270), and takes the place that it has among all: the outermost tenth on either side is 2, the next fifth 1.
Speakers of fewer than five utterances, or who were not there when the norms were made, are set against everyone. The shares are ours.
"""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emollm.data.prosody import Prosody
from emollm.errors import EmoError
from emollm.paths import whole_file

SCHEMA = "emollm.norms/1"
SHARES = (0.1, 0.3, 0.7, 0.9)
FEWEST = 5  # utterances of a speaker, occurrences of a vowel
EVERYONE = ""


class Value(NamedTuple):
    """One measured value: whose, which (`voice.rate`, `vowel.energy`), of which vowel (empty: none)."""

    speaker: str
    name: str
    vowel: str
    value: float


@dataclass
class Moments:
    """Count, mean and sum of squared deviations, one value at a time (Welford 1962, https://doi.org/10.1080/00401706.1962.10490022)."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """Take in a value."""
        self.n += 1
        step = value - self.mean
        self.mean += step / self.n
        self.squares += step * (value - self.mean)

    def z(self, value: float) -> float:
        """Return how many standard deviations a value lies above the mean; 0 where nothing varies."""
        sd = math.sqrt(self.squares / self.n) if self.n else 0.0
        return (value - self.mean) / sd if sd > 1e-9 else 0.0


Tables = defaultdict[str, defaultdict[str, Moments]]


@dataclass
class Norms:
    """Moments of each speaker and vowel by name of the value, and the edges between degrees."""

    speakers: dict[str, dict[str, Moments]] = field(default_factory=dict)
    vowels: dict[str, dict[str, Moments]] = field(default_factory=dict)
    edges: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def fit(cls, read: Callable[[], Iterable[tuple[str, Prosody]]], base: Norms | None = None) -> Norms:
        """Learn what is usual.

        Args:
            read: Gives (speaker, measures) of every utterance; it is called up to three times.
            base: Norms of other records (of a training set, say), whose edges, vowels and speakers hold; new speakers are added.
        """
        norms = cls(_speakers(read()))
        if base is not None:
            return cls({**norms.speakers, **base.speakers}, base.vowels, base.edges)
        vowels: Tables = defaultdict(lambda: defaultdict(Moments))
        for speaker, prosody in read():
            for one in values_of(speaker, prosody):
                if one.vowel:
                    vowels[one.vowel][one.name].add(norms._against_speaker(one))
        norms.vowels = {name: dict(found) for name, found in vowels.items()}
        scores: defaultdict[str, array[float]] = defaultdict(lambda: array("f"))
        for speaker, prosody in read():
            for one in values_of(speaker, prosody):
                scores[one.name].append(norms.score(one))
        norms.edges = {name: np.quantile(np.asarray(found), SHARES).tolist() for name, found in scores.items()}
        return norms

    def degree(self, one: Value) -> int:
        """Return how unusual a value is: -2 markedly low, -1 low, 0 usual, 1 high, 2 markedly high."""
        if one.name not in self.edges:
            return 0
        score = self.score(one)
        below, above = self.edges[one.name][:2], self.edges[one.name][2:]
        return sum(score > edge for edge in above) - sum(score < edge for edge in below)

    def knows(self, speaker: str) -> bool:
        """Tell whether a speaker is set against their own clips."""
        return speaker != EVERYONE and speaker in self.speakers

    def _against_speaker(self, one: Value) -> float:
        own = self.speakers.get(one.speaker, {}).get(one.name)
        usual = self.speakers.get(EVERYONE, {}).get(one.name) if own is None or own.n < FEWEST else own
        return 0.0 if usual is None else usual.z(one.value)

    def score(self, one: Value) -> float:
        """Return how far a value lies from what is usual, in standard deviations."""
        score = self._against_speaker(one)
        kind = self.vowels.get(one.vowel, {}).get(one.name)
        return score if kind is None or kind.n < FEWEST else kind.z(score)

    def save(self, path: Path) -> None:
        """Write the norms as JSON, whole or not at all."""

        def plain(table: Mapping[str, Mapping[str, Moments]]) -> dict[str, Any]:
            return {key: {name: [m.n, m.mean, m.squares] for name, m in found.items()} for key, found in table.items()}

        data = {
            "schema": SCHEMA,
            "edges": self.edges,
            "speakers": plain(self.speakers),
            "vowels": plain(self.vowels),
        }
        with whole_file(path) as out:
            out.write(json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Norms:
        """Read what `save` wrote.

        Raises:
            EmoError: It is another file.
        """

        def moments(table: Mapping[str, Any]) -> dict[str, dict[str, Moments]]:
            return {key: {name: Moments(*m) for name, m in found.items()} for key, found in table.items()}

        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["schema"] != SCHEMA:
                raise ValueError(data["schema"])
            return cls(moments(data["speakers"]), moments(data["vowels"]), data["edges"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            fix = "give the .norms.json that `emollm data describe` wrote beside its records"
            raise EmoError(f"no norms ({error})", str(path), fix) from None


def values_of(speaker: str, prosody: Prosody) -> Iterator[Value]:
    """Yield all values of an utterance and of its vowels."""
    for name, value in prosody.values.items():
        yield Value(speaker, f"voice.{name}", "", value)
    for vowel in prosody.vowels:
        for name, value in vowel.values.items():
            yield Value(speaker, f"vowel.{name}", vowel.label, value)


def _speakers(rows: Iterable[tuple[str, Prosody]]) -> dict[str, dict[str, Moments]]:
    """Return the moments of everyone together, and of each speaker of enough utterances."""
    utterances: Counter[str] = Counter()
    tables: Tables = defaultdict(lambda: defaultdict(Moments))
    for speaker, prosody in rows:
        utterances[speaker] += 1
        for one in values_of(speaker, prosody):
            for whose in {speaker, EVERYONE}:
                tables[whose][one.name].add(one.value)
    return {whose: dict(found) for whose, found in tables.items() if whose == EVERYONE or utterances[whose] >= FEWEST}
