"""Losses of adapters and fusion reach the training, in the right measure, and the log."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from emollm.config import Recipe
from emollm.models.adapters import AdapterOutput
from emollm.models.adapters.resampler import Resampler
from emollm.models.fusion import FusionOutput
from emollm.models.fusion.attention import AttentionFusion
from emollm.run import read_metrics
from emollm.train.auxiliary import own_losses
from emollm.train.sft import train


@pytest.fixture
def drawn_to_zero(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Adapters and fusion that draw their own weights to zero; the weight of that can be set."""
    weight = [1.0]
    adapt, fuse = Resampler.forward, AttentionFusion.forward

    def pull(block: torch.nn.Module) -> torch.Tensor:
        return weight[0] * torch.stack([parameter.square().sum() for parameter in block.parameters()]).sum()

    monkeypatch.setattr(
        Resampler, "forward", lambda self, *states: AdapterOutput(adapt(self, *states), {"pull": pull(self)})
    )
    monkeypatch.setattr(
        AttentionFusion, "forward", lambda self, *states: FusionOutput(fuse(self, *states).tokens, {"pull": pull(self)})
    )
    yield weight


def queries(folder: Path) -> torch.Tensor:
    """The audio adapter's queries after the first stage."""
    return load_file(folder / "checkpoints/full/model.safetensors")["model.av_encoder.audio_adapter.queries.weight"]


def test_own_losses_are_trained_and_logged(make_recipe: Callable[..., Recipe], drawn_to_zero: list[float]) -> None:
    sizes = []
    for drawn_to_zero[0] in (0.0, 1.0):
        folder = train(make_recipe(f"name=weight{drawn_to_zero[0]:.0f}", "stages.0.max_steps=4"))
        sizes.append(queries(folder).norm().item())
        rows = [row for row in read_metrics(folder) if "loss" in row]
        for block in ("audio_adapter", "video_adapter", "fusion"):
            assert all((row[f"aux/{block}/pull"] > 0) == (drawn_to_zero[0] > 0) for row in rows)
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize(("weight", "part"), [(0.0, 1), (0.01, 4)])
def test_accumulated_batches_are_the_whole_batch(
    make_recipe: Callable[..., Recipe], drawn_to_zero: list[float], weight: float, part: int
) -> None:
    """Eight rows at once or in parts; own losses are means, so each part needs a row with sound and one with picture."""
    drawn_to_zero[0] = weight
    found = []
    for size in (8, part):
        changes = ["stages.0.max_steps=3", f"stages.0.batch_size={size}", "stages.0.group_by_length=false"]
        folder = train(make_recipe(f"name=by{size}", *changes, f"stages.0.gradient_accumulation={8 // size}"))
        found.append(queries(folder))
    torch.testing.assert_close(found[0], found[1], atol=2e-4, rtol=0)


def test_forward_passes_without_gradients_do_not_count(built: Any, drawn_to_zero: list[float]) -> None:
    rows = [{"record": 0, "task": "labels", "question": -1, "audio": "present", "video": "present", "text": True}]
    batch = built.collator(rows)
    with own_losses(built.model) as found:
        with torch.no_grad():
            built.model(**batch)
        assert not found
        built.model(**batch)
    assert set(found) == {"audio_adapter/pull", "video_adapter/pull", "fusion/pull"}
