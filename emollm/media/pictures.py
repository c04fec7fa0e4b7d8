"""Choose n pictures of a span, uniformly among those that are really shown, and convert only these.

Which pictures are chosen depends on how many there are, and no header can be trusted with that. So the packets are
counted first (cheap, nothing is decoded); the decoding pass then converts the pictures that this count asks for, and
counts what comes out. When both agree, as they do for nearly every file, one pass was enough; else a second pass uses
the true count. Memory: the n small pictures, whatever the length of the file.

A crop is cut out of the picture as it is shown (after rotation), and scaled as a whole picture would be.

Does not: stretch pictures whose pixels aren't square, mirror pictures, remove interlacing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from emollm.media.timeline import Reading, Span, timed_frames

BLACK_MEAN, BLACK_SPREAD = 10.0, 5.0  # grey levels of 255: darker and flatter than this is black
Crop = tuple[float, float, float, float]  # x0, y0, x1, y1 in shares of the picture as it is shown
WHOLE: Crop = (0.0, 0.0, 1.0, 1.0)


def read_pictures(
    path: Path | str,
    n: int,
    max_side_px: int | None,
    span: Span,
    reading: Reading,
    expected: int,
    crop: Crop = WHOLE,
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Decode the span and return n pictures uint8 (n, height, width, 3) with their times from the span's start.

    Fewer than n come back where fewer are shown; (0, 0, 0, 3) where none is. `expected` is how many the span should
    show (`timeline.count_shown_packets`); a wrong number costs a second pass, never a wrong picture.
    """
    while True:
        wanted = uniform_indices(expected, n)
        pictures, times_s, count = _convert_at(path, wanted, max_side_px, span, reading, crop)
        if uniform_indices(count, n) == wanted:
            break
        expected = count
        reading.frames, reading.damaged = 0, 0
    frames = np.stack(pictures) if pictures else np.zeros((0, 0, 0, 3), np.uint8)  # (n, height, width, 3)
    return frames, np.maximum(np.array(times_s, np.float64) - span.start_s, 0.0)


def uniform_indices(count: int, n: int) -> list[int]:
    """Return the centres of n equal parts of `count` items, or all items where there are no more than n.

    >>> uniform_indices(10, 2)
    [2, 7]
    """
    if count <= n:
        return list(range(count))
    return [(2 * part + 1) * count // (2 * n) for part in range(n)]


def is_black(frames: NDArray[np.uint8]) -> bool:
    """Tell whether every picture of (n, height, width, 3) is dark and flat."""
    return all(frame.mean() < BLACK_MEAN and frame.std() < BLACK_SPREAD for frame in frames)


def to_rgb(frame: VideoFrame, size: tuple[int, int], crop: Crop = WHOLE) -> NDArray[np.uint8]:
    """Scale a frame to (width, height), turn it as it is to be shown, cut the crop out: uint8 (height, width, 3)."""
    small = frame.reformat(width=size[0], height=size[1], format="rgb24", interpolation=Interpolation.AREA, threads=1)
    shown = np.rot90(small.to_ndarray(), _quarter_turns(frame))  # (height, width, 3)
    (top, bottom), (left, right) = (_cut(shown.shape[axis], crop[1 - axis], crop[3 - axis]) for axis in (0, 1))
    return np.ascontiguousarray(shown[top:bottom, left:right])  # (height, width, 3)


def _convert_at(
    path: Path | str, wanted: list[int], max_side_px: int | None, span: Span, reading: Reading, crop: Crop
) -> tuple[list[NDArray[np.uint8]], list[float], int]:
    """Decode the span, convert the pictures at the wanted indices, and count all of them."""
    pictures: list[NDArray[np.uint8]] = []
    times_s: list[float] = []
    size: tuple[int, int] | None = None  # of the first picture; a stream may change its size on the way
    chosen, count = set(wanted), 0
    for timed in timed_frames(path, "video", span, reading):
        if not span.holds(timed.start_s):
            continue
        if count in chosen:
            size = size or fit(timed.frame, max_side_px, crop)
            pictures.append(to_rgb(timed.frame, size, crop))
            times_s.append(timed.start_s)
        count += 1
    return pictures, times_s, count


def fit(frame: VideoFrame, max_side_px: int | None, crop: Crop = WHOLE) -> tuple[int, int]:
    """Return the width and height to scale a frame to, so that the crop's longer side is `max_side_px` at most; nothing is enlarged."""
    width, height = frame.width, frame.height
    shares = crop[2] - crop[0], crop[3] - crop[1]  # of the picture as it is shown
    across, down = shares if _quarter_turns(frame) % 2 == 0 else shares[::-1]
    scale = 1.0 if max_side_px is None else min(1.0, max_side_px / max(across * width, down * height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _quarter_turns(frame: VideoFrame) -> int:
    """Return how often a frame is turned to be shown, counterclockwise, as np.rot90 counts."""
    return round(frame.rotation / 90) % 4


def _cut(length: int, start: float, end: float) -> tuple[int, int]:
    """Return first pixel and end of a part of a side, at least one pixel."""
    first = min(round(start * length), length - 1)
    return first, first + max(1, round((end - start) * length))
