"""Maps: which group each word belongs to, in several groupings at once (base word, synonym, sector of each wheel).

    maps = load_maps("mer2025")   # what `emollm wheels import DIR` compiled from the user's copy of the field's files
    maps = load_maps("emollm")    # our own wheels, which ship with the package

A score depends on its maps, so they have a version and a hash, and both stand in every result. Reference maps read label lists by the
rules of the published scores; our own read them robustly. The two are never mixed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from emollm.emotions.labels import Answer, reference_pieces
from emollm.errors import EmoError
from emollm.paths import cache_dir, whole_file

OWN = "emollm"
CELL_BITS = 64
IMPORT_FIX = "import your copy of the field's emotion_wheel folder: emollm wheels import DIR"


@dataclass(frozen=True)
class Grouping:
    """One way to sort words into groups, such as level 1 of a wheel; its name ends in `-L1` or `-L2` when it is a wheel's.

    Attributes:
        name: `M1` (base word), `M2` (synonym or concept), or `<wheel>-L<level>`.
        groups: Names of the groups.
        rows: Row of the word of each membership, (memberships,).
        members: Group of each membership, (memberships,); a word that is in no row is in no group.
    """

    name: str
    groups: tuple[str, ...]
    rows: np.ndarray
    members: np.ndarray

    def of(self, row: int) -> tuple[str, ...]:
        """Return the groups of the word in a row."""
        return tuple(self.groups[member] for member in self.members[self.rows == row])


@dataclass(frozen=True)
class Maps:
    """Words with their groups, and how a label list becomes such words."""

    version: str
    sha256: str
    words: Mapping[str, int]
    all_groupings: tuple[Grouping, ...]
    pieces: Callable[[Answer], Sequence[str]] = reference_pieces
    """Splits an answer; blanks may stand around the pieces and empty ones among them."""
    key: Callable[[str], str] = lambda piece: piece.lower().strip()
    """Turns a piece into the word it is looked up by."""

    @property
    def groupings(self) -> tuple[str, ...]:
        """Names of the groupings."""
        return tuple(grouping.name for grouping in self.all_groupings)

    def level(self, number: int) -> tuple[str, ...]:
        """Return the names of the groupings of a wheel level (1 or 2), in the order of the wheels."""
        return tuple(name for name in self.groupings if name.endswith(f"-L{number}"))

    def labels(self, answer: Answer) -> list[str]:
        """Return the labels of an answer as words to look up; words that the maps lack stay in."""
        return [word for piece in self.pieces(answer) if (word := self.key(piece))]

    def group(self, word: str, grouping: str) -> tuple[str, ...]:
        """Return the groups of a word in a grouping; empty when it has none."""
        row = self.words.get(self.key(word))
        return () if row is None else self.all_groupings[self.groupings.index(grouping)].of(row)

    def check(self, version: str | None, where: str) -> None:
        """Refuse labels that were made for other maps than these.

        Raises:
            EmoError: `version` is another one.
        """
        if version is not None and version != self.version:
            raise EmoError(f"made for wheels {version}, not {self.version}", where, f"score it with --wheels {version}")

    @cached_property
    def starts(self) -> np.ndarray:
        """First cell of each grouping in `bits`, (groupings + 1,); the last entry is the width."""
        cells = [-(-len(grouping.groups) // CELL_BITS) for grouping in self.all_groupings]
        return np.concatenate([[0], np.cumsum(cells)])

    @cached_property
    def bits(self) -> np.ndarray:
        """One bit a group, (words + 1, cells) of uint64; the last row is empty and stands for unknown words."""
        table = np.zeros((len(self.words) + 1, int(self.starts[-1])), dtype=np.uint64)
        for grouping, start in zip(self.all_groupings, self.starts, strict=False):
            cell, bit = np.divmod(grouping.members, CELL_BITS)
            np.bitwise_or.at(table, (grouping.rows, start + cell), np.left_shift(np.uint64(1), bit.astype(np.uint64)))
        return table

    @cached_property
    def level1(self) -> tuple[list[int], list[int]]:
        """Level 1 of all wheels as plain integers: one of bits for each word, and the mask of each wheel."""
        values, masks, shift = [0] * len(self.words), [], 0
        for grouping in self.all_groupings:
            if grouping.name.endswith("-L1"):
                for row, member in zip(grouping.rows.tolist(), grouping.members.tolist(), strict=True):
                    values[row] |= 1 << shift + member
                masks.append((1 << len(grouping.groups)) - 1 << shift)
                shift += len(grouping.groups)
        return values, masks


def build(
    version: str, tables: Mapping[str, Mapping[str, Sequence[str]]], words: Sequence[str], **reading: Any
) -> Maps:
    """Build maps from plain dictionaries.

    Args:
        version: Name of the version; a trailing `-` is completed with the first eight digits of the hash.
        tables: Grouping -> word -> its groups.
        words: All words, also those that no grouping knows.
        reading: `pieces` and `key` of `Maps`, where they are not the reference's.
    """
    text = json.dumps([sorted(words), tables], sort_keys=True, ensure_ascii=False)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    number = {word: row for row, word in enumerate(words)}
    groupings = []
    for name, table in tables.items():
        groups = tuple(dict.fromkeys(group for members in table.values() for group in members))
        index = {group: i for i, group in enumerate(groups)}
        pairs = [(number[word], index[group]) for word, members in table.items() for group in members]
        rows, members = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        groupings.append(Grouping(name, groups, rows, members))
    return Maps(version + sha256[:8] * version.endswith("-"), sha256, number, tuple(groupings), **reading)


def save_maps(maps: Maps, sources: Mapping[str, Any]) -> Path:
    """Write maps into the user's cache, whole or not at all; returns the file.

    Args:
        maps: Maps that read answers by the reference's rules.
        sources: What they were compiled from, as JSON holds it: how each word came to its groups.
    """
    data = {
        "version": maps.version,
        "sha256": maps.sha256,
        "words": list(maps.words),
        "groupings": [[g.name, g.groups, g.rows.tolist(), g.members.tolist()] for g in maps.all_groupings],
        "sources": sources,
    }
    folder = cache_dir() / "wheels"
    folder.mkdir(mode=0o700, exist_ok=True)
    with whole_file(_file(maps.version)) as out:
        json.dump(data, out, ensure_ascii=False, separators=(",", ":"))
    load_maps.cache_clear()
    return _file(maps.version)


@lru_cache(maxsize=8)
def load_maps(version: str = OWN) -> Maps:
    """Return maps by the name of their version: `emollm`, or one of the imported ones (`maps_names`).

    Raises:
        EmoError: There are none of this name, or the file in the cache is damaged.
    """
    if version == OWN or version.startswith(f"{OWN}-"):
        from emollm.emotions.own import own_maps

        maps = own_maps()
        maps.check(None if version == OWN else version, "wheels")
        return maps
    data = read_cached(version)
    groupings = tuple(
        Grouping(name, tuple(groups), np.array(rows, dtype=np.int64), np.array(members, dtype=np.int64))
        for name, groups, rows, members in data["groupings"]
    )
    words = {word: row for row, word in enumerate(data["words"])}
    return Maps(data["version"], data["sha256"], words, groupings)


def read_cached(version: str) -> dict[str, Any]:
    """Return what `save_maps` wrote.

    Raises:
        EmoError: There is no such version in the cache, or its file is damaged.
    """
    names = maps_names()
    if version not in names:
        raise EmoError(f"no wheels of version {version!r}; there are {', '.join(names)}", "wheels", IMPORT_FIX)
    try:
        return json.loads(_file(version).read_text(encoding="utf-8"))
    except ValueError:
        raise EmoError("damaged", str(_file(version)), IMPORT_FIX) from None


def maps_names() -> list[str]:
    """Return the versions that `load_maps` knows: ours, then the imported ones."""
    return [OWN, *sorted(path.stem for path in (cache_dir() / "wheels").glob("[!.]*.json"))]


def _file(version: str) -> Path:
    return cache_dir() / "wheels" / f"{version}.json"
