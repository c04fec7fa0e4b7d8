"""Our own wheels: six ways in which the literature orders emotions, as text files with their sources in `emollm/emotions/wheels/`.

Words become bases (M1) and concepts (M2) by the lexicon; a wheel gathers concepts into groups (level 2) and sectors (level 1). Plutchik's
dyads belong to two sectors at once. The circumplex needs no file: its regions are the signs of valence and arousal, such as V-A+
(Russell 1980, A circumplex model of affect, Journal of Personality and Social Psychology 39(6), https://doi.org/10.1037/h0077714).

These maps read labels robustly (`emollm/emotions/lexicon.py`), so their scores stand in columns of their own, never beside published ones.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from emollm.emotions.lexicon import bases, concepts, data_lines, read_word, split_labels
from emollm.emotions.maps import OWN, Maps, build
from emollm.errors import EmoError, collect

EDITION = 1
FOLDER = Path(__file__).parent / "wheels"
NAMES = ("plutchik", "willcox", "shaver", "ekman", "goemotions")
_SIGN = {1: "+", 0: "0", -1: "-"}
Sectors = dict[str, tuple[tuple[str, ...], str]]


@cache
def own_maps() -> Maps:
    """Return the maps of our own wheels; their version is `emollm-<edition>`."""
    concept_of = bases()
    tables: dict[str, dict[str, tuple[str, ...]]] = {
        "M1": {base: (base,) for base in concept_of},
        "M2": {base: (concept,) for base, concept in concept_of.items()},
    }
    for name, sectors in {**{name: wheel(name) for name in NAMES}, "circumplex": _circumplex()}.items():
        placed = {base: sectors[concept] for base, concept in concept_of.items() if concept in sectors}
        tables[f"{name}-L1"] = {base: outer for base, (outer, _) in placed.items()}
        tables[f"{name}-L2"] = {base: (inner,) for base, (_, inner) in placed.items()}
    return build(f"{OWN}-{EDITION}", tables, sorted(concept_of), pieces=split_labels, key=_key)


def wheel(name: str) -> Sectors:
    """Return concept -> (sectors, group) of one of our wheels.

    Raises:
        EmoError: Lines of its file cannot be read, name no concept of the lexicon, or name one twice.
    """
    sectors: Sectors = {}
    problems = []
    for where, line in data_lines(FOLDER / f"{name}.txt"):
        head, colon, names = line.partition(":")
        sector, _, group = (part.strip() for part in head.partition(">"))
        if not (colon and sector):
            problems.append(EmoError("not `sector > group: concepts`", where))
        for concept in (part.strip() for part in names.split(",")):
            if concept not in concepts() or concept in sectors:
                what = "stands twice" if concept in sectors else "is no concept of the lexicon"
                problems.append(EmoError(f"{concept!r} {what}", where))
            sectors[concept] = (tuple(part.strip() for part in sector.split("+")), group or concept)
    if error := collect(problems, "{n} problems in the wheel:"):
        raise error
    return sectors


def _circumplex() -> Sectors:
    """Return the regions of the circumplex; the concept itself is the second level."""
    return {name: ((f"V{_SIGN[c.valence]}A{_SIGN[c.arousal]}",), name) for name, c in concepts().items()}


def _key(piece: str) -> str:
    """Return the base of a label, or the label itself when the lexicon does not have it."""
    return read_word(piece).base or piece.strip().lower()
