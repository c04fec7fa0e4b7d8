"""Measures on synthetic clips that need the known truth: normalised score, swapped media, cue F.

Pure functions over records, truths and predicted words; who made the predictions is not known here. The protocol is in
docs/synthetic.md, the driver in eval/synth.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emollm.metrics.bootstrap import Interval, clustered
from emollm.metrics.open_vocabulary import SetScores, groups, set_scores
from emollm.records import Cue, Record
from emollm.synth.vocabulary import families_by_word

Words = Sequence[Sequence[str]]
CueKey = tuple[str, str]
USUAL_CUES = 3


def gold_words(record: Record) -> tuple[str, ...]:
    """Return the gold labels of a record."""
    return tuple(label.text for label in record.targets.labels_ov or ())


def family_scores(gold: Words, predicted: Words) -> SetScores:
    """Score words on their families."""
    return set_scores(gold, predicted, families_by_word())


def family_interval(gold: Words, predicted: Words, speakers: Sequence[str], draws: int = 1000) -> Interval:
    """Return the family F with its 95 % interval over speakers."""
    families = families_by_word()
    pairs = [(groups(g, families), groups(p, families)) for g, p in zip(gold, predicted, strict=True)]
    counted = np.array([bool(g) for g, _ in pairs])
    precision = np.array([len(g & p) / len(p) if p else 0.0 for g, p in pairs])
    recall = np.array([len(g & p) / len(g) if g else 0.0 for g, p in pairs])

    def f(rows: np.ndarray) -> float:
        kept = rows[counted[rows]]
        p, r = precision[kept].mean(), recall[kept].mean()
        return float(2 * p * r / (p + r)) if p + r else 0.0

    return clustered(f, speakers, draws)


def normalised(f: float, constant_f: float, oracle_f: float) -> float:
    """Return (F - constant) / (oracle - constant): 0 is a constant answer, 1 the ideal observer."""
    return (f - constant_f) / (oracle_f - constant_f)


def swap_partners(records: Sequence[Record], truths: Sequence[Mapping[str, Any]], seed: int = 0) -> dict[int, int]:
    """Give each clip with sound and picture a donor of other gold families, each donor once: recipient -> donor.

    Clips for which no donor is left are not in the answer.
    """
    families = families_by_word()
    gold = [groups(gold_words(record), families) for record in records]
    rng = np.random.default_rng(seed)
    whole = [
        row
        for row, truth in enumerate(truths)
        if truth["audio_state"] == truth["video_state"] == "present" and gold[row]
    ]
    free = [int(row) for row in rng.permutation(whole)]
    partners = {}
    for recipient in whole:
        donor = next((row for row in free if not gold[row] & gold[recipient]), None)
        if donor is not None:
            free.remove(donor)
            partners[recipient] = donor
    return partners


def with_media_of(recipient: Record, donor: Record) -> Record:
    """Return the recipient's record with the donor's sound and picture; words and context stay."""
    return recipient.model_copy(update={"id": f"{recipient.id}<-{donor.id}", "media": donor.media})


def cue_keys(cues: Sequence[Cue], modality: str | None = None) -> frozenset[CueKey]:
    """Return cues as comparable keys (modality, text), of one modality if asked."""
    return frozenset(
        (cue.modality, cue.text.strip().lower()) for cue in cues if modality is None or cue.modality == modality
    )


def cue_f(true: Sequence[frozenset[CueKey]], named: Sequence[frozenset[CueKey]]) -> float:
    """Return F of named cues against all true cues, counted over all clips (micro): a true cue not named costs recall."""
    hits = sum(len(t & n) for t, n in zip(true, named, strict=True))
    total = sum(map(len, true)) + sum(map(len, named))
    return 2 * hits / total if total else 0.0


def usual_cues(train: Sequence[Record], count: int = USUAL_CUES) -> dict[str, tuple[CueKey, ...]]:
    """Return the commonest supporting cues of each family in training records: what a model could say without looking."""
    families = families_by_word()
    counts: dict[str, Counter[CueKey]] = {}
    for record in train:
        for family in groups(gold_words(record), families):
            counts.setdefault(family, Counter()).update(
                cue_keys([cue for cue in record.targets.cues or () if cue.supports is not None])
            )
    return {family: tuple(key for key, _ in counter.most_common(count)) for family, counter in counts.items()}


def usual_cue_answer(labels: Sequence[str], usual: Mapping[str, Sequence[CueKey]], count: int) -> frozenset[CueKey]:
    """Return the `count` usual cues of predicted labels, taken in turn from each label's list."""
    lists = [
        usual.get(family, ()) for family in dict.fromkeys(families_by_word().get(label, label) for label in labels)
    ]
    in_turn = [keys[i] for i in range(max(map(len, lists), default=0)) for keys in lists if i < len(keys)]
    return frozenset(dict.fromkeys(in_turn[:count]))
