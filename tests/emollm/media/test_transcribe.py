"""Words by a recogniser: only where somebody speaks, in pieces that it can hear at once."""

from pathlib import Path

import numpy as np
import pytest

from emollm.media.transcribe import Heard, Whisper, stretches, transcribe

RATE_HZ = 16000


class Scripted:
    """Says what it is told to, and keeps what it heard."""

    name = "scripted"

    def __init__(self, *words: str) -> None:
        self.words, self.heard = iter(words), []

    def __call__(self, samples, sample_rate_hz):
        self.heard.append(len(samples) / sample_rate_hz)
        return Heard(next(self.words), "en")


def talk(*parts: tuple[str, float]) -> np.ndarray:
    """Voice and silence of these lengths; the voice's loudness moves as syllables do."""
    pieces = []
    for kind, seconds in parts:
        at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        wave = sum(np.sin(2 * np.pi * 140 * k * at) / k for k in range(1, 8)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at))
        pieces.append(0.1 * wave * (kind == "voice"))
    return np.concatenate(pieces).astype(np.float32)


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


def test_whisper_of_the_real_architecture_writes_something(tmp_path: Path):
    """Random weights: what it says means nothing, that it runs end to end from a folder does."""
    import torch
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    torch.manual_seed(0)
    vocab = {chr(code): code - 33 for code in range(33, 127)}
    tokenizer = WhisperTokenizer(vocab=vocab, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|startoftranscript|>", "<|notimestamps|>"]})
    end, start = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|startoftranscript|>"])
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_target_positions=16,
        pad_token_id=end, bos_token_id=end, eos_token_id=end, decoder_start_token_id=start,
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config.max_length = 12
    model.save_pretrained(tmp_path)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(tmp_path)
    recogniser, sound = Whisper(str(tmp_path)), talk(("voice", 1))
    line = transcribe(sound, RATE_HZ, recogniser)
    assert line.source == f"whisper:{tmp_path}"
    assert line.text and set(line.text) <= set(vocab) and line == transcribe(sound, RATE_HZ, recogniser)
