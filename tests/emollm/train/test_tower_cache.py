"""States of frozen towers on disk: the same training, each clip encoded once over all runs, and never states that do not fit."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from emollm.config import Recipe, load_recipe
from emollm.errors import ConfigError, EmoError
from emollm.run import read_metrics
from emollm.train.examples import Example
from emollm.train.sft import train
from emollm.train.tower_cache import TowerCache, TowerCollator

TOWERS = {"audio_tower": "frozen", "video_tower": "frozen"}
STATES = [(audio, video) for audio in ("present", "silent", "absent") for video in ("present", "black", "absent")]


@pytest.fixture
def frozen(built: Any) -> Any:
    model = deepcopy(built.model).eval()
    model.set_trainable(TOWERS)
    return replace(built, model=model)


def rows_of(built: Any) -> list[dict[str, Any]]:
    """Every record, with every state of sound and picture that it can have."""
    whole = [Example(index, "labels") for index in range(8)]
    return [replace(one, audio=audio, video=video).to_row() for one in whole for audio, video in STATES]  # type: ignore[arg-type]


def count_calls(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of rows of each call of a tower's backbone."""
    rows: list[int] = []
    for tower in (model.model.av_encoder.audio_tower, model.model.av_encoder.video_tower):
        forward = tower.forward
        monkeypatch.setattr(tower, "forward", lambda x, mask, run=forward: rows.append(len(x)) or run(x, mask))
    return rows


def test_logits_equal_those_from_media(frozen: Any, tmp_path: Path) -> None:
    rows = rows_of(frozen)
    cache = TowerCache(frozen.model.model.av_encoder, 1.0, tmp_path)
    with torch.no_grad():
        expected = frozen.model(**frozen.collator(rows)).logits
        for _ in range(2):  # from the towers, then from disk
            with cache.in_use():
                logits = frozen.model(**TowerCollator(frozen.collator, cache)(rows)).logits
            torch.testing.assert_close(logits, expected, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(frozen.model(**frozen.collator(rows)).logits, expected)


def test_each_clip_is_encoded_once_over_all_runs(frozen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = count_calls(frozen.model, monkeypatch)
    rows = [Example(0, "labels").to_row(), Example(0, "explain").to_row(), Example(1, "labels").to_row()]
    for _ in range(2):
        TowerCollator(frozen.collator, TowerCache(frozen.model.model.av_encoder, 1.0, tmp_path))(rows)
    assert seen == [2, 2], "two clips, sound and picture, the first time only"


def change_weights(model: Any, collator: Any) -> None:
    with torch.no_grad():
        next(model.model.av_encoder.audio_tower.parameters()).mul_(1.01)
        next(model.model.av_encoder.video_tower.parameters()).mul_(1.01)


def change_format(model: Any, collator: Any) -> None:
    for tower in (model.model.av_encoder.audio_tower, model.model.av_encoder.video_tower):
        tower.double()


def change_decoding(model: Any, collator: Any) -> None:
    collator.clips.reader = replace(collator.clips.reader, max_side_px=48)


@pytest.mark.parametrize("change", [change_weights, change_format, change_decoding])
def test_states_of_something_else_are_not_used(
    frozen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any, Any], None]
) -> None:
    collator = deepcopy(frozen.collator)
    seen = count_calls(frozen.model, monkeypatch)
    rows = [Example(0, "labels").to_row()]
    TowerCollator(collator, TowerCache(frozen.model.model.av_encoder, 1.0, tmp_path))(rows)
    change(frozen.model, collator)
    TowerCollator(collator, TowerCache(frozen.model.model.av_encoder, 1.0, tmp_path))(rows)
    assert len(seen) == 4


def test_nothing_is_written_beyond_the_limit(frozen: Any, tmp_path: Path) -> None:
    small = TowerCache(frozen.model.model.av_encoder, 1e-7, tmp_path)
    batch = TowerCollator(frozen.collator, small)([Example(0, "labels").to_row()])
    assert batch["input_features"].any() and not list(tmp_path.rglob("*.safetensors"))


def test_a_damaged_file_is_made_again(frozen: Any, tmp_path: Path) -> None:
    rows = [Example(0, "labels").to_row()]
    cache = TowerCache(frozen.model.model.av_encoder, 1.0, tmp_path)
    whole = TowerCollator(frozen.collator, cache)(rows)
    for path in tmp_path.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:50])
    again = TowerCollator(frozen.collator, cache)(rows)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_tower_that_learns_is_refused(frozen: Any, tmp_path: Path, make_recipe: Callable[..., Recipe]) -> None:
    frozen.model.set_trainable({"audio_tower": "full"})
    with pytest.raises(EmoError, match="states of the audio tower cannot be kept while it learns"):
        TowerCache(frozen.model.model.av_encoder, 1.0, tmp_path)
    with pytest.raises(ConfigError, match=r"data\.tower_cache_gb.*towers are frozen"):
        make_recipe(
            "data.tower_cache_gb=1",
            "stages.1.blocks.audio_tower=full",
            "stages.1.blocks.decoder=full",
            "stages.1.lora=null",
        )


def test_training_from_the_cache_is_the_same_training(
    records_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stage 0 trains the towers and goes without; stage 1 (LoRA) uses it, the second run finds all of it."""
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    losses, written = [], []
    for name, room_gb in (("without", 0), ("filling", 1), ("full", 1)):
        call = [f"output={tmp_path}", f"name={name}", f"data.tower_cache_gb={room_gb}", f"data.dev={records_file}"]
        folder = train(load_recipe(records_file.parent / "recipe.yaml", call))
        losses.append([row.get("loss", row.get("dev_loss")) for row in read_metrics(folder)])
        written.append(
            {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "towers").rglob("*.safetensors")}
        )
    assert losses[0] == pytest.approx(losses[1], rel=1e-4) and losses[1] == losses[2]
    assert (tmp_path / "cache" / "towers").stat().st_mode & 0o777 == 0o700
    assert not written[0] and written[1] and written[1] == written[2]
