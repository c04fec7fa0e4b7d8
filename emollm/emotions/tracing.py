"""How a word comes to its sectors, and which words leave their own: what `emollm wheels show` and `emollm wheels lint` print."""

from __future__ import annotations

from dataclasses import dataclass

from emollm.emotions.importing import Sources, imported_sources
from emollm.emotions.lexicon import ambiguous_stems, concepts, read_word
from emollm.emotions.maps import OWN, load_maps
from emollm.emotions.own import NAMES, wheel


@dataclass(frozen=True)
class Leaver:
    """A word of a wheel that the maps put elsewhere than the wheel itself does; `there` is empty when they put it nowhere."""

    wheel: str
    level: int
    word: str
    own: str
    there: str


def trace(word: str, version: str = OWN) -> list[str]:
    """Return the lines that show a word's way: form, base, synonyms (or concept), then its sector on each wheel.

    Raises:
        EmoError: There are no wheels of this version.
    """
    maps = load_maps(version)
    form = maps.key(word)
    lines = [f"{form} ({maps.version})"]
    sources = None
    if maps.version.startswith(f"{OWN}-"):
        read = read_word(word)
        lines.append(f"  {read.kind}" + (f": base {read.base}, concept {read.concept}" if read.base else ""))
    else:
        sources = imported_sources(version)
        bases = sources.bases.get(form, ())
        lines.append(f"  bases: {', '.join(bases) or 'none, so the word counts nowhere'}")
        lines += [f"  synonyms of {base}: {', '.join(sources.synonyms.get(base, ())) or 'none'}" for base in bases]
    for outer, inner in zip(maps.level(1), maps.level(2), strict=True):
        name = outer.removesuffix("-L1")
        sectors, groups = (" + ".join(maps.group(word, grouping)) for grouping in (outer, inner))
        through = "" if sources is None else f" (through {_first(sources, form, name)})"
        lines.append(f"  {name}: {sectors} > {groups}{through}" if sectors else f"  {name}: -")
    return lines


def leavers(version: str) -> list[Leaver]:
    """Return the words of imported wheels that the maps put into another group than their own, by wheel and level.

    Raises:
        EmoError: There are no imported wheels of this version.
    """
    maps, sources = load_maps(version), imported_sources(version)
    found = []
    for name, sectors in sources.wheels.items():
        for level in (1, 2):
            for word, groups in sectors.items():
                there = "".join(maps.group(word, f"{name}-L{level}"))
                if there != groups[level - 1]:
                    found.append(Leaver(name, level, word, groups[level - 1], there))
    return found


def unplaced() -> dict[str, list[str]]:
    """Return what our own wheels leave open: concepts that are on no wheel but the circumplex, and stems of two concepts."""
    placed = {concept for name in NAMES for concept in wheel(name)}
    return {"on the circumplex only": sorted(set(concepts()) - placed), "stems of two concepts": ambiguous_stems()}


def _first(sources: Sources, form: str, wheel_name: str) -> str:
    """Return the word that decides: the alphabetically first one that the form stands for and the wheel has."""
    return next((word for word in sources.meant(form) if word in sources.wheels[wheel_name]), "")
