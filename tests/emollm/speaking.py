"""A voice that says nothing: harmonics whose loudness moves as syllables do, and the silence between."""

import numpy as np

RATE_HZ = 16000


def talk(*parts: tuple[str, float]) -> np.ndarray:
    """Voice and silence of these lengths; the voice's loudness moves as syllables do."""
    pieces = []
    for kind, seconds in parts:
        at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        wave = sum(np.sin(2 * np.pi * 140 * k * at) / k for k in range(1, 8)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at))
        pieces.append(0.1 * wave * (kind == "voice"))
    return np.concatenate(pieces).astype(np.float32)
