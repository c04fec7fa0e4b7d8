"""What stops a run is told with what to do, and nothing half-written stays."""

import errno
import json
from collections.abc import Callable
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from trl import SFTTrainer

from emollm.config import Recipe
from emollm.errors import EmoError
from emollm.train.collate import Collator
from emollm.train.sft import train

SAVED = ["save.every_steps=1", "stages.0.max_steps=3"]


def test_a_loss_that_is_no_number_keeps_its_batch(
    make_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes in the second half of the second step; the batch of the first half was all right."""
    recipe = make_recipe(*SAVED, "stages.0.batch_size=4", "stages.0.gradient_accumulation=2")
    rows: list[Any] = []
    compute, pairs, factors = SFTTrainer.compute_loss, Collator.pairs, iter([1.0, 1.0, 1.0, float("nan")])
    monkeypatch.setattr(SFTTrainer, "compute_loss", lambda *args: compute(*args) * next(factors))
    monkeypatch.setattr(Collator, "pairs", lambda self, batch: rows.append(batch) or pairs(self, batch))
    with pytest.raises(EmoError, match=r"the loss is nan in stage 'full'; the batch is hand:train:") as told:
        train(recipe)
    kept = json.loads((recipe.folder / "odd_batch.json").read_text())
    assert [{key: value for key, value in row.items() if key != "id"} for row in kept["batch"]] == rows[3]
    assert {row["id"] for row in kept["batch"]} == {f"hand:train:{row['record']:02d}" for row in rows[3]}
    assert "lower learning_rate" in str(told.value)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), None])
def test_memory_that_runs_out_is_told_in_numbers(
    make_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    def too_much(*args: Any, **kwargs: Any) -> None:
        if error is not None:
            raise error
        torch.empty(10**15)  # what torch itself says without a GPU

    monkeypatch.setattr("trl.SFTTrainer.compute_loss", too_much)
    with pytest.raises(EmoError, match=r"memory ran out: 8 examples of up to \d+ tokens at a time") as told:
        train(make_recipe("stages.0.gradient_accumulation=3"))
    text = str(told.value)
    assert "stages.0.batch_size=4 stages.0.gradient_accumulation=6" in text
    assert "stages.0.gradient_checkpointing=true" in text and "stages.0.max_length=" in text


def test_another_error_is_left_alone(make_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a shape is wrong")

    monkeypatch.setattr("trl.SFTTrainer.compute_loss", broken)
    with pytest.raises(RuntimeError, match="a shape is wrong"):
        train(make_recipe())


def test_a_full_disk_is_told_and_the_run_goes_on(
    make_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the second step that is saved; the first is whole."""
    save, calls = torch.save, iter(range(5))

    def full(*args: Any, **kwargs: Any) -> None:
        if next(calls) == 4:  # optimiser, schedule and random states of the first, arguments
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(EmoError, match=r"the disk is full: .* GB are free") as told:
        patch.setattr(torch, "save", full)
        train(make_recipe(*SAVED))
    assert "resume=auto" in str(told.value)
    folder = make_recipe(*SAVED).folder / "checkpoints" / "full"
    assert [path.name for path in folder.glob("checkpoint-*")] == ["checkpoint-1"]
    assert not (folder / ".part").exists(), "what was half-written makes room"
    train(make_recipe(*SAVED, "resume=auto"))


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (GatedRepoError, "asks for permission"),
        (RepositoryNotFoundError, "neither a folder nor a name on the hub"),
        (ConnectionError, "the hub does not answer, and this is not on the disk"),
    ],
)
def test_a_part_that_cannot_be_had(
    make_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, error: type[Exception], what: str
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise error.__new__(error)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    recipe = make_recipe("model.audio={name: whisper, path: nobody/no-such-tower}")
    with pytest.raises(EmoError, match=what) as told:
        train(recipe)
    assert "model.audio.path: nobody/no-such-tower" in str(told.value)
