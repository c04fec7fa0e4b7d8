"""Faces of a clip: cut out of its pictures by a face finder, or read from a peer's table of aligned faces.

    faces = crop_faces(clip.frames, find, size_px=112)                # uint8 (n, 112, 112, 3), or None: nobody's face
    faces = read_faces("openface_face/sample_0001.npy", frames=8)     # uint8 (8, height, width, 3)

A finder is any function from a picture to boxes; bring the one that you trust. Does not: find faces itself, follow one
person through a clip (the largest face counts), turn faces upright.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emollm.errors import MediaError
from emollm.media.pictures import uniform_indices

MARGIN = 0.2  # of the box's side, on each side: brow and chin speak, too
Box = tuple[float, float, float, float]
Finder = Callable[[NDArray[np.uint8]], Sequence[Box]]
"""From a picture uint8 (height, width, 3) to the boxes (x0, y0, x1, y1) of its faces in pixels."""


def crop_faces(frames: NDArray[np.uint8], find: Finder, size_px: int) -> NDArray[np.uint8] | None:
    """Cut the largest face out of each picture; None where no picture shows one.

    A picture in which no face is found takes the place of the nearest one in which it is.

    Args:
        frames: uint8 (n, height, width, 3).
        find: Where faces are.
        size_px: Side of the square that comes out.

    Returns:
        uint8 (n, size_px, size_px, 3).
    """
    boxes = [max(find(frame), key=_area, default=None) for frame in frames]
    found = [at for at, box in enumerate(boxes) if box is not None]
    if not found:
        return None
    nearest = [boxes[min(found, key=lambda other: abs(other - at))] for at in range(len(frames))]
    return np.stack([_cut(frame, box, size_px) for frame, box in zip(frames, nearest, strict=True) if box is not None])


def read_faces(path: Path | str, frames: int) -> NDArray[np.uint8]:
    """Read faces from a table (n, height, width, 3) of aligned faces (.npy), chosen uniformly as `decode` chooses pictures.

    Channels are taken as they lie: such tables don't say whether red comes first.

    Raises:
        MediaError: `missing_file`, `not_media`, `no_face`.
    """
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise MediaError(
            "missing_file", "no such table of faces", str(path), "look for NAME.npy and NAME/NAME.npy"
        ) from None
    except (ValueError, OSError, EOFError) as error:
        raise MediaError(
            "not_media", f"no array of numbers ({error})", str(path), "save it again with numpy.save"
        ) from None
    if table.ndim != 4 or table.shape[3] != 3 or table.dtype != np.uint8:
        what = f"an array {table.dtype} {table.shape} holds no pictures"
        raise MediaError("not_media", what, str(path), "faces are uint8 (n, height, width, 3)")
    if not len(table):
        raise MediaError("no_face", "the table holds no face", str(path), "leave the face out for this clip")
    return np.array(table[uniform_indices(len(table), frames)])


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _cut(frame: NDArray[np.uint8], box: Box, size_px: int) -> NDArray[np.uint8]:
    """Cut the square around a box with its margin, and scale it; what lies outside the picture is black."""
    side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * MARGIN)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    corners = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    square = Image.fromarray(frame).transform((round(side),) * 2, Image.Transform.EXTENT, corners)
    return np.asarray(square.resize((size_px, size_px), Image.Resampling.LANCZOS), np.uint8)  # (size_px, size_px, 3)
