"""Vowels that an aligner found: TextGrid (Praat, Montreal Forced Aligner) and CTM files of phones.

    read_vowels(Path("aligned/clip_1.TextGrid"))    # [Interval("AH1", 0.42, 0.51), ...]

Of a TextGrid the tier named `vowels` is taken as it stands, else the one named `phones` (or `... - phones`, as aligners write for each
speaker), of which the vowels are kept; of a CTM (`name channel start duration phone`) the vowels of the file's own name. Phones are
ARPAbet or IPA. Does not: align; read a tier of words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from emollm.data.prosody import Interval
from emollm.errors import EmoError

SUFFIXES = (".TextGrid", ".ctm")
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(?<![\w.\[-])(-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)(?![\w.\]])')
_ARPABET = re.compile(r"(?:AA|AE|AH|AO|AW|AX|AY|EH|ER|EY|IH|IX|IY|OW|OY|UH|UW|UX)[0-2]?", re.IGNORECASE)
_IPA = frozenset("aeiouyɑɐɒæɛɜəɚɝɪɨɔøœɵɞɘʊʉʌɯɤɶ")  # noqa: RUF001
_FIX = "export the phones as TextGrid (text format) or CTM"


def read_vowels(path: Path) -> list[Interval]:
    """Return the vowels of an alignment, in order.

    Raises:
        EmoError: The file cannot be read, holds no phones, or a vowel ends before it starts.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EmoError(f"cannot be read ({error})", str(path), _FIX) from None
    try:
        found = list(_ctm(text, path.stem) if path.suffix == ".ctm" else _textgrid(text))
    except (ValueError, IndexError):
        raise EmoError("no alignment of phones", str(path), _FIX) from None
    wrong = next((one for one in found if not 0 <= one.start_s < one.end_s), None)
    if wrong is not None:
        raise EmoError(f"{wrong.label!r} lasts from {wrong.start_s} to {wrong.end_s} s", str(path), _FIX)
    return sorted(found, key=lambda one: one.start_s)


def is_vowel(phone: str) -> bool:
    """Tell whether a phone is a vowel, by ARPAbet or IPA."""
    if _ARPABET.fullmatch(phone):
        return True
    return bool(phone) and phone[0] in _IPA


def _ctm(text: str, name: str) -> Iterator[Interval]:
    for line in text.splitlines():
        cells = line.split()
        if cells and not line.startswith(";;") and cells[0] == name and is_vowel(cells[4]):
            yield Interval(cells[4], float(cells[2]), float(cells[2]) + float(cells[3]))


def _textgrid(text: str) -> Iterator[Interval]:
    """Yield the vowels of the tier that has them; the long and the short text format hold the same values in the same order."""
    values = [number or word.replace('""', '"') for word, number in _TOKEN.findall(text)]
    tiers = dict(_tiers(values))
    for name, intervals in tiers.items():
        if name.lower() == "vowels":
            yield from (one for one in intervals if one.label)
            return
    phones = [intervals for name, intervals in tiers.items() if name.lower().endswith(("phones", "phone"))]
    if not phones:
        raise ValueError("no tier of phones")
    yield from (one for tier in phones for one in tier if is_vowel(one.label))


def _tiers(values: Sequence[str]) -> Iterator[tuple[str, list[Interval]]]:
    """Yield the tiers of intervals by name: class, name, start, end, count, then start, end and text of each interval."""
    at = values.index("IntervalTier")
    while at < len(values):
        kind, name, count = values[at], values[at + 1], int(values[at + 4])
        width = 3 if kind == "IntervalTier" else 2
        rows = [values[at + 5 + width * i : at + 5 + width * (i + 1)] for i in range(count)]
        if kind == "IntervalTier":
            yield name, [Interval(label.strip(), float(start), float(end)) for start, end, label in rows]
        at += 5 + width * count
