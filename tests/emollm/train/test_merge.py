"""One stand-alone checkpoint out of a run or an adapter, equal to the model with the adapter beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from emollm.config import Recipe
from emollm.errors import ConfigError
from emollm.models.loading import load
from emollm.train.merge import merge, with_adapter
from emollm.train.sft import train


@pytest.fixture
def batch(built: Any) -> dict[str, torch.Tensor]:
    rows = [
        {"record": i, "task": "labels", "question": -1, "audio": "present", "video": "present", "text": True}
        for i in range(4)
    ]
    return built.collator(rows)


@torch.no_grad()
def logits(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return model.eval()(**batch).logits


@pytest.mark.parametrize("first_stage", ["full", "lora"])
def test_merged_equals_unmerged(
    make_recipe: Callable[..., Recipe], batch: dict[str, torch.Tensor], tmp_path: Path, first_stage: str
) -> None:
    lora = ["stages.0.blocks.decoder=lora", "stages.0.lora={rank: 4, alpha: 8, dropout: 0.0}"]
    run = train(make_recipe(*(lora if first_stage == "lora" else [])))
    adapter = run / "checkpoints" / "polish"
    unmerged = logits(with_adapter(adapter)[0], batch)
    for source in (adapter, run):
        merged, _ = load(merge(source, tmp_path / source.name, "float32"))
        assert torch.allclose(logits(merged, batch), unmerged, atol=1e-4)
        told = tmp_path / source.name / "emollm.json"
        assert told.read_bytes() == (run / "checkpoints" / "final" / "emollm.json").read_bytes(), (
            "licences travel along"
        )
    base = logits(with_adapter(adapter)[0].unload(), batch)
    assert not torch.allclose(base, unmerged, atol=1e-3), "the adapter does something"


def test_refusals(make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a finished run nor an adapter"):
        merge(tmp_path, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ConfigError, match="not empty"):
        merge(tmp_path, tmp_path / "full")
    stray = tmp_path / "a" / "b" / "stray"
    stray.mkdir(parents=True)
    (stray / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="does not lie in its run folder"):
        merge(stray, tmp_path / "out")
