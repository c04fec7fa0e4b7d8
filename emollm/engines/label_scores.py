"""How sure a model was of the labels it wrote, read from the probabilities of their tokens.

- A label's score is the geometric mean of the probabilities of the tokens that hold its characters (quotes and commas that share a token
  with them included).
- The answer's confidence is the mean probability of all these tokens.

Both are under the grammar's mask and are not calibrated: they compare answers of one model, and are no probability of being right. With
a closed set of labels, a label that is settled after its first letters has high scores on the rest of them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence

_LIST = re.compile(r'"labels"\s*:\s*\[')
_STRING = re.compile(r'\s*,?\s*("(?:[^"\\]|\\.)*")')


def label_scores(
    raw: str, ids: Sequence[int], probs: Sequence[float], decode: Callable[[Sequence[int]], str]
) -> tuple[dict[str, float], float | None]:
    """Return each label's score, and the confidence of the answer (None without labels).

    Args:
        raw: The answer.
        ids: Its tokens.
        probs: Probability of each token.
        decode: Turns tokens into text.
    """
    spans = _label_spans(raw)
    if not spans:
        return {}, None
    last = max(end for _, _, end in spans)
    ends = [0]  # where each token's text ends
    while ends[-1] < last and len(ends) <= len(ids):
        ends.append(len(decode(ids[: len(ends)])))
    scores: dict[str, float] = {}
    held: dict[int, float] = {}
    for label, start, end in spans:
        tokens = [i for i in range(len(ends) - 1) if ends[i] < end and ends[i + 1] > start]
        if tokens:
            mean_log = sum(math.log(max(probs[i], 1e-30)) for i in tokens) / len(tokens)
            scores.setdefault(label, math.exp(min(mean_log, 0.0)))
            held.update((i, probs[i]) for i in tokens)
    return scores, min(sum(held.values()) / len(held), 1.0) if held else None


def _label_spans(raw: str) -> list[tuple[str, int, int]]:
    """Return each label with the half-open range of its characters in the answer."""
    found = _LIST.search(raw)
    spans = []
    position = found.end() if found else len(raw)
    while match := _STRING.match(raw, position):
        spans.append((json.loads(match.group(1), strict=False).strip(), match.start(1) + 1, match.end(1) - 1))
        position = match.end()
    return spans
