"""A long recording as a timeline: windows that cover it, and which of them hold speech."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emollm.data import windows as room
from emollm.data.windows import window_records, windows
from emollm.errors import ConfigError, MediaError
from emollm.media import decode
from emollm.media.speech import find_speech
from emollm.records import Media, MediaRef, Record, TextLine

RATE_HZ = 16000


def voice(seconds: float, f0_hz: float = 140.0) -> np.ndarray:
    """A buzz whose pitch and loudness move, as a voice does: ten harmonics, syllables of a quarter second."""
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(f0_hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * at))) / RATE_HZ
    wave = sum(np.sin(k * phase) / k for k in range(1, 11))
    return (0.1 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at))).astype(np.float32)


def quiet(seconds: float, loudness: float = 0.001) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=round(seconds * RATE_HZ)) * loudness).astype(np.float32)


def hum(seconds: float) -> np.ndarray:
    return (0.05 * np.sin(2 * np.pi * 100 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Record]:
    """Save sound as the recording of a record."""
    import soundfile

    def record(samples: np.ndarray, **span: Any) -> Record:
        path = tmp_path / "talk.wav"
        soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
        return Record(
            id="talk", media=Media(audio=MediaRef(path=str(path), **span)), text=(TextLine(text="all of its words"),)
        )

    return record


def test_speech_is_found_where_it_is() -> None:
    found = find_speech(np.concatenate([quiet(2), voice(1.5), quiet(2), voice(1, 220), quiet(1)]), RATE_HZ)
    assert np.abs(np.array(found) - [(2, 3.5), (5.5, 6.5)]).max() < 0.25


@pytest.mark.parametrize(
    "sound",
    [quiet(3, 0.2), quiet(3, 0.0), hum(3), hum(3) + quiet(3), np.zeros(100, np.float32), 1e-4 * voice(3)],
    ids=["noise", "nothing", "hum", "hum and noise", "too short", "too soft"],
)
def test_what_is_no_speech(sound: np.ndarray) -> None:
    assert find_speech(sound, RATE_HZ) == []


def test_speech_in_noise_and_at_another_rate() -> None:
    noisy = np.concatenate([quiet(2), voice(2, 220), quiet(2)]) + quiet(6, 0.01)
    (found,) = find_speech(noisy, RATE_HZ)
    assert np.abs(np.array(found) - (2, 4)).max() < 0.3
    (slow,) = find_speech(noisy, RATE_HZ // 2)  # the same samples last twice as long, an octave lower
    assert np.abs(np.array(slow) - (4, 8)).max() < 0.6


def test_synthetic_voice_speaks_and_its_pauses_do_not(tmp_path: Path) -> None:
    from emollm.synth import make_synth

    made = make_synth(tmp_path / "made", 2, 3, split="dev", workers=1)
    heard = [decode(path) for path in sorted((made.records.parent / "media").glob("*.mp4"))]
    speech = [find_speech(clip.audio, clip.sample_rate_hz) for clip in heard if clip.states["audio"] == "present"]
    assert speech and all(speech)


@pytest.mark.parametrize(
    ("length_s", "expected"),
    [(8, [(0, 8)]), (10, [(0, 10)]), (12, [(0, 10), (5, 12)]), (20, [(0, 10), (5, 15), (10, 20)])],
)
def test_windows_cover_all_and_end_with_the_recording(length_s: float, expected: list[tuple[float, float]]) -> None:
    assert list(windows(length_s, 10, 5)) == expected


def test_records_of_windows(save: Callable[..., Record]) -> None:
    made = window_records(save(np.concatenate([quiet(4), voice(2), quiet(6)])), 4, 2)
    assert [record.id for record in made] == ["talk#0-4", "talk#2-6", "talk#4-8", "talk#6-10", "talk#8-12"]
    assert [record.quality.flags for record in made] == [("no_speech",), (), (), ("no_speech",), ("no_speech",)]
    part = made[1].media.audio
    assert (part.start_s, part.end_s, made[1].provenance.parents) == (2, 6, ("talk",))
    assert not made[1].text, "the words of the whole are not the window's"
    heard = decode(part.path, start_s=part.start_s, end_s=part.end_s).audio
    assert len(heard) == 4 * RATE_HZ and np.abs(heard[: RATE_HZ + 8000]).max() < 0.01 < np.abs(heard[-RATE_HZ:]).max()


def test_recording_is_read_in_parts(save: Callable[..., Record], monkeypatch: pytest.MonkeyPatch) -> None:
    record = save(np.concatenate([quiet(5), voice(2), quiet(5)]))
    whole = window_records(record, 4, 2)
    monkeypatch.setattr(room, "PART_S", 3.0)
    assert window_records(record, 4, 2) == whole


def test_span_of_a_recording_stays_within_it(save: Callable[..., Record]) -> None:
    made = window_records(save(quiet(12), start_s=3.0, end_s=9.0), 4, 4)
    assert [(record.media.audio.start_s, record.media.audio.end_s) for record in made] == [(3, 7), (7, 9)]
    assert made[0].time.start_s == 0


def test_video_without_sound_is_cut_by_its_pictures(make_clip: Callable[..., Path]) -> None:
    clip = make_clip(sound=False, seconds=3)
    made = window_records(Record(id="a", media=Media(video=MediaRef(path=str(clip)))), 2, 1)
    assert [record.id for record in made] == ["a#0-2", "a#1-3"]
    assert {record.quality.flags for record in made} == {("no_speech",)}


def test_wrong_calls(save: Callable[..., Record], tmp_path: Path) -> None:
    for window_s, hop_s in ((4, 5), (4, 0), (0, 0)):
        with pytest.raises(ConfigError):
            window_records(save(quiet(1)), window_s, hop_s)
    with pytest.raises(MediaError):
        window_records(Record(id="a"), 4, 2)
    with pytest.raises(MediaError):
        window_records(Record(id="a", media=Media(video=MediaRef(path=str(tmp_path / "none.mp4")))), 4, 2)
