"""How alike two statements are, without a language model: by words and emotions, or by a sentence encoder of the user's.

    similarity = alike(["He weeps."], ["He sheds tears.", "She sounds sad."])      # (1, 2), each 0..1

`alike` compares sets by Dice's coefficient: stems of words, those without a content left out; concepts of our lexicon (`indignant` and
`angry` are two words and one concept); and the sectors of these on a wheel of six (Shaver et al. 1987: emollm/emotions/wheels/shaver.txt).
Negated emotions do not count. The same texts always give the same numbers. `Encoder` is the cosine of mean sentence vectors, below 0 taken
as 0, as EmoCue-360 has it (https://arxiv.org/abs/2602.05496, with all-MiniLM-L6-v2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from emollm.emotions.lexicon import read_word, stem
from emollm.emotions.own import wheel
from emollm.errors import ConfigError
from emollm.evaluation.prose import labels_in

Similarity = Callable[[Sequence[str], Sequence[str]], np.ndarray]
"""Takes true and named statements; returns how alike each two are, 0..1, (true, named)."""

_SENTENCE = re.compile(r"(?<=[.!?;])\s+|(?<=[\u3002\uff01\uff1f\uff1b])|\n+")
_NUMBER = re.compile(r"^\s*(?:[-*•]|\(?\d+[.)])\s+", re.MULTILINE)
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+")
_EMPTY = re.compile(
    "an?|the|and|or|but|of|to|in|on|at|by|for|with|from|as|is|are|was|were|be|been|being|am|do|does|did|has|have|had|its?|this|that|these|"
    "those|s?he|they|him|hers?|them|his|their|there|who|which|what|when|while|so|very|also|some|can|may|might|will|would|could|should|"
    "appears?|seems?|shows?"
)
_BATCH = 32


def statements(text: str) -> list[str]:
    """Return the sentences of a text, list numbers left out."""
    return [clean for part in _SENTENCE.split(_NUMBER.sub("", text)) if (clean := part.strip())]


def alike(true: Sequence[str], named: Sequence[str]) -> np.ndarray:
    """Return how alike statements are by words and emotions, (true, named)."""
    ours, theirs = ([_features(text) for text in side] for side in (true, named))
    return np.array(
        [[2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0 for b in theirs] for a in ours], np.float64
    ).reshape(len(true), len(named))


class Encoder:
    """Compares statements by a sentence encoder: a folder or hub name that transformers can read; safetensors only.

    Args:
        name: Folder or hub name.

    Raises:
        ConfigError: There is no such encoder.
    """

    def __init__(self, name: str) -> None:
        from transformers import AutoModel, AutoTokenizer

        try:
            tokenizer, model = (
                AutoTokenizer.from_pretrained(name),
                AutoModel.from_pretrained(name, use_safetensors=True),
            )
        except (OSError, ValueError) as error:
            fix = "name the folder of a sentence encoder with safetensors"
            raise ConfigError(f"no sentence encoder ({error})", f"--embeddings {name}", fix) from None
        self._tokenizer: Any = tokenizer
        self._model: Any = model.eval()
        self.name = Path(name).name
        self._known: dict[str, np.ndarray] = {}

    @cached_property
    def facts(self) -> dict[str, str]:
        """Its name, and the hash of its weights as they were read."""
        import hashlib

        digest = hashlib.sha256()
        for key, value in sorted(self._model.state_dict().items()):
            digest.update(key.encode() + value.detach().float().numpy().tobytes())
        return {"name": self.name, "weights_sha256": digest.hexdigest()}

    def __call__(self, true: Sequence[str], named: Sequence[str]) -> np.ndarray:
        """Return the cosine of each two statements, at least 0, (true, named)."""
        if not true or not named:
            return np.zeros((len(true), len(named)))
        ours, theirs = self._vectors(true), self._vectors(named)  # (statements, width)
        return np.clip(ours @ theirs.T, 0.0, 1.0)

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return unit vectors, (texts, width); a text that comes again is not encoded again."""
        import torch

        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), _BATCH):
            some = new[start : start + _BATCH]
            read = self._tokenizer(some, padding=True, truncation=True, return_tensors="pt")
            with torch.no_grad():
                states = self._model(**read).last_hidden_state  # (texts, tokens, width)
            mask = read["attention_mask"][:, :, None].float()
            means = (states * mask).sum(1) / mask.sum(1)  # (texts, width)
            unit = torch.nn.functional.normalize(means, dim=1).numpy().astype(np.float64)
            self._known.update(zip(some, unit, strict=True))
        return np.stack([self._known[text] for text in texts])


encoder = cache(Encoder)
"""Opens an encoder once."""


def _features(text: str) -> frozenset[str]:
    """Return the stems of words that have a content, and the emotions that are named, as `*concept` and `**sector`."""
    words = {stem(word) for word in _WORD.findall(text.casefold()) if not _EMPTY.fullmatch(word)}
    named = {read_word(label).concept for label in labels_in(text)}
    sectors = {f"**{sector}" for concept in named for sector in _sectors().get(concept, ((), ""))[0]}
    return frozenset(words | {f"*{concept}" for concept in named} | sectors)


_sectors = cache(partial(wheel, "shaver"))
