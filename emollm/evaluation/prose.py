"""Labels from free text, without a language model: the same text always gives the same labels.

    labels_in("He sounds angry, not sad.")          # ("angry",)
    read_prose(prediction, ("positive", "negative", "neutral"))

Words that the lexicon lists count where they are not negated. For a closed set the first word that means the same as one of its labels is
the answer; for sentiment the balance of valence is. Published scores let a language model read the text (AffectGPT,
https://arxiv.org/abs/2501.16566, appendix E), which gives other labels: the two are never put into one column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from emollm.emotions.lexicon import concepts, read_word, valence
from emollm.records import PredictedLabel, Prediction

LEXICON = "lexicon"
SENTIMENT = frozenset({"positive", "negative", "neutral"})
_TOKEN = re.compile(r"[A-Za-z]+(?:['\u2019-][A-Za-z]+)*|[,;.!?\n]")
_NEGATIONS = frozenset(
    {"not", "no", "never", "neither", "nor", "without", "hardly", "isn't", "doesn't", "don't", "lacks"}
)
_REACH, _LONGEST = 3, 3
_NEUTRAL = "neutral"


def labels_in(text: str) -> tuple[str, ...]:
    """Return the emotion words of an English text in their order, each once; negated ones are left out."""
    tokens = [token.lower().replace("\u2019", "'") for token in _TOKEN.findall(text)]
    found: list[str] = []
    at = 0
    while at < len(tokens):
        size = next((n for n in range(_LONGEST, 0, -1) if " ".join(tokens[at : at + n]) in _listed()), 0)
        if size and not _negated(tokens, at):
            found.append(" ".join(tokens[at : at + size]))
        at += max(size, 1)
    return tuple(dict.fromkeys(found))


def sentiment_of(labels: Sequence[str]) -> str:
    """Return `positive`, `negative` or `neutral` by the balance of the labels' valence."""
    total = sum(valence(word.concept) for word in map(read_word, labels) if word.kind == "emotion")
    return "positive" if total > 0 else "negative" if total < 0 else _NEUTRAL


def read_prose(prediction: Prediction, space: Sequence[str]) -> Prediction:
    """Return the prediction with the labels that its text gives.

    Args:
        prediction: An answer in free text (`explanation`, else `raw`).
        space: Closed set of labels; empty: open vocabulary.
    """
    if prediction.status == "error":
        return prediction
    labels = labels_in(prediction.explanation or prediction.raw or "")
    if space and frozenset(space) <= SENTIMENT:
        labels = (sentiment_of(labels),) if labels else ()
    elif space:
        by_concept = {read_word(label).concept: label for label in reversed(space)}
        labels = tuple(by_concept[c] for label in labels if (c := read_word(label).concept) in by_concept)[:1]
    made = tuple(PredictedLabel(text=label) for label in labels)
    update = {"labels": made, "status": "ok" if made else "insufficient_evidence", "parse": "repaired"}
    return prediction.model_copy(update=update)


@cache
def _listed() -> frozenset[str]:
    """Return the words of the lexicon as they are listed: in running text, forms found by rule are too often other words (`made`)."""
    return frozenset(word for concept in concepts().values() for word in concept.words)


def _negated(tokens: Sequence[str], at: int) -> bool:
    """Tell whether one of the few words before negates; a comma or a full stop ends its reach."""
    for token in reversed(tokens[max(0, at - _REACH) : at]):
        if not token[0].isalpha():
            return False
        if token in _NEGATIONS:
            return True
    return False
