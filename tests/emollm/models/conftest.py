"""One tiny random model for the whole folder, and rows that cover every case of modalities."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from emollm.models.build import build, tiny_spec

CASES = ("clip", "audio", "video", "text", "short clip")
RATE_HZ = 16_000


def make_row(processor: Any, case: str, answer: str | None = None) -> dict[str, Any]:
    """Text, sound and frames of one row; its media depend on the case alone."""
    seed = np.random.default_rng(CASES.index(case))
    sound = "clip" in case or case == "audio"
    picture = "clip" in case or case == "video"
    seconds, frames = (0.4, 2) if case == "short clip" else (1.0, 4)
    blocks = [{"type": "audio"}] * sound + [{"type": "video"}] * picture
    messages = [{"role": "user", "content": [*blocks, {"type": "text", "text": f"what does this {case} express"}]}]
    if answer is not None:
        messages.append({"role": "assistant", "content": answer})
    return {
        "text": processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer is None),
        "audio": seed.normal(size=int(seconds * RATE_HZ)).astype(np.float32) * 0.1 if sound else None,
        "videos": seed.integers(0, 255, (frames, 24, 40, 3), dtype=np.uint8) if picture else None,
    }


@pytest.fixture(scope="session")
def parts() -> tuple[Any, Any]:
    """A model with visible random weights (larger than the usual start) and its processor; never changed by a test."""
    torch.manual_seed(0)
    model, processor = build(tiny_spec())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.mul_(3)
    return model, processor


@pytest.fixture
def model(parts: tuple[Any, Any]) -> Any:
    """A fresh copy of the model."""
    return copy.deepcopy(parts[0])


@pytest.fixture(scope="session")
def processor(parts: tuple[Any, Any]) -> Any:
    """The model's processor."""
    return parts[1]


@pytest.fixture(scope="session")
def batch(processor: Any) -> Callable[..., dict[str, torch.Tensor]]:
    """Make a left-padded batch of the named cases."""

    def make(*cases: str, answer: str | None = None) -> dict[str, torch.Tensor]:
        rows = [make_row(processor, case, answer) for case in cases]
        return dict(processor(**{key: [row[key] for row in rows] for key in rows[0]}, padding_side="left"))

    return make
