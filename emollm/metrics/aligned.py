"""What every metric asks of its input: as many predicted rows as gold rows, at least one, and only finite numbers.

Nothing is left out to make a score possible: a row that cannot be scored is an error that names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from typing import Any

import numpy as np

from emollm.errors import EmoError, collect

_SHOWN = 10


def check_aligned(gold: Sized, predicted: Sized, where: str) -> None:
    """Refuse rows that do not belong together.

    Raises:
        EmoError: The two differ in length, or there is nothing to score.
    """
    if error := collect(_misaligned(gold, predicted, where), "{n} problem(s) with the rows to score"):
        raise error


def numbers(gold: Any, predicted: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides as float64 arrays of the same shape.

    Args:
        gold: Numbers, (rows,) or (rows, columns); None counts as missing.
        predicted: Numbers of the same shape.
        where: Name of the metric, for the error.

    Raises:
        EmoError: Lengths or shapes differ, there are no rows, or a number is missing, NaN or infinite (all such rows are named).
    """
    sides = {name: np.asarray(side, np.float64) for name, side in (("gold", gold), ("predicted", predicted))}
    problems = list(_misaligned(sides["gold"], sides["predicted"], where))
    if not problems and sides["gold"].shape != sides["predicted"].shape:
        shapes = " and ".join(f"{name} {side.shape}" for name, side in sides.items())
        problems.append(EmoError(f"shapes differ: {shapes}", where, "give both sides the same columns"))
    for name, side in sides.items():
        finite = np.isfinite(side)
        odd = np.flatnonzero(~(finite.all(axis=1) if side.ndim > 1 else finite))
        if odd.size:
            rows = f"{', '.join(map(str, odd[:_SHOWN]))}{' ...' if len(odd) > _SHOWN else ''}"
            fix = "a missing number has no score: mend the rows, or take the clips out of both files"
            problems.append(EmoError(f"{len(odd)} {name} row(s) missing, NaN or infinite: {rows}", where, fix))
    if error := collect(problems, "{n} problem(s) with the numbers to score"):
        raise error
    return sides["gold"], sides["predicted"]


def share(part: Any, whole: Any, empty: float = np.nan) -> np.ndarray:
    """Return `part / whole` element by element, `empty` where `whole` is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(part, whole, out=np.full(part.shape, empty), where=whole != 0)


def mean(values: np.ndarray) -> float:
    """Return the mean of the values that are defined (not NaN), NaN when none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def indicators(sets: Sequence[Any], names: Sequence[Any]) -> np.ndarray:
    """Return which names each set holds, bool (sets, names).

    Raises:
        EmoError: A set holds something that is no name.
    """
    column = {name: i for i, name in enumerate(names)}
    unknown = sorted({str(item) for one in sets for item in one if item not in column})
    if unknown:
        fix = "give all names that occur in gold or predictions"
        raise EmoError(f"not among the names: {', '.join(unknown[:_SHOWN])}", "indicators", fix)
    table = np.zeros((len(sets), len(names)), bool)
    for row, one in enumerate(sets):
        table[row, [column[item] for item in one]] = True
    return table


def _misaligned(gold: Sized, predicted: Sized, where: str) -> Iterator[EmoError]:
    """Yield what is wrong with the number of rows."""
    if len(gold) != len(predicted):
        what = f"{len(gold)} gold rows but {len(predicted)} predicted rows"
        yield EmoError(what, where, "give one prediction for each gold row, in the same order")
    elif not len(gold):
        yield EmoError("nothing to score: no rows", where, "give at least one row")
