"""Small drawing kit of the face: curves, strokes and ellipses as polygons that are laid out for all frames at once.

Every point is a complex number (x to the right, y downwards) and every shape holds its points for all frames, so that a moving face
costs one pass of numpy and then nothing but polygon fills. This file knows nothing about faces; face.py does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Complexes = NDArray[np.complexfloating[Any, Any]]
Floats = NDArray[np.floating[Any]]
Number = float | Floats  # one value, or one a frame

CURVE_STEPS = np.linspace(0.0, 1.0, 9)
CIRCLE = np.exp(2j * np.pi * np.arange(20) / 20)


@dataclass(frozen=True)
class Shape:
    """One filled polygon over time.

    Attributes:
        points: Corners in face units, (frames, corners).
        colour: RGB of each frame, (frames, 3) or one (3,) for all.
        depth: 0 for the plane of the face's outline, 1 for the tip of the nose: how far it slides when the head turns.
        visible: Frames in which it is drawn, (frames,); all when None.
    """

    points: Complexes
    colour: Floats
    depth: float
    visible: NDArray[np.bool_] | None = None


def per_frame(value: Number | complex | Complexes) -> Complexes:
    """Return a number, or one number a frame, as a column: (1, 1) or (frames, 1)."""
    return np.asarray(value, dtype=np.complex128).reshape(-1, 1)


def arc(
    start: Number | complex | Complexes, middle: Number | complex | Complexes, end: Number | complex | Complexes
) -> Complexes:
    """Return a parabola through three points: (frames, 9)."""
    start, middle, end = per_frame(start), per_frame(middle), per_frame(end)
    control = 2 * middle - (start + end) / 2
    t = CURVE_STEPS[None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end  # (frames, 9)


def ellipse(centre: complex | Complexes, radius_x: Number, radius_y: Number) -> Complexes:
    """Return an upright ellipse: (frames, 20)."""
    return per_frame(centre) + per_frame(radius_x) * CIRCLE.real + 1j * per_frame(radius_y) * CIRCLE.imag


def stroke(path: Complexes, width: Number, taper: float = 0.5) -> Complexes:
    """Turn a path into a polygon that is `width` wide in its middle and `taper` times that at its ends.

    Args:
        path: (frames, points).
        width: Full width in face units.
        taper: Share of the width that is left at both ends.
    """
    along = np.gradient(path, axis=1)
    normal = 1j * along / np.maximum(np.abs(along), 1e-9)
    profile = taper + (1 - taper) * np.sin(np.pi * np.linspace(0, 1, path.shape[1]))
    half = 0.5 * np.asarray(width, dtype=float).reshape(-1, 1) * profile * normal  # (frames, points)
    return np.concatenate([path + half, (path - half)[:, ::-1]], axis=1)  # (frames, 2 * points)


def between(upper: Complexes, lower: Complexes) -> Complexes:
    """Return the polygon between two curves that run in the same direction: (frames, points of both)."""
    frames = max(len(upper), len(lower))
    upper = np.broadcast_to(upper, (frames, upper.shape[1]))
    lower = np.broadcast_to(lower, (frames, lower.shape[1]))
    return np.concatenate([upper, lower[:, ::-1]], axis=1)


def blend(first: Floats, second: Floats, share: Number) -> Floats:
    """Mix two colours, with `share` of the second: (frames, 3)."""
    amount = np.asarray(share, dtype=float).reshape(-1, 1)
    return first + (second - first) * np.clip(amount, 0.0, 1.0)
