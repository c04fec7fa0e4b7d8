"""Words by a recogniser: only where somebody speaks, in pieces that it can hear at once."""

from pathlib import Path

import pytest

from emollm.errors import ConfigError
from emollm.media.transcribe import Heard, Whisper, check_recogniser, stretches, transcribe
from tests.emollm.speaking import RATE_HZ, talk


class Scripted:
    """Says what it is told to, and keeps what it heard."""

    name = "scripted"

    def __init__(self, *words: str) -> None:
        self.words, self.heard = iter(words), []

    def __call__(self, samples, sample_rate_hz):
        self.heard.append(len(samples) / sample_rate_hz)
        return Heard(next(self.words), "en")


def test_words_of_speech():
    line = transcribe(
        talk(("silence", 2), ("voice", 2), ("silence", 2)), RATE_HZ, recogniser := Scripted(" Well then. ")
    )
    assert (line.text, line.kind, line.source, line.lang) == ("Well then.", "asr", "scripted", "en")
    assert recogniser.heard == pytest.approx([2.3], abs=0.15)


def test_nobody_is_asked_about_silence():
    recogniser = Scripted("Thanks for watching!")
    assert transcribe(talk(("silence", 5)), RATE_HZ, recogniser) is None
    assert recogniser.heard == []


def test_recogniser_that_hears_no_words():
    assert transcribe(talk(("voice", 2), ("silence", 1)), RATE_HZ, Scripted("  ")) is None


def test_long_talk_is_given_in_pieces_cut_at_pauses():
    parts = [("voice", 12), ("silence", 2)] * 3
    line = transcribe(talk(*parts), RATE_HZ, recogniser := Scripted("One.", "Two."))
    assert line.text == "One. Two."
    assert recogniser.heard == pytest.approx([26.3, 12.3], abs=0.3)


def test_stretches_are_never_too_long_and_lose_nothing():
    pieces = list(stretches([(0, 65), (66, 67), (120, 121)]))
    assert pieces == [(0, 30), (30, 60), (60, 67), (120, 121)]


def test_whisper_of_the_real_architecture_writes_something(tiny_whisper: Path):
    """Random weights: what it says means nothing, that it runs end to end from a folder does."""
    recogniser, sound = Whisper(str(tiny_whisper)), talk(("voice", 1))
    line = transcribe(sound, RATE_HZ, recogniser)
    assert line.source == f"whisper:{tiny_whisper}"
    assert line.text and line == transcribe(sound, RATE_HZ, recogniser)


def test_what_is_no_whisper_is_refused(tiny_whisper: Path, tmp_path: Path):
    check_recogniser(str(tiny_whisper))
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    for model, what in ((tmp_path, "this is qwen2, not Whisper"), (tmp_path / "nothing", "no checkpoint")):
        with pytest.raises(ConfigError, match=what):
            check_recogniser(str(model))
