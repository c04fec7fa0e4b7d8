"""The fundamental frequency (F0) of a voice: DIO and StoneMask of WORLD.

    f0_hz = track_f0(clip.audio, clip.sample_rate_hz)
    times_s = np.arange(len(f0_hz)) * HOP_S

Morise, Yokomori & Ozawa 2016, https://doi.org/10.1587/transinf.2015EDP7457; pyworld, MIT. Does not: tell several voices apart, or a
voice from an instrument; noise may be taken for a voice for a few frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyworld
from numpy.typing import NDArray

HOP_S = 0.005
LOWEST_HZ, HIGHEST_HZ = 60.0, 650.0


def track_f0(samples: NDArray[np.floating[Any]], sample_rate_hz: int) -> NDArray[np.float64]:
    """Return F0 in Hz every `HOP_S`, 0 where there is none, (frames,); the first frame is at the first sample.

    Args:
        samples: Waveform (samples,).
        sample_rate_hz: Of the waveform.
    """
    wave = samples.astype(np.float64)
    rough_hz, times_s = pyworld.dio(
        wave, sample_rate_hz, f0_floor=LOWEST_HZ, f0_ceil=HIGHEST_HZ, frame_period=1000 * HOP_S
    )
    return np.asarray(pyworld.stonemask(wave, rough_hz, times_s, sample_rate_hz))
