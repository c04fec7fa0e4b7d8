"""Licences travel with a model: those of its data and of the weights that it started from stand in the `emollm.json` of its folder.

    {"valid_for": "synthetic", "licences": [{"of": "data", "name": "CC BY-NC 4.0", "commercial": false}, ...]}

A run writes them when it is done: of its records as these tell, and of each part that it started from what that part's own `emollm.json`
tells; a part without one is named, its licence "not told". Who knows better writes it into the file. `--commercial` asks there. What the
licence of data means for weights that were trained on it is for lawyers; this takes the strict view.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emollm.errors import ConfigError
from emollm.paths import TINY, whole_file

INFO_FILE = "emollm.json"
NOT_TOLD = "not told"
_FINAL = Path("checkpoints", "final")


@dataclass(frozen=True)
class Licence:
    """A licence.

    Attributes:
        of: What it is about: `data`, or the name of weights.
        name: Its name.
        commercial: Whether it allows commercial use; None: not told.
        redistributable: Whether it allows to pass the thing on; None: not told.
    """

    of: str
    name: str = NOT_TOLD
    commercial: bool | None = None
    redistributable: bool | None = None

    def __str__(self) -> str:
        limits = [] if self.commercial is not False else ["not for commercial use"]
        limits += [] if self.redistributable is not False else ["not to be passed on"]
        return ", ".join([self.name, *limits])


def of_records(path: Path | str) -> Counter[Licence]:
    """Return the licences that a file of records (or of pairs about records) names, with the number of rows of each."""
    counts: Counter[Licence] = Counter()
    with Path(path).open(encoding="utf-8-sig") as lines:
        for line in filter(str.strip, lines):
            row = json.loads(line)
            told = row.get("license") or row.get("record", {}).get("license") or {"name": NOT_TOLD}
            counts[Licence("data", str(told["name"]), told.get("commercial"), told.get("redistributable"))] += 1
    return counts


def of_model(folder: Path) -> tuple[Licence, ...]:
    """Return the licences that a model's folder names; none where it says nothing.

    Raises:
        ConfigError: Its `emollm.json` cannot be read.
    """
    file = folder / INFO_FILE
    if not file.is_file():
        return ()
    try:
        told = json.loads(file.read_text(encoding="utf-8")).get("licences", [])
        found = tuple(Licence(**one) for one in told)
    except (ValueError, AttributeError, TypeError) as error:
        fix = 'write {"licences": [{"of": ..., "name": ..., "commercial": true or false}]}'
        raise ConfigError(f"these licences cannot be read ({error})", str(file), fix) from None
    return found


def of_recipe(recipe: Mapping[str, Any]) -> Iterator[Licence]:
    """Yield the licences of the weights that a recipe (as YAML has it) starts from: all that its `model` names by `path`."""
    for name in dict.fromkeys(_paths(recipe.get("model"))):
        start = TINY if name == "tiny" else Path(name)
        folder = start / _FINAL if (start / _FINAL).is_dir() else start
        yield from of_model(folder) or [Licence(name if not start.exists() else start.name)]


def write_info(folder: Path, valid_for: str | None, licences: Iterable[Licence]) -> None:
    """Write `emollm.json` into a model's folder."""
    told = [{key: value for key, value in asdict(one).items() if value is not None} for one in dict.fromkeys(licences)]
    with whole_file(folder / INFO_FILE) as out:
        out.write(json.dumps({"valid_for": valid_for, "licences": told}, ensure_ascii=False, indent=1) + "\n")


def check_commercial(licences: Sequence[Licence], folder: Path) -> None:
    """Refuse a model whose data or weights are not known to allow commercial use.

    Args:
        licences: What `of_model` gave.
        folder: The model's folder.

    Raises:
        ConfigError: One licence forbids it, or does not tell, or none is named.
    """
    barred = [f"{one.of} ({one.name})" for one in licences if one.commercial is False]
    unknown = [f"{one.of} ({one.name})" for one in licences if one.commercial is None]
    problems = [f"not allowed by the licence of {', '.join(barred)}"] if barred else []
    problems += [f"not told for {', '.join(unknown)}"] if unknown else []
    problems += [] if licences else ["the model names no licences"]
    if problems:
        fix = f"take another model; if you know that it is allowed, say so in {folder / INFO_FILE}"
        raise ConfigError(f"commercial use: {'; '.join(problems)}", "--commercial", fix)


def _paths(section: Any) -> Iterator[str]:
    """Yield every `path` of a section, at any depth."""
    if isinstance(section, dict):
        for key, value in section.items():
            if key == "path" and isinstance(value, str):
                yield value
            else:
                yield from _paths(value)
