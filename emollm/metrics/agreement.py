"""Agreement of raters beyond chance: Krippendorff's alpha, for classes, ranks, numbers and label sets (MASI).

Alpha is 1 - observed / expected disagreement (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability",
https://repository.upenn.edu/asc_papers/43); raters may be missing. MASI weighs the overlap of two sets by whether one holds the other
(Passonneau 2006, https://aclanthology.org/L06-1392).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from emollm.errors import EmoError
from emollm.metrics.aligned import share

Distance = Literal["nominal", "ordinal", "interval", "masi"]


def krippendorff_alpha(units: Sequence[Sequence[Any]], distance: Distance = "nominal") -> float:
    """Return Krippendorff's alpha: 1 is full agreement, 0 chance, below 0 worse; NaN when all values are the same.

    Args:
        units: What the raters of each unit said, in any order; units with fewer than two raters tell nothing and are passed over.
        distance: How two values differ: `nominal` (anything that can be sorted), `ordinal` and `interval` (numbers), `masi`
            (sets of words).

    Raises:
        EmoError: No unit has two raters.
    """
    rated = [[_value(value, distance) for value in unit] for unit in units if len(unit) >= 2]
    if not rated:
        raise EmoError("no unit has two raters", "Krippendorff's alpha", "give what each rater said of each unit")
    values = sorted({value for unit in rated for value in unit})
    place = {value: i for i, value in enumerate(values)}
    coincidence = np.zeros((len(values), len(values)))  # how often two raters of one unit said these two values
    for unit in rated:
        counts = np.bincount([place[value] for value in unit], minlength=len(values))
        coincidence += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    n = coincidence.sum(axis=1)  # (values,)
    apart = _distances(values, n, distance)
    observed, expected = (coincidence * apart).sum(), (np.outer(n, n) * apart).sum() / (n.sum() - 1)
    return float(1 - share(observed, expected))


def masi(hits: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the MASI distance of two sets, 0 (the same) to 1 (disjoint), element by element.

    Args:
        hits: Size of the intersection.
        first: Size of the one set.
        second: Size of the other.
    """
    union = first + second - hits
    jaccard = share(hits, union, 1.0)
    same, held = hits == union, hits == np.minimum(first, second)
    return 1 - jaccard * np.select([same, held], [1.0, 2 / 3], 1 / 3)


def _value(value: Any, distance: Distance) -> Any:
    """Return a rater's value in a form that can be sorted and looked up."""
    return tuple(sorted(set(value))) if distance == "masi" else value


def _distances(values: list[Any], n: np.ndarray, distance: Distance) -> np.ndarray:
    """Return the (squared) difference of each two values, (values, values); `n`: how often each value was said."""
    if distance == "nominal":
        return 1.0 - np.eye(len(values))
    if distance == "masi":
        words = sorted({word for value in values for word in value})
        holds = np.array([[word in value for word in words] for value in values], np.int64).reshape(len(values), -1)
        size = holds.sum(axis=1)
        return masi(holds @ holds.T, size[:, None], size[None, :])
    place = np.cumsum(n) - n / 2 if distance == "ordinal" else np.array(values, np.float64)  # ordinal: middle ranks
    return (place[:, None] - place[None, :]) ** 2
