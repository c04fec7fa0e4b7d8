"""The waveform: gain, pitch, place in time. These tests pin the one resampling path (mean of channels, then soxr HQ)."""

import numpy as np
import pytest
import soxr

from emollm.media import MediaError, decode


def pitch_and_amplitude(samples, rate_hz):
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    return spectrum.argmax() * rate_hz / (1 << 18), np.sqrt(2 * np.mean(middle.astype(np.float64) ** 2))


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
def test_tone_keeps_pitch_amplitude_and_length(clip, sine, rate_hz):
    path = clip("a.wav", n=None, sound=sine(440, 2, rate_hz)[None], rate_hz=rate_hz, audio_codec="pcm_s16le")
    got = decode(path)
    assert got.audio.dtype == np.float32
    assert got.audio.shape == (32000,)
    assert got.sample_rate_hz == 16000
    hertz, amplitude = pitch_and_amplitude(got.audio, 16000)
    assert hertz == pytest.approx(440, abs=0.2)
    assert amplitude == pytest.approx(0.5, rel=1e-3)
    assert got.duration_s == pytest.approx(2)
    assert (got.frames, len(got.frame_times_s), got.flags) == (None, 0, ())


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_every_sample_format_has_the_same_full_scale(clip, sine, codec):
    path = clip("a.wav", n=None, sound=sine(300, 0.5, 16000, 0.8)[None], rate_hz=16000, audio_codec=codec)
    assert np.abs(decode(path).audio - sine(300, 0.5, 16000, 0.8)).max() < (0.01 if codec == "pcm_u8" else 1e-4)


def test_stereo_is_the_mean_of_the_resampled_channels_not_3_db_more(clip, sine):
    """FFmpeg's own float mix would be 1.414 times as loud."""
    left, right = sine(440, 1, 44100, 0.6), sine(1000, 1, 44100, 0.2)
    path = clip("a.wav", n=None, sound=np.stack([left, right]), rate_hz=44100, audio_codec="pcm_f32le")
    per_channel = [soxr.resample(channel, 44100, 16000, "HQ") for channel in (left, right)]
    np.testing.assert_allclose(decode(path).audio, np.mean(per_channel, axis=0), atol=1e-5)


def test_equal_channels_keep_their_level(clip, sine):
    tone = sine(440, 1, 16000)
    path = clip("a.wav", n=None, sound=np.stack([tone] * 2), rate_hz=16000, audio_codec="pcm_f32le")
    np.testing.assert_array_equal(decode(path).audio, tone)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.m4a", "aac"), ("a.ogg", "libopus"), ("a.aac", "aac")],
)
def test_compressed_sound(clip, sine, name, codec):
    path = clip(name, n=None, sound=np.stack([sine(440, 2, 48000)] * 2), audio_codec=codec)
    got = decode(path)
    hertz, amplitude = pitch_and_amplitude(got.audio, 16000)
    assert hertz == pytest.approx(440, abs=0.5)
    assert amplitude == pytest.approx(0.5, rel=0.06)  # LAME itself takes 5 % off
    assert len(got.audio) == pytest.approx(
        32000, abs=900
    )  # raw AAC doesn't tell how much of its first frames is padding
    assert got.flags == ()


