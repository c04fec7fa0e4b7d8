"""Words and word sequences that two texts have in common: BLEU of a sentence, and ROUGE-L.

- `sentence_bleu` (Papineni et al. 2002, https://aclanthology.org/P02-1040): geometric mean of the precisions of 1 to 4 words in a row,
  times the brevity penalty; words are split at spaces, nothing is smoothed, so that a text which shares no four words in a row has 0.
- `rouge_l` (Lin 2004, https://aclanthology.org/W04-1013): F1 over the longest common subsequence of words, in lower case and without
  punctuation, not stemmed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from emollm.metrics.aligned import share

LONGEST = 4
_WORD = re.compile(r"\w+")


def sentence_bleu(reference: str, text: str) -> float:
    """Return BLEU-4 of a text against one reference, 0..1."""
    true, named = reference.split(), text.split()
    logs = 0.0
    for length in range(1, LONGEST + 1):
        ours, theirs = (_rows(words, length) for words in (named, true))
        right = (ours & theirs).total()
        if not right:
            return 0.0
        logs += math.log(right / ours.total()) / LONGEST
    return math.exp(logs + min(0.0, 1 - len(true) / len(named)))


def rouge_l(reference: str, text: str) -> float:
    """Return the F1 of ROUGE-L of a text against one reference, 0..1."""
    true, named = (_WORD.findall(one.lower()) for one in (reference, text))
    return float(share(2 * _common(true, named), len(true) + len(named), 0.0))


def _rows(words: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + length]) for at in range(len(words) - length + 1))


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    best = [0] * (len(second) + 1)
    for one in first:
        before = 0  # best of the row above, one column to the left
        for at, other in enumerate(second, 1):
            before, best[at] = best[at], before + 1 if one == other else max(best[at], best[at - 1])
    return best[-1]
