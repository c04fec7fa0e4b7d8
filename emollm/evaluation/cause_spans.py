"""Words that brought an emotion about (SemEval-2024 task 3, subtask 1): what an answer quotes, placed in the turns of the dialogue.

An answer names an emotion and turns (causes.py); its text cues quote the words. A quote is looked for in the turns that are named, the
latest first; where none is named, in all. Spaces and case do not count, and punctuation at its ends is left out, as the task does of true
spans. A quote that stands in none of them is a span that is wrong; a turn without a quote is no span. The formulas are in
emollm/metrics/cause_spans.py. True words of a turn that is said later cannot be quoted and are missed.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence, Set
from itertools import accumulate
from typing import Any

from emollm.errors import EmoError
from emollm.evaluation.causes import NEUTRAL, told_causes
from emollm.evaluation.families import Metric, Prepared, clean
from emollm.metrics.cause_spans import Span, span_counts, span_scores
from emollm.records import Prediction, Record

_EDGES = string.punctuation + string.whitespace
_QUOTES = "\u201c\u201d\u2018\u2019"


def token_span(words: str, text: str) -> tuple[int, int] | None:
    """Return which tokens of a text some words are, half-open; the first place counts, None when there is none.

    >>> token_span("a drum!", "It is a drum , a drum !")
    (5, 8)
    """
    tokens, wanted = text.casefold().split(), "".join(words.casefold().split())
    starts = [0, *accumulate(map(len, tokens))]  # in the text without spaces
    whole = "".join(tokens)
    for first, at in enumerate(starts[:-1]):
        if wanted and whole.startswith(wanted, at) and at + len(wanted) in starts:
            return first, starts.index(at + len(wanted))
    return None


def _turns(record: Record) -> dict[str, str]:
    """Return the words of the turns that are shown, by their id, in order."""
    own = record.transcript
    return {turn.id or "": turn.text for turn in record.context} | {record.id: own.text if own else ""}


def _gold(record: Record) -> frozenset[Span] | None:
    if record.targets.label is None:
        return None
    emotion, turns = clean(record.targets.label.name), _turns(record)
    causes = [(one.utterance or "", words) for one in record.targets.cause or () if (words := _bare(one.text or ""))]
    return frozenset((record.id, turn, emotion, *_place(words, [turn], turns)[1]) for turn, words in causes)


def _named(prediction: Prediction, record: Record) -> frozenset[Span]:
    emotion, named = told_causes(prediction, record)
    if emotion == NEUTRAL:
        return frozenset()
    turns = _turns(record)
    quotes = [words for cue in prediction.cues if cue.modality == "text" and (words := _bare(cue.text, _QUOTES))]
    found = [_place(words, named or list(turns), turns) for words in quotes]
    return frozenset((record.id, turn, emotion, *span) for turn, span in found)


def _bare(text: str, more: str = "") -> str:
    return text.strip(_EDGES + more)


def _place(words: str, where: Sequence[str], turns: Mapping[str, str]) -> tuple[str, tuple[int, int]]:
    """Return the turn and the tokens that some words are; tokens before the first one where they stand in none."""
    for turn in reversed(where):
        if (span := token_span(words, turns.get(turn, ""))) is not None:
            return turn, span
    return "", (-len(words.split()), 0)


def _spans(gold: Sequence[Set[Span]], answers: Sequence[Set[Span]]) -> Prepared:
    if not any(gold):
        raise EmoError("no cause with its words", "targets.cause", "read subtask 1: emollm data prep ecf")
    counts = span_counts(gold, answers)
    nowhere = sum(not turn for spans in answers for _, turn, *_ in spans)
    details: dict[str, Any] = {"gold_spans": sum(map(len, gold)), "named_spans": sum(map(len, answers))}
    return Prepared(lambda rows: vars(span_scores(counts[rows])), details | {"quotes_that_stand_nowhere": nowhere})


CAUSE_SPANS = Metric(
    "words of causes: F1 of each emotion weighted by its spans, strict and by shared tokens (SemEval-2024 task 3, subtask 1)",
    "weighted_strict_f1",
    "targets.label (with targets.cause and its text)",
    _gold,
    _named,
    _spans,
)
