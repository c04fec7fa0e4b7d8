"""What a card shows of a clip's sound: the pitch of a voice, and nothing where there is none to be heard."""

import wave
from pathlib import Path

import numpy as np

from emollm.records import Record
from emollm.report.clip_media import Showing, look_into

RATE_HZ = 16000


def voice(seconds: float, loudness: float) -> np.ndarray:
    """Return ten harmonics of 150 Hz, (samples,)."""
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return loudness * sum(np.sin(2 * np.pi * 150 * k * times_s) / k for k in range(1, 11))


def test_quiet_gaps_have_no_pitch(tmp_path: Path) -> None:
    silence = np.zeros(RATE_HZ // 2)
    parts = [voice(0.5, 0.3), voice(0.5, 0.003), silence, voice(0.03, 0.3), silence, voice(0.5, 0.1)]
    with wave.open(str(tmp_path / "a.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes((np.concatenate(parts) * 32767).astype("<i2").tobytes())
    record = Record.model_validate({"id": "a", "media": {"audio": {"path": str(tmp_path / "a.wav")}}})
    found = look_into(record, 0, Showing(all_media=True))
    times_s = [at for at, _ in found.voice]
    assert all(abs(hz - 150) < 5 for _, hz in found.voice)
    assert sum(at < 0.52 for at in times_s) > 15 and sum(at > 2.0 for at in times_s) > 15
    assert not [at for at in times_s if 0.55 < at < 2.0], "a faint hum, silence, and a click of 30 ms are no voice"
