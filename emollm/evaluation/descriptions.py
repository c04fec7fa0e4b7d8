"""Descriptions against descriptions, without a language model: do they name the same emotions, and in the same words.

- `emotion_f`: emotion words of the two texts (prose.py), by concept of our lexicon; per clip precision and recall of the sets, F of their
  means over clips. Clips whose gold text names no emotion are left out of it, and counted.
- `word_f1`: words that the two have in common, as SQuAD counts them (Rajpurkar et al. 2016, https://arxiv.org/abs/1606.05250), mean over
  clips.

EMER (https://arxiv.org/abs/2306.15401) lets a language model rate both overlaps from 1 to 10, and its model and prompt belong to that
number. These two are the fixed yardstick beside such a rating; neither knows synonyms outside the lexicon.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from emollm.emotions.lexicon import read_word
from emollm.evaluation.families import Metric, Prepared
from emollm.evaluation.prose import labels_in
from emollm.metrics.aligned import mean
from emollm.records import Prediction, Record

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_ARTICLES = frozenset({"a", "an", "the"})


def told(record: Record) -> str | None:
    """Return the description: the English one if there are several."""
    texts = sorted(record.targets.description, key=lambda one: one.lang != "en")
    return texts[0].text if texts else None


def _written(prediction: Prediction, record: Record) -> str:
    return prediction.explanation or ""


def _scores(gold: Sequence[str], answers: Sequence[str]) -> Prepared:
    table = np.array([_pair(g, a) for g, a in zip(gold, answers, strict=True)], np.float64)  # (clips, 3)
    named = ~np.isnan(table[:, 0])

    def on(rows: np.ndarray) -> dict[str, float]:
        p, r = (mean(table[rows, column]) for column in (0, 1))
        f = 2 * p * r / (p + r) if p + r else 0.0
        return {"emotion_f": float(f), "emotion_p": p, "emotion_r": r, "word_f1": float(table[rows, 2].mean())}

    return Prepared(on, {"gold_names_an_emotion": int(named.sum())})


def _pair(gold: str, answer: str) -> tuple[float, float, float]:
    """Return precision and recall of the emotions (NaN where gold names none), and F1 of the words."""
    true, named = (frozenset(read_word(label).concept for label in labels_in(text)) for text in (gold, answer))
    both = len(true & named)
    p, r = (both / len(named) if named else 0.0, both / len(true)) if true else (np.nan, np.nan)
    one, two = (Counter(w for w in _WORD.findall(text.lower()) if w not in _ARTICLES) for text in (gold, answer))
    words = one.total() + two.total()
    return p, r, 2 * (one & two).total() / words if words else 0.0


DESCRIPTION = Metric(
    "description: emotions named, by concept; words in common (no language model)",
    "emotion_f",
    "targets.description",
    told,
    _written,
    _scores,
)
