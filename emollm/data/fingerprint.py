"""How a clip sounds and looks, in a few hundred bytes: the same after re-encoding, rescaling or trimming of the sound.

Sound: 32 bits every 11.6 ms, each telling whether the energy difference of two neighbouring bands grows (Haitsma & Kalker 2002, A Highly
Robust Audio Fingerprinting System, ISMIR, https://ismir2002.ismir.net/proceedings/02-FP04-2.pdf). Two sounds are the same when few of
these bits differ over a common stretch; where it starts is found through exact hits, as in the paper.

Picture: 8 frames, 512 bits each, telling whether the brightness clearly grows, or clearly falls, from cell to cell of a 17 x 16 grid (a
difference hash that a plain wall leaves empty). Frames are compared at like places of the clip: a clip that was cut is not found by its
picture.

Departs from the paper: shorter stretches are compared (1.5 s instead of 3 s), with a stricter limit. Does not: find a clip inside a longer
one by its picture, or a sound that was pitched or time-stretched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 5512
WINDOW, HOP = 2048, 64  # samples: 0.37 s, 11.6 ms
AT_ONCE = 1024  # windows transformed at once
BANDS, LOW_HZ, HIGH_HZ = 33, 300.0, 2000.0
SHORTEST = 128  # sub-fingerprints (1.5 s) that must overlap
MOST_HITS = 64  # places that share a value; one that is everywhere (silence, hum) tells nothing
MAX_SOUND_ERROR = 0.25  # share of bits; the paper has 0.35 for 3 s, and unrelated sounds lie at 0.5
FRAMES, GRID = 8, 16
EDGE = 8.0  # grey levels of 255 from one cell to the next; less is noise of the coding
MAX_PICTURE_ERROR = 0.3  # of the bits set in either; synthetic copies at 3/4 size: up to 0.23, other clips: from 0.44
_EMPTY = 0.05  # share of bits set; below it there is nothing to compare


def sound_print(samples: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return the sub-fingerprints of a waveform, uint32 (n,).

    Args:
        samples: float32 (samples,) at `SAMPLE_RATE_HZ`.
    """
    if len(samples) < WINDOW + HOP:
        return np.zeros(0, np.uint32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]  # (n + 1, window)
    parts = [_energy(windows[start : start + AT_ONCE]) for start in range(0, len(windows), AT_ONCE)]
    energy = np.concatenate(parts)  # (n + 1, bands)
    slope = np.diff(energy, axis=1)  # (n + 1, 32)
    bits = np.diff(slope, axis=0) < 0  # (n, 32)
    return np.packbits(bits, axis=1).view(">u4").ravel().astype(np.uint32)  # (n,)


def _energy(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the energy of each band in windows (n, window) as (n, bands)."""
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW).astype(np.float32), axis=1)) ** 2  # (n, bins)
    edges = np.geomspace(LOW_HZ, HIGH_HZ, BANDS + 1) / SAMPLE_RATE_HZ * WINDOW  # (bands + 1,) in bins
    return np.add.reduceat(power, np.round(edges).astype(int), axis=1)[:, :BANDS].astype(np.float32)  # (n, bands)


def picture_print(frames: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the bits of pictures (n, height, width, 3) as uint8 (n * 64,), or None when they are fewer than `FRAMES` or show nothing."""
    if len(frames) < FRAMES:
        return None
    grey = frames.mean(axis=3, dtype=np.float32)  # (n, height, width)
    cells = _means(_means(grey, GRID, axis=1), GRID + 1, axis=2)  # (n, 16, 17)
    step = np.diff(cells, axis=2)  # (n, 16, 16)
    bits = np.stack([step > EDGE, step < -EDGE])  # (2, n, 16, 16)
    return np.packbits(bits) if bits.mean() > _EMPTY else None


def _means(values: NDArray[np.float32], parts: int, axis: int) -> NDArray[np.float32]:
    """Average an axis into so many nearly equal parts."""
    edges = np.linspace(0, values.shape[axis], parts + 1).astype(int)
    sums = np.add.reduceat(values, edges[:-1], axis=axis)
    shape = [1] * values.ndim
    shape[axis] = parts
    return np.asarray(sums / np.maximum(np.diff(edges), 1).reshape(shape), np.float32)


def sound_error(one: NDArray[np.uint32], other: NDArray[np.uint32], offset: int) -> float:
    """Return the share of bits that differ when `other` starts `offset` places into `one`; 1 when too little overlaps."""
    a, b = one[max(offset, 0) :], other[max(-offset, 0) :]
    n = min(len(a), len(b))
    if n < SHORTEST:
        return 1.0
    return float(np.bitwise_count(a[:n] ^ b[:n]).sum(dtype=np.int64) / (32 * n))


@dataclass(frozen=True)
class SoundIndex:
    """Sub-fingerprints of many clips, sorted, with the clip and the place that each comes from; all (entries,)."""

    prints: list[NDArray[np.uint32]]
    values: NDArray[np.uint32]
    clips: NDArray[np.int32]
    places: NDArray[np.int32]

    @classmethod
    def of(cls, prints: list[NDArray[np.uint32]]) -> SoundIndex:
        """Sort the sub-fingerprints of clips; an empty one is a clip without (enough) sound."""
        values = np.concatenate([np.zeros(0, np.uint32), *prints])
        clips = np.repeat(np.arange(len(prints), dtype=np.int32), [len(one) for one in prints])
        places = np.concatenate([np.zeros(0, np.int32), *(np.arange(len(one), dtype=np.int32) for one in prints)])
        order = np.argsort(values, kind="stable")
        return cls(prints, values[order], clips[order], places[order])

    def same_as(self, sound: NDArray[np.uint32]) -> dict[int, float]:
        """Return the clips that sound like `sound`, each with its share of differing bits."""
        start, end = (np.searchsorted(self.values, sound, side) for side in ("left", "right"))
        useful = (end > start) & (end - start <= MOST_HITS)
        found: dict[int, float] = {}
        tried: set[tuple[int, int]] = set()
        for place in np.flatnonzero(useful):
            for entry in range(start[place], end[place]):
                clip, offset = int(self.clips[entry]), int(self.places[entry]) - int(place)
                if (clip, offset) in tried:
                    continue
                tried.add((clip, offset))
                error = sound_error(self.prints[clip], sound, offset)
                if error <= MAX_SOUND_ERROR:
                    found[clip] = min(error, found.get(clip, 1.0))
        return found


def same_pictures(pictures: NDArray[np.uint8], picture: NDArray[np.uint8]) -> dict[int, float]:
    """Return which of `pictures` (clips, bytes) look like `picture` (bytes,), each with its share of differing bits."""
    if not len(pictures):
        return {}
    differ, either = (
        np.bitwise_count(bits).sum(axis=1, dtype=np.int64) for bits in (pictures ^ picture, pictures | picture)
    )
    errors = differ / either  # (clips,)
    return {int(clip): float(errors[clip]) for clip in np.flatnonzero(errors <= MAX_PICTURE_ERROR)}
