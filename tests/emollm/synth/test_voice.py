"""Each prosody value must move the acoustic measure that it is named after, in its own direction."""

from dataclasses import replace

import numpy as np
import pytest

from emollm.synth.script import PROSODY, ClipScript, Face, Speaker, Voice
from emollm.synth.voice import mouth_opening, speak, syllables

SAMPLE_RATE_HZ = 16000
HOP = 80  # samples between measured frames
FACE = Face(*[0.5] * 11, hair_style=0, background=0.5, glasses=False)


def script(seed: int = 0, f0_hz: float = 140.0, **prosody: float) -> ClipScript:
    """A speaking clip of 3.5 s; syllables as many as rate and pauses ask for."""
    values = dict.fromkeys(PROSODY, 0.0) | prosody
    pause_share = 0.6 / (1 + np.exp(1.6 - 0.9 * values["pauses"]))
    count = max(3, round(4.4 * 2 ** (0.28 * values["rate"]) * 3.0 * (1 - pause_share)))
    speaker = Speaker("x", FACE, Voice(f0_hz, 1.0, 0.25, 4.4), 1.0, 1.0, False, {})
    return ClipScript(seed, 3.5, speaker, (), values, (0.25, 3.25), count, "present", "present")


def frames_of(sound: np.ndarray, width: int) -> np.ndarray:
    """Overlapping frames, (frames, width)."""
    return np.lib.stride_tricks.sliding_window_view(sound.astype(np.float64), width)[::HOP]


def rms_of(sound: np.ndarray, width: int = 320) -> np.ndarray:
    return np.sqrt((frames_of(sound, width) ** 2).mean(axis=1))


