"""What a face does, from tables of action units or landmarks that OpenFace or py-feat wrote; the tools themselves are not needed.

    for fact in read_face(Path("faces/clip_1.csv"), fps=25.0):
        print(fact.text, fact.au, fact.start_s, fact.end_s)

| tool | columns | active |
|---|---|---|
| OpenFace 2 | `AU12_c`, `AU12_r` (0-5), `timestamp`, `success` | `_c` is 1, else `_r` from 1 |
| py-feat | `AU12` (0-1), `frame`, `FaceScore` | from 0.5 |
| either, without units | `x_0`..`y_67` (the 68 points of iBUG 300-W) | closed eyes, open mouth, tilted head |

OpenFace: Baltrusaitis et al. 2018, https://doi.org/10.1109/FG.2018.00019; py-feat: Cheong et al. 2023,
https://doi.org/10.1007/s42761-023-00191-4.

A fact lasts 0.2 s or more. Frames without a face end it. Of several faces the one that is seen most often is read. Does not: say what a
fact means; read gaze, pose (whose signs the tools define differently), or intensities as if two tools' scales were one.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emollm.errors import EmoError
from emollm.synth.wording import ACTION_PHRASES

SHORTEST_S, GAP_S = 0.2, 0.1
OPENFACE_ACTIVE, PYFEAT_ACTIVE = 1.0, 0.5
CONFIDENT = 0.7  # of OpenFace's `confidence` and py-feat's `FaceScore`
CLOSED_EYE, OPEN_MOUTH, TILT_DEG = 0.2, 0.5, 12.0  # heights as shares of widths
PHRASES = {
    **{name: text for name, text in ACTION_PHRASES.items() if name.startswith("au")},
    "au11": "folds beside the nose deepened",
    "au18": "lips puckered",
    "au24": "lips pressed together",
    "au25": "lips parted",
    "au28": "lips sucked in",
    "au45": "eyes blinking",
}
_UNIT = re.compile(r"AU(\d{1,2})(_[rc])?")
_FIX = "give a table of OpenFace (FeatureExtraction) or py-feat (Fex.to_csv), one row a frame"
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Fact:
    """Something that a face does for a while; times from the start of the file."""

    text: str
    start_s: float
    end_s: float
    au: str | None = None


def read_face(path: Path, fps: float | None) -> list[Fact]:
    """Return the facts of a table, in the order of their starts.

    Args:
        path: The table (CSV).
        fps: Frames a second of the video, for tables that count frames and tell no times.

    Raises:
        EmoError: The table cannot be read, has neither units nor landmarks, or its times are unknown.
    """
    table = _columns(path)
    times_s = _times(table, fps, path)
    seen = np.ones(len(times_s), bool)
    for column, least in (("success", 0.5), ("confidence", CONFIDENT), ("FaceScore", CONFIDENT)):
        seen &= table[column] >= least if column in table else True
    active = dict(_units(table)) or dict(_landmarks(table))
    if not active:
        raise EmoError("neither action units nor landmarks", str(path), _FIX)
    facts = [
        Fact(PHRASES.get(name, name), start_s, end_s, name.upper() if name.startswith("au") else None)
        for name, rows in active.items()
        for start_s, end_s in _stretches(rows & seen, times_s)
    ]
    return sorted(facts, key=lambda fact: (fact.start_s, fact.text))


def _columns(path: Path) -> dict[str, Floats]:
    """Return the numbers of the commonest face by column; cells that are no number are NaN."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            names = [name.strip() for name in next(reader, [])]
            rows = [row for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EmoError(f"cannot be read ({error})", str(path), _FIX) from None
    wrong = next((number for number, row in enumerate(rows, 2) if len(row) != len(names)), None)
    if wrong is not None or not rows:
        what = "no rows" if wrong is None else f"{len(rows[wrong - 2])} cells, not {len(names)}"
        raise EmoError(what, f"{path}:{wrong or 1}", _FIX)
    face = next((names.index(name) for name in ("face_id", "Identity") if name in names), None)
    if face is not None:
        (commonest, _), *_ = Counter(row[face] for row in rows).most_common(1)
        rows = [row for row in rows if row[face] == commonest]
    return {name: np.array([_number(row[at]) for row in rows]) for at, name in enumerate(names)}


def _times(table: Mapping[str, Floats], fps: float | None, path: Path) -> Floats:
    """Return when each row is shown, in seconds, (rows,)."""
    if "timestamp" in table:
        times_s = table["timestamp"]
    elif "frame" in table and fps:
        times_s = table["frame"] / fps
    else:
        raise EmoError(
            "no times", str(path), "keep the column `timestamp`, or `frame` beside a video that can be opened"
        )
    if np.isnan(times_s).any() or (np.diff(times_s) < 0).any():
        raise EmoError("times are missing or go back", str(path), _FIX)
    return times_s


def _units(table: Mapping[str, Floats]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield in which rows each action unit is active; of OpenFace's two columns presence goes first."""
    for column, values in table.items():
        found = _UNIT.fullmatch(column)
        if found is None or (found[2] == "_r" and f"AU{found[1]}_c" in table):
            continue
        least = {"_c": 0.5, "_r": OPENFACE_ACTIVE, None: PYFEAT_ACTIVE}[found[2]]
        yield f"au{int(found[1])}", values >= least


def _landmarks(table: Mapping[str, Floats]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield what 68 points show. Eyes by height over width (Soukupova & Cech 2016), the mouth by its inner lips, likewise."""
    if any(f"{axis}_{number}" not in table for axis in "xy" for number in range(68)):
        return
    points = np.stack([np.stack([table[f"{axis}_{n}"] for n in range(68)], 1) for axis in "xy"], 2)  # (rows, 68, 2)

    def apart(first: int, second: int) -> Floats:
        return np.linalg.norm(points[:, first] - points[:, second], axis=1)  # (rows,)

    eyes = [(apart(a + 1, a + 5) + apart(a + 2, a + 4)) / (2 * apart(a, a + 3)) for a in (36, 42)]
    yield "eyes closed", np.mean(eyes, axis=0) < CLOSED_EYE
    yield "mouth open", (apart(61, 67) + apart(62, 66) + apart(63, 65)) / (3 * apart(60, 64)) > OPEN_MOUTH
    across = points[:, 42:48].mean(axis=1) - points[:, 36:42].mean(axis=1)  # (rows, 2)
    yield ACTION_PHRASES["head_tilt"], np.abs(np.degrees(np.arctan2(across[:, 1], across[:, 0]))) > TILT_DEG


def _stretches(active: NDArray[np.bool_], times_s: Floats) -> list[tuple[float, float]]:
    """Return when something is active for long enough, short gaps bridged; a row lasts until the next one."""
    if len(times_s) < 2:
        return []
    step_s = float(np.median(np.diff(times_s)))
    found: list[list[float]] = []
    for start_s in times_s[active]:
        if found and start_s - found[-1][1] <= GAP_S:
            found[-1][1] = start_s + step_s
        else:
            found.append([start_s, start_s + step_s])
    return [(round(float(a), 2), round(float(b), 2)) for a, b in found if b - a >= SHORTEST_S - 1e-6]


def facts_text(facts: Sequence[Fact]) -> str:
    """Return facts as one sentence."""
    if not facts:
        return "The face shows no action that lasts."
    parts = [f"{f.text}{f' ({f.au})' if f.au else ''} {f.start_s:g}-{f.end_s:g} s" for f in facts]
    return f"The face shows: {'; '.join(parts)}."


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan
