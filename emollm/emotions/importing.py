"""Compile a user's copy of the field's emotion_wheel folder (five wheels, synonyms, word forms) into static dictionaries.

The folder belongs to the code of MER2025, MER2026 and AffectGPT (https://github.com/zeroQiaoba/MERTools). It has no clear licence, so it
does not ship with emollm: you import your own copy, and only the compiled dictionaries stay, in your cache. Read are `wheel1.xlsx` ...
`wheel5.xlsx`, `synonym.xlsx` and `format.csv`; pickled copies of the same (`.npz`) are never opened.

For a label x, with B(x) the base words that list x as a form, S(b) the wheel words that list b as a synonym, and min the alphabetically
first (OV-MER, https://arxiv.org/abs/2410.01495; AffectGPT, https://arxiv.org/abs/2501.16566):

    M1(x) = min B(x)        M2(x) = min S(M1(x))        W-L(x) = sector of the first word of S(B(x)) that is on wheel W
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from emollm.emotions.labels import reference_labels
from emollm.emotions.maps import Maps, build, read_cached, save_maps
from emollm.errors import EmoError, collect
from emollm.xlsx import read_sheet

WHEELS = ("W1", "W2", "W3", "W4", "W5")
FILES = (*(f"wheel{number}.xlsx" for number in range(1, 6)), "synonym.xlsx", "format.csv")
# The hash of the compiled dictionaries tells which edition of the files they come from, however the files were saved.
KNOWN = {
    "42e018329018e62f6b53ed63305d233326a14de6292c8603ff06f9a1d7030b7f": "mer2025",
    "c99b786138d74c0abfb059ea8a521295dc1b2c4199493301ba25f9e8104379ec": "mer2026",
}
Words = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Sources:
    """What the folder holds, before it is compiled.

    Attributes:
        wheels: Wheel -> word -> its groups at level 1 and 2.
        synonyms: Base -> wheel words that it stands for, sorted.
        bases: Form -> its bases, sorted.
    """

    wheels: Mapping[str, Mapping[str, Sequence[str]]]
    synonyms: Mapping[str, Sequence[str]]
    bases: Mapping[str, Sequence[str]]

    def meant(self, form: str) -> list[str]:
        """Return the wheel words that a form stands for through any of its bases, sorted."""
        return sorted({word for base in self.bases.get(form, ()) for word in self.synonyms.get(base, ())})

    def compile(self) -> Maps:
        """Return the static dictionaries: M1, M2, then level 1 and level 2 of each wheel."""
        tables: dict[str, Words] = {"M1": {}, "M2": {}}
        tables |= {f"{wheel}-L{level}": {} for wheel in self.wheels for level in (1, 2)}
        for form, own in self.bases.items():
            tables["M1"][form] = (own[0],)
            if self.synonyms.get(own[0]):
                tables["M2"][form] = (self.synonyms[own[0]][0],)
            meant = self.meant(form)
            for wheel, sectors in self.wheels.items():
                first = next((word for word in meant if word in sectors), None)
                if first is not None:
                    for level in (1, 2):
                        tables[f"{wheel}-L{level}"][form] = (sectors[first][level - 1],)
        maps = build("own-", tables, sorted(self.bases))
        return replace(maps, version=KNOWN.get(maps.sha256, maps.version))


def import_folder(folder: Path | str) -> Maps:
    """Compile a folder into the user's cache, and return its maps; see `read_folder`."""
    sources = read_folder(folder)
    maps = sources.compile()
    save_maps(maps, asdict(sources))
    return maps


def imported_sources(version: str) -> Sources:
    """Return what imported maps were compiled from.

    Raises:
        EmoError: There is no such version in the cache.
    """
    return Sources(**read_cached(version)["sources"])


def read_folder(folder: Path | str) -> Sources:
    """Read a copy of the emotion_wheel folder.

    Raises:
        EmoError: Files are missing or cannot be read, or lack their columns; all such problems at once.
    """
    folder = Path(folder)
    problems = [EmoError("no such file", str(folder / name)) for name in FILES if not (folder / name).is_file()]
    if error := collect(problems, f"{folder} is no emotion_wheel folder, {{n}} files are missing:"):
        raise error
    read: list[Any] = []
    for name, reader in zip(FILES, (_wheel,) * 5 + (_synonyms, _bases), strict=True):
        try:
            read.append(reader(folder / name))
        except EmoError as problem:
            problems.append(problem)
    if error := collect(problems, "{n} files of the emotion_wheel folder cannot be used:"):
        raise error
    return Sources(dict(zip(WHEELS, read[:5], strict=True)), read[5], read[6])


def _wheel(path: Path) -> dict[str, tuple[str, str]]:
    """Return word -> (level 1, level 2). An empty cell repeats the one above; a word in two sectors belongs to the last."""
    sectors: dict[str, tuple[str, str]] = {}
    first: dict[str, str] = {}  # level 1 -> its alphabetically first level 2
    above = ["", "", ""]
    for cells in _table(path, ("level1", "level2", "level3")):
        one, two, three = above = [cell or last for cell, last in zip(cells, above, strict=True)]
        first[one] = min(first.get(one, two), two)
        sectors[two] = sectors[three] = (one, two)
    return sectors | {one: (one, two) for one, two in first.items()}


def _synonyms(path: Path) -> Words:
    """Return base -> sorted wheel words. Each pair of columns is one run over all words: the word, then its synonyms."""
    runs = range(1, 9)
    columns = [f"{kind}_run{run}" for run in runs for kind in ("word", "synonym")]
    meant: dict[str, set[str]] = {}
    for cells in _table(path, columns):
        for word, others in zip(cells[::2], cells[1::2], strict=True):
            for base in [word, *reference_labels(others)] if word else []:
                meant.setdefault(base, set()).add(word)
    return {base: tuple(sorted(words)) for base, words in meant.items()}


def _bases(path: Path) -> Words:
    """Return form -> sorted bases; a base is a form of itself."""
    bases: dict[str, set[str]] = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        table = csv.DictReader(lines)
        if not {"name", "format"} <= set(table.fieldnames or ()):
            raise EmoError("columns name and format are missing", str(path), "import an unchanged copy of the folder")
        try:
            for row in table:
                for form in [row["name"], *reference_labels(row["format"])]:
                    bases.setdefault(form.strip(), set()).add(row["name"].strip())
        except (UnicodeError, csv.Error, AttributeError) as error:
            raise EmoError(f"no CSV table in UTF-8 ({error})", str(path), "import an unchanged copy") from None
    return {form: tuple(sorted(names)) for form, names in bases.items()}


def _table(path: Path, columns: tuple[str, ...] | list[str]) -> Iterator[list[str]]:
    """Yield the rows of a sheet: the named columns, in lower case and stripped.

    Raises:
        EmoError: A column is missing, or there is no row.
    """
    header, *rows = read_sheet(path) or [[]]
    names = [name.strip() for name in header]
    missing = [column for column in columns if column not in names]
    if missing or not rows:
        what = f"columns {', '.join(missing)} are missing" if missing else "no rows"
        raise EmoError(what, str(path), "import an unchanged copy of the folder")
    places = [names.index(column) for column in columns]
    yield from ([row[place].lower().strip() for place in places] for row in rows)
