"""A random model saved as users have one, and clips of a second or less."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model with visible random weights: 4 frames of 32 pixels, 1 s of sound."""
    import torch

    from emollm.models.build import build, tiny_spec

    torch.set_num_threads(1)  # the model is so small that a second thread only waits
    folder = tmp_path_factory.mktemp("random")
    torch.manual_seed(2)  # greedy answers of this one differ from clip to clip
    model, processor = build(tiny_spec())
    model.config.text_config.max_position_embeddings = 1024
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name and name.startswith("model.language_model"):
                parameter.mul_(6)  # about 1 / sqrt(width): what the decoder writes then depends on what it reads
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    (folder / "emollm.json").write_text(json.dumps({"name": "random", "valid_for": "synthetic"}))
    return folder


@pytest.fixture(scope="session")
def omni_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Save a tiny model of an omni family, once a session: `omni_folder("qwen2_5_omni")`."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            from emollm.models.omni.tiny import tiny

            made[family] = tmp_path_factory.mktemp(family)
            for part in tiny(family):
                part.save_pretrained(made[family])
        return made[family]

    return folder


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a Whisper of random weights: it writes a word or two, which mean nothing."""
    import torch
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    folder = tmp_path_factory.mktemp("whisper")
    torch.manual_seed(0)
    tokenizer = WhisperTokenizer(vocab={chr(code): code - 33 for code in range(33, 127)}, merges=[])
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
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def _write(path: Path, *, picture: bool, sound: bool, seconds: float, loudness: float, brightness: int) -> Path:
    import av
    import numpy as np

    noise = np.random.default_rng(seconds.as_integer_ratio()[0] + brightness)
    with av.open(str(path), "w") as out:
        video = audio = None
        if picture:
            video = out.add_stream("mpeg4", rate=10)
            video.width = video.height = 32
            video.pix_fmt = "yuv420p"
        if sound:
            audio = out.add_stream("pcm_s16le" if path.suffix == ".wav" else "aac", rate=16000, layout="mono")
        if video is not None:
            for _ in range(round(seconds * 10)):
                pixels = noise.integers(0, brightness + 1, (32, 32, 3)).astype(np.uint8)
                out.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            out.mux(video.encode(None))
        if audio is not None:
            wave = noise.normal(size=round(seconds * 16000)) * loudness * 32767
            for start in range(0, len(wave), 1024):
                part = np.clip(wave[None, start : start + 1024], -32768, 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 16000, start
                out.mux(audio.encode(frame))
            out.mux(audio.encode(None))
    return path


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Write a clip of noise into the test's folder: `make_clip("a.mp4", sound=False)`."""

    def make(name: str = "clip.mp4", **options: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        usual = {"picture": path.suffix != ".wav", "sound": True, "seconds": 0.8, "loudness": 0.1, "brightness": 255}
        return _write(path, **(usual | options))

    return make
