"""Sixteen hand-made records that cover every case of modalities, and a recipe of a model with a quarter of a million parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from emollm.config import Recipe, load_recipe
from emollm.models.modeling import MEDIA_KEYS, EmoForConditionalGeneration, EmoModel
from emollm.models.processor import EmoProcessor
from emollm.models.towers import AUDIO_TOWERS, VIDEO_TOWERS
from emollm.records import Record, read_records, write_records
from emollm.synth.mp4 import write_clip
from emollm.synth.wording import explanation
from emollm.train.collate import Collator
from emollm.train.native import NativeBackbone
from emollm.train.sft import build_model, make_collator

RATE_HZ, SECONDS, FPS, SIDE = 16_000, 1.0, 8, 32
CASES = ("av", "av", "av", "av", "audio", "video", "text", "silent")
COLOURS = {"joyful": (230, 200, 40), "sad": (40, 60, 200)}


def write_media(path: Path, case: str, label: str) -> None:
    """Yellow and high for joyful, blue and low for sad."""
    samples = np.arange(int(RATE_HZ * SECONDS)) / RATE_HZ
    tone = 0.3 * np.sin(2 * np.pi * (880 if label == "joyful" else 220) * samples)
    sound = (np.zeros_like(tone) if case == "silent" else tone).astype(np.float32)
    picture = np.full((int(FPS * SECONDS), SIDE, SIDE, 3), COLOURS[label], np.uint8)
    write_clip(
        path,
        None if case == "audio" else picture,
        None if case == "video" else sound,
        fps=FPS,
        sample_rate_hz=RATE_HZ,
    )


def make_record(number: int, case: str, label: str, author: str) -> dict[str, Any]:
    """One record; its cues, explanation and question lean on what it has."""
    cues = [
        {"modality": "audio", "text": "voice is high", "start_s": 0.1, "end_s": 0.9, "supports": label},
        {"modality": "video", "text": "cheeks raised", "start_s": 0.2, "end_s": 0.8, "supports": label},
        {"modality": "text", "text": "words suggest a mood", "supports": label},
        {"modality": "video", "text": "head tilted", "start_s": 0.0, "end_s": 0.5},
    ]
    has = {"audio": case in ("av", "audio"), "video": case in ("av", "video", "silent"), "text": case != "silent"}
    cues = [cue for cue in cues if has[str(cue["modality"])]]
    suffix = "wav" if case == "audio" else "mp4"
    ref = {"path": f"media/{number}.{suffix}"}
    return {
        "id": f"hand:train:{number:02d}",
        "dataset": "hand",
        "media": {} if case == "text" else {"audio" if case == "audio" else "video": ref},
        "text": [{"text": f"i say number {number}"}] if has["text"] else [],
        "targets": {
            "labels_ov": [{"text": label}],
            "cues": cues,
            "description": [{"text": f"The person appears {label}.", "kind": "reasoning", "author": author}],
            "qa": [{"question": "What can be heard?", "answer": "A tone.", "needs": ["audio"]}],
        },
    }


@pytest.fixture(scope="session")
def records_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A records file with its media: eight cases, twice, alternately joyful and sad."""
    folder = tmp_path_factory.mktemp("records")
    (folder / "media").mkdir()
    rows = []
    for number in range(2 * len(CASES)):
        case = CASES[number % len(CASES)]
        label = ("joyful", "sad")[(number + number // len(CASES)) % 2]
        row = make_record(number, case, label, author="human" if number % 3 == 0 else "generator")
        if row["media"]:
            write_media(folder / next(iter(row["media"].values()))["path"], case, label)
        if row["targets"]["description"][0]["author"] == "generator":
            record = Record.model_validate(row)
            cues = [cue for cue in record.targets.cues or () if cue.supports]
            text = explanation([label], cues)
            row["targets"]["description"][0]["text"] = text
            row["targets"]["qa"].append({"question": "Why?", "answer": text})
        rows.append(Record.model_validate(row))
    write_records(folder / "records.jsonl", rows)
    write_recipe(folder / "records.jsonl", folder)
    return folder / "records.jsonl"


@pytest.fixture(scope="session")
def records(records_file: Path) -> list[Record]:
    return list(read_records(records_file))


def recipe_dict(records_file: Path, output: Path) -> dict[str, Any]:
    """A recipe with two stages: everything in full, then adapters and LoRA."""
    towers = {"audio_tower": "full", "video_tower": "full"}
    joints = {"audio_adapter": "full", "video_adapter": "full", "fusion": "full"}
    return {
        "name": "run",
        "model": {
            "audio": {
                "name": "whisper",
                "config": {
                    "d_model": 32,
                    "encoder_layers": 1,
                    "encoder_attention_heads": 2,
                    "encoder_ffn_dim": 64,
                    "num_mel_bins": 80,
                },
            },
            "video": {
                "name": "clip",
                "config": {
                    "hidden_size": 32,
                    "intermediate_size": 64,
                    "num_hidden_layers": 1,
                    "num_attention_heads": 2,
                    "image_size": 32,
                    "patch_size": 16,
                },
            },
            "text": {
                "config": {
                    "model_type": "qwen2",
                    "hidden_size": 64,
                    "intermediate_size": 128,
                    "num_hidden_layers": 2,
                    "num_attention_heads": 4,
                    "num_key_value_heads": 2,
                    "max_position_embeddings": 512,
                    "tie_word_embeddings": True,
                },
                "tokenizer": {"vocab_size": 500},
            },
            "adapter": {"audio_queries": 3, "video_queries": 4, "width": 32, "layers": 1, "heads": 2},
            "fusion": {"queries": 2},
            "frames": 4,
            "audio_window_s": 1.0,
        },
        "data": {"train": [str(records_file)]},
        "stages": [
            {
                "name": "full",
                "blocks": {**towers, **joints, "decoder": "full"},
                "tasks": {"labels": 1.0, "explain": 1.0, "ask": 0.5},
                "learning_rate": 3e-3,
                "batch_size": 8,
                "max_steps": 2,
                "max_length": 256,
            },
            {
                "name": "polish",
                "blocks": {"audio_tower": "frozen", "video_tower": "frozen", **joints, "decoder": "lora"},
                "lora": {"rank": 4, "alpha": 8, "dropout": 0.0},
                "tasks": {"labels": 1.0},
                "learning_rate": 3e-3,
                "batch_size": 8,
                "max_steps": 2,
                "max_length": 256,
            },
        ],
        "precision": "float32",
        "save": {"dtype": "float32"},
        "output": str(output),
    }


def write_recipe(records_file: Path, folder: Path) -> Path:
    """Write the recipe into a folder."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_dict(records_file, folder / "runs")), encoding="utf-8")
    return path


@pytest.fixture
def make_recipe(records_file: Path, tmp_path: Path) -> Callable[..., Recipe]:
    """Write the recipe into a file and read it with overrides."""
    path = write_recipe(records_file, tmp_path)
    return lambda *overrides: load_recipe(path, list(overrides))


@dataclass(frozen=True)
class Built:
    """The recipe's model before any training; tests that change it take a copy."""

    recipe: Recipe
    backbone: NativeBackbone
    model: EmoForConditionalGeneration
    processor: EmoProcessor
    collator: Collator


@pytest.fixture(scope="session")
def built(records_file: Path, records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Built:
    recipe = load_recipe(write_recipe(records_file, tmp_path_factory.mktemp("recipe")))
    backbone, model, processor = build_model(recipe, records)
    return Built(recipe, backbone, model, processor, make_collator(recipe, records, processor))


@dataclass
class Watch:
    """Every first pass over a prompt (ids, media, whether gradients flow; not the steps that follow in sampling), and clips encoded."""

    passes: list[dict[str, Any]] = field(default_factory=list)
    encoded: dict[str, int] = field(default_factory=lambda: {"audio": 0, "video": 0})


@pytest.fixture(scope="module")
def watched() -> Iterator[Watch]:
    """Watch every model of this process."""
    watch = Watch()
    forward = EmoModel.forward
    towers = {"audio": AUDIO_TOWERS["whisper"], "video": VIDEO_TOWERS["clip"]}

    def spy(self: Any, *args: Any, **kwargs: Any) -> Any:
        cache = kwargs.get("past_key_values")
        if cache is None or cache.get_seq_length() == 0:
            seen = {name: kwargs.get(name) for name in ("input_ids", *MEDIA_KEYS)}
            watch.passes.append({**seen, "learns": torch.is_grad_enabled(), "model": id(self)})
        return forward(self, *args, **kwargs)

    def counting(name: str) -> Callable[..., Any]:
        encode = towers[name].forward

        def count(self: Any, inputs: torch.Tensor, mask: torch.Tensor) -> Any:
            watch.encoded[name] += len(inputs)
            return encode(self, inputs, mask)

        return count

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmoModel, "forward", spy)
        for name, tower in towers.items():
            patch.setattr(tower, "forward", counting(name))
        yield watch
