"""Faces of a clip: cut out of its pictures by a face finder, or read from a peer's table of aligned faces.

    faces = crop_faces(clip.frames, find, size_px=112)                # uint8 (n, 112, 112, 3), or None: nobody's face
    faces = read_faces("openface_face/sample_0001.npy", frames=8)     # uint8 (8, height, width, 3)

A finder is any function from a picture to boxes; bring the one that you trust. Ours, for recipes that say
`media.face: crop`, is OpenCV's cascade for faces seen from the front (`find_frontal`). Does not: follow one person
through a clip (the largest face counts), turn faces upright.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emollm.errors import ConfigError, MediaError
from emollm.media.pictures import uniform_indices
from emollm.records import MediaRef

MARGIN = 0.2  # of the box's side, on each side: brow and chin speak, too
SIDE_PX = 224  # of the faces that recipes ask for
SMALLEST_PX, NEIGHBOURS, STEP = 24, 5, 1.1  # of a face that is found; hits that must agree; from size to size
Box = tuple[float, float, float, float]
Finder = Callable[[NDArray[np.uint8]], Sequence[Box]]
"""From a picture uint8 (height, width, 3) to the boxes (x0, y0, x1, y1) of its faces in pixels."""


def faces_of(
    how: Literal["crop", "file"], frames: NDArray[np.uint8], table: MediaRef | None
) -> NDArray[np.uint8] | None:
    """Return faces in place of a clip's pictures, as a recipe's `media.face` asks for; None: nobody's face.

    Args:
        how: `crop` finds them in the pictures, `file` reads them from the record's table.
        frames: The pictures, uint8 (n, height, width, 3).
        table: The record's `media.face`.

    Returns:
        uint8 (n or fewer, height, width, 3).

    Raises:
        MediaError: The table cannot be read.
        ConfigError: OpenCV is missing.
    """
    if how == "crop":
        return crop_faces(frames, find_frontal, SIDE_PX)
    try:
        return None if table is None else read_faces(table.path, len(frames))
    except MediaError as error:
        if error.code == "no_face":
            return None
        raise


def find_frontal(frame: NDArray[np.uint8]) -> list[Box]:
    """Find faces that are seen from the front, by OpenCV's cascade (Viola & Jones 2001, https://doi.org/10.1109/CVPR.2001.990517).

    Raises:
        ConfigError: OpenCV is missing.
    """
    cv2, cascade = check_finder()
    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    found = cascade.detectMultiScale(grey, scaleFactor=STEP, minNeighbors=NEIGHBOURS, minSize=(SMALLEST_PX,) * 2)
    return [(float(x), float(y), float(x + width), float(y + height)) for x, y, width, height in found]


@cache
def check_finder() -> tuple[Any, Any]:
    """Return OpenCV and its cascade for frontal faces.

    Raises:
        ConfigError: OpenCV is missing.
    """
    try:
        cv2 = import_module("cv2")
    except ImportError:
        fix = "pip install 'emollm[face]', or take face: none"
        raise ConfigError("faces are found by OpenCV, which is not installed", "media.face: crop", fix) from None
    return cv2, cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_frontalface_alt2.xml")


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
