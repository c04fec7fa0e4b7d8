"""Soft prompts that are kept: the same logits as from media, each clip encoded once, never beside an encoder that learns."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from emollm.config import Recipe
from emollm.errors import EmoError
from emollm.models.modeling import ENCODER_BLOCKS, SOFT_PROMPTS
from emollm.run import read_metrics
from emollm.train.examples import Example
from emollm.train.sft import train
from emollm.train.soft_prompts import SoftPromptCollator

STATES = [(audio, video) for audio in ("present", "silent", "absent") for video in ("present", "black", "absent")]


@pytest.fixture
def frozen(built: Any) -> Any:
    model = deepcopy(built.model)
    model.set_trainable(dict.fromkeys(ENCODER_BLOCKS, "frozen"))
    return replace(built, model=model)


def rows_of(built: Any) -> list[dict[str, Any]]:
    """Every record, with every state of sound and picture that it can have."""
    whole = [Example(index, "labels") for index in range(8)]
    return [replace(one, audio=audio, video=video).to_row() for one in whole for audio, video in STATES]  # type: ignore[arg-type]


def test_logits_equal_those_from_media(frozen: Any) -> None:
    rows = rows_of(frozen)
    collator = SoftPromptCollator(frozen.collator, frozen.model, memory_gb=1.0)
    frozen.model.eval()
    with torch.no_grad():
        expected = frozen.model(**frozen.collator(rows)).logits
        for _ in range(2):  # from the encoder, then from memory
            batch = collator(rows)
            assert SOFT_PROMPTS in batch and "input_features" not in batch
            torch.testing.assert_close(frozen.model(**batch).logits, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("memory_gb", "calls"), [(1.0, 1), (0.0, 2)])
def test_a_clip_is_encoded_once_where_there_is_room(
    frozen: Any, monkeypatch: pytest.MonkeyPatch, memory_gb: float, calls: int
) -> None:
    encoder, seen = frozen.model.model.av_encoder, []
    forward = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda *media, **has: seen.append(has) or forward(*media, **has))
    collator = SoftPromptCollator(frozen.collator, frozen.model, memory_gb)
    for audio in ("present", "absent"):
        collator([Example(0, "labels", audio=audio).to_row()])  # type: ignore[arg-type]
    assert len(seen) == calls


def test_an_encoder_that_learns_is_refused(frozen: Any) -> None:
    frozen.model.set_trainable({"fusion": "full"})
    with pytest.raises(EmoError, match="cannot be kept while the encoder learns"):
        SoftPromptCollator(frozen.collator, frozen.model, memory_gb=1.0)


def test_soft_prompts_of_other_rows_are_refused(frozen: Any) -> None:
    batch = SoftPromptCollator(frozen.collator, frozen.model, memory_gb=1.0)(rows_of(frozen)[:9])
    batch[SOFT_PROMPTS] = batch[SOFT_PROMPTS].flip(0)
    with pytest.raises(EmoError, match="positions, the rows have"):
        frozen.model(**batch)


def test_training_on_kept_soft_prompts_is_the_same_training(make_recipe: Callable[..., Recipe]) -> None:
    blocks = "{" + ", ".join(f"{name}: frozen" for name in ENCODER_BLOCKS) + ", decoder: full}"
    losses = []
    for room_gb in (0, 1):
        folder: Path = train(
            make_recipe(f"name=room{room_gb}", f"data.soft_prompt_memory_gb={room_gb}", f"stages.0.blocks={blocks}")
        )
        losses.append([row["loss"] for row in read_metrics(folder) if "loss" in row])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