def autocorrelation(sound: np.ndarray, highest_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Normalised autocorrelation of the loud frames below `highest_hz`: (frames, lags), and the frames' times in seconds."""
    width = 768
    loud = rms_of(sound, width) > 0.4 * np.percentile(rms_of(sound, width), 95)
    window = np.hanning(width)
    keep = np.fft.rfftfreq(2048, 1 / SAMPLE_RATE_HZ) < highest_hz
    power = np.abs(np.fft.rfft(frames_of(sound, width)[loud] * window, 2048, axis=1)) ** 2 * keep
    own = np.fft.irfft(np.abs(np.fft.rfft(window, 2048)) ** 2)
    result = np.fft.irfft(power, axis=1)[:, :480]
    result = (result / result[:, :1]) / (own / own[0])[:480]
    return result, np.flatnonzero(loud) * HOP / SAMPLE_RATE_HZ


def pitch(sound: np.ndarray, near_hz: float = 140.0) -> tuple[np.ndarray, np.ndarray]:
    """F0 in semitones above `near_hz`, and its times in seconds: the smoothest path of high autocorrelation."""
    correlation, times_s = autocorrelation(sound, 1500.0)
    semitones = np.arange(-20.0, 24.0, 0.25)
    lags = SAMPLE_RATE_HZ / (near_hz * 2 ** (semitones / 12))
    low = lags.astype(int)
    score = correlation[:, low] * (1 + low - lags) + correlation[:, low + 1] * (lags - low)  # (frames, semitones)
    score = score + 0.006 * semitones  # of two octaves, the higher
    jump = 0.15 * np.abs(semitones[:, None] - semitones[None])
    total, back = score[0], np.zeros(score.shape, dtype=int)
    for frame in range(1, len(score)):
        reach = total[None] - (jump if times_s[frame] - times_s[frame - 1] < 0.02 else 0.2 * jump)
        back[frame] = reach.argmax(axis=1)
        total = reach.max(axis=1) + score[frame]
    path = [int(total.argmax())]
    for frame in range(len(score) - 1, 0, -1):
        path.append(back[frame, path[-1]])
    return semitones[path[::-1]], times_s


def measure_f0_level(sound: np.ndarray) -> float:
    return float(np.median(pitch(sound)[0]))


def measure_f0_slope(sound: np.ndarray) -> float:
    semitones, times_s = pitch(sound)
    return float(np.polyfit(times_s, semitones, 1)[0])


def measure_f0_range(sound: np.ndarray) -> float:
    semitones, times_s = pitch(sound)
    return float(np.std(semitones - np.polyval(np.polyfit(times_s, semitones, 1), times_s)))


def measure_energy(sound: np.ndarray) -> float:
    return float(20 * np.log10(np.percentile(rms_of(sound), 90)))


def measure_rate(sound: np.ndarray) -> float:
    """Rises of the sound above 5 kHz: every syllable starts with a burst there."""
    high = np.abs(np.fft.rfft(frames_of(sound, 320) * np.hanning(320), 512, axis=1))[:, 160:240]
    level = np.log(high.mean(axis=1) + 1e-4)
    rise = np.convolve(level[3:] - level[:-3], np.hanning(9) / 4, "same")
    peak = (rise[1:-1] > rise[:-2]) & (rise[1:-1] >= rise[2:]) & (rise[1:-1] > 0.5 * np.percentile(rise, 97))
    return float(peak.sum())


def measure_pauses(sound: np.ndarray) -> float:
    rms = rms_of(sound)[50:-50]
    return float((rms < 0.1 * np.percentile(rms, 95)).mean())


def measure_tremor(sound: np.ndarray) -> float:
    """Share of the loudness movement between 10 and 12 Hz."""
    rms = rms_of(sound)
    level = np.log(rms + 1e-9)
    level = np.where(rms > 0.15 * np.percentile(rms, 95), level - np.convolve(level, np.ones(19) / 19, "same"), 0.0)
    hertz, power = np.fft.rfftfreq(1024, HOP / SAMPLE_RATE_HZ), np.abs(np.fft.rfft(level, 1024)) ** 2
    return float(power[(hertz > 10) & (hertz < 12)].mean() / power[(hertz > 4) & (hertz < 30)].mean())


def measure_breathiness(sound: np.ndarray) -> float:
    """How far the voice is from periodic."""
    correlation, _ = autocorrelation(sound, 8000.0)
    return -float(np.median(correlation[:, 60:230].max(axis=1)))


def measure_tension(sound: np.ndarray) -> float:
    """Energy at 1.5 to 5 kHz against 0.1 to 0.8 kHz, in dB."""
    power, hertz = np.abs(np.fft.rfft(sound)) ** 2, np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    high, low = power[(hertz > 1500) & (hertz < 5000)].mean(), power[(hertz > 100) & (hertz < 800)].mean()
    return float(10 * np.log10(high / low))


MEASURES = {name: globals()[f"measure_{name}"] for name in PROSODY}


@pytest.mark.parametrize("name", PROSODY)
def test_a_prosody_value_moves_its_measure_step_by_step(name: str) -> None:
    """On the mean of six clips, each step from -2 to 2 raises the measure."""
    steps = [
        np.mean([MEASURES[name](speak(script(seed, **{name: value}))) for seed in range(6)])
        for value in (-2.0, 0.0, 2.0)
    ]
    assert steps[0] < steps[1] < steps[2]


def test_each_measure_follows_its_own_value_when_all_vary() -> None:
    rng = np.random.default_rng(5)
    values = rng.uniform(-2, 2, size=(40, len(PROSODY)))
    sounds = [speak(script(seed, **dict(zip(PROSODY, row, strict=True)))) for seed, row in enumerate(values)]
    followed = {
        name: np.corrcoef([measure(sound) for sound in sounds], values[:, PROSODY.index(name)])[0, 1]
        for name, measure in MEASURES.items()
    }
    assert {name: r for name, r in followed.items() if r < 0.6} == {}


def test_the_pitch_follows_the_speaker() -> None:
    for f0_hz in (110.0, 220.0):
        semitones, _ = pitch(speak(script(f0_hz=f0_hz)), near_hz=f0_hz)
        assert abs(np.median(semitones)) < 1.5


def test_the_same_script_gives_the_same_samples_and_another_seed_others() -> None:
    assert speak(script(3)).tobytes() == speak(script(3)).tobytes()
    assert speak(script(3)).tobytes() != speak(script(4)).tobytes()


@pytest.mark.parametrize("energy", [-3.0, 3.0])
def test_samples_stay_in_range_and_silence_surrounds_the_speech(energy: float) -> None:
    sound = speak(script(energy=energy))
    assert sound.dtype == np.float32 and sound.shape == (56000,)
    assert np.isfinite(sound).all() and np.abs(sound).max() < 1.0
    assert np.abs(sound[: int(0.2 * SAMPLE_RATE_HZ)]).max() < 0.01 < np.abs(sound).max()


@pytest.mark.parametrize("state", ["silent", "absent"])
def test_a_clip_without_voice_is_exactly_silent(state: str) -> None:
    assert not speak(replace(script(), audio_state=state)).any()


def test_syllables_fill_the_speech_without_overlap_and_move_the_mouth() -> None:
    clip = script(pauses=1.5)
    plan = syllables(clip)
    assert len(plan.start_s) == clip.n_syllables
    assert (plan.start_s[1:] >= plan.end_s[:-1] - 1e-9).all()
    assert plan.start_s[0] == pytest.approx(0.25) and plan.end_s[-1] == pytest.approx(3.25)
    opening = mouth_opening(clip, (plan.start_s + plan.end_s) / 2)
    assert (opening > 0.3).all()
    assert not mouth_opening(clip, np.array([0.0, 0.1, 3.4])).any()