@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 1.25), (6.5, 7.0), (7.0, None)])
@pytest.mark.parametrize(("name", "slip"), [("a.mp4", 1), ("a.wav", 1), ("a.mkv", 12)])
def test_span_is_the_same_part_of_the_whole(clip, name, slip, start_s, end_s):
    """Noise, so that each place sounds different. The later spans are reached by a seek; Matroska rounds times to 1 ms."""
    noise = (0.1 * np.random.default_rng(1).standard_normal((1, 8 * 44100))).astype(np.float32)
    path = clip(
        name,
        n=None if name == "a.wav" else 200,
        sound=noise,
        rate_hz=44100,
        video_options={"g": "30"},
        audio_codec="pcm_s16le" if name == "a.wav" else "aac",
    )
    whole = decode(path, frames=1).audio
    part = decode(path, frames=1, start_s=start_s, end_s=end_s)
    first, last = round(start_s * 16000), len(whole) if end_s is None else round(end_s * 16000)
    assert len(part.audio) == pytest.approx(last - first, abs=slip)
    middle = part.audio[100:4100]
    match = [np.corrcoef(middle, whole[first + 100 + k : first + 4100 + k])[0, 1] for k in range(-slip, slip + 1)]
    assert max(match) > 0.95  # half a sample of difference costs white noise some 2 %
    if end_s is not None:
        assert part.duration_s == pytest.approx(end_s - start_s)


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv"])
def test_late_sound_stays_late(clip, sine, name):
    got = decode(clip(name, n=50, sound=sine(440, 1.5, 48000)[None], audio_start_s=0.5))
    onset = np.flatnonzero(np.abs(got.audio) > 0.05)[0] / 16000
    assert onset == pytest.approx(0.5, abs=0.03)
    assert got.flags == ()


def test_sound_and_picture_share_a_clock_in_a_stream_copied_cut(clip, sine, cut_without_decoding, tmp_path):
    """The tone starts at 4 s with picture 100; 0.5 s after the start of the cut."""
    sound = np.concatenate([np.zeros(4 * 48000, np.float32), sine(440, 2, 48000)])[None]
    whole = clip("whole.mp4", n=150, sound=sound, video_options={"preset": "veryfast", "g": "60", "sc_threshold": "0"})
    got = decode(cut_without_decoding(whole, tmp_path / "cut.mp4", from_s=3.5))
    assert np.flatnonzero(np.abs(got.audio) > 0.1)[0] / 16000 == pytest.approx(0.5, abs=0.03)


def test_gap_is_filled_with_silence_and_flagged(tmp_path, sine, write_sound_with_gap):
    got = decode(write_sound_with_gap(tmp_path / "gap.mkv", sine(440, 1, 16000), gap_s=0.5))
    assert got.flags == ("audio_gap",)
    assert got.duration_s == pytest.approx(1.5, abs=0.01)
    assert np.abs(got.audio[int(0.6 * 16000) : int(0.9 * 16000)]).max() == 0
    assert np.abs(got.audio[int(1.1 * 16000) :]).max() > 0.4


def test_jump_of_an_hour_is_refused_before_it_fills_the_memory(tmp_path, sine, write_sound_with_gap):
    with pytest.raises(MediaError) as caught:
        decode(write_sound_with_gap(tmp_path / "gap.mkv", sine(440, 1, 16000), gap_s=3600))
    assert caught.value.code == "bad_timestamps"


def test_samples_that_are_no_numbers_are_refused(clip):
    sound = np.full((1, 1600), np.nan, np.float32)
    with pytest.raises(MediaError) as caught:
        decode(clip("nan.wav", n=None, sound=sound, rate_hz=16000, audio_codec="pcm_f32le"))
    assert caught.value.code == "decode_failed"


def test_silent_is_told_from_quiet_and_from_absent(clip, sine):
    silent = clip("silent.mp4", n=10, sound=np.zeros((1, 19200), np.float32))
    quiet = clip("quiet.wav", n=None, sound=sine(440, 1, 16000, 0.01)[None], rate_hz=16000, audio_codec="pcm_f32le")
    nearly = clip("nearly.wav", n=None, sound=sine(440, 1, 16000, 0.0009)[None], rate_hz=16000, audio_codec="pcm_f32le")
    assert decode(silent).states == {"audio": "silent", "video": "present"}
    assert decode(quiet).states == {"audio": "present", "video": "absent"}
    assert decode(nearly).states["audio"] == "silent"
    assert decode(clip("mute.mp4", n=10)).states["audio"] == "absent"
