"""Towers on pictures beside transformers' own models: the scale of the pixels, the size of frames, and clips as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Dinov2Config, Dinov2Model
from transformers.image_utils import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    IMAGENET_STANDARD_MEAN,
    IMAGENET_STANDARD_STD,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from emollm.errors import ConfigError
from emollm.models import load
from emollm.models.build import build, tiny_spec
from emollm.models.towers import VIDEO_TOWERS, Tower

VISION = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
FRAMES = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)


def tower(name: str, tokens: str = "patches", **sizes: Any) -> Tower:
    torch.manual_seed(0)
    kind = VIDEO_TOWERS[name]
    return kind(CONFIG_MAPPING[kind.model_type](**{**VISION, **sizes}), tokens=tokens).eval()


def clips(frames: int) -> torch.Tensor:
    return torch.randn(1, frames, 3, 32, 32)


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("siglip", IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD),
        ("dinov2", IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD),
        ("videomae", IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD),
    ],
)
def test_pixels_reach_the_backbone_at_its_own_scale(processor: Any, name: str, mean: Any, std: Any) -> None:
    looks, seen = tower(name, num_frames=4), []
    looks.backbone.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    made = processor(videos=[FRAMES])
    looks(made["pixel_values_videos"], made["video_frame_mask"])
    pixels = torch.from_numpy(FRAMES).permute(0, 3, 1, 2) / 255  # (frames, 3, height, width)
    wanted = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(seen[0].view_as(wanted), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["siglip", "dinov2"])
def test_states_are_the_patches_of_transformers(name: str) -> None:
    looks, seen = tower(name), []
    looks.backbone.register_forward_hook(lambda module, args, out: seen.append(out.last_hidden_state))
    states, _ = looks(clips(3), torch.ones(1, 3))
    patches = seen[0][:, -16:]  # a class token, if there is one, comes first
    torch.testing.assert_close(states, patches.reshape(1, 3 * 16, 16))
    assert len(seen[0][0]) == 16 + (name == "dinov2")


def test_the_pooling_head_of_siglip_is_left_out() -> None:
    looks = tower("siglip")
    assert not any("head" in name for name, _ in looks.named_parameters())
    states, _ = looks(clips(2), torch.ones(1, 2))
    states.sum().backward()
    assert [name for name, parameter in looks.named_parameters() if parameter.grad is None] == []


def test_checkpoints_of_dinov2_are_brought_to_224_pixels(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = Dinov2Model(Dinov2Config(**{**VISION, "image_size": 518, "patch_size": 14})).eval()
    with torch.no_grad():
        source.embeddings.position_embeddings.normal_()
    source.save_pretrained(tmp_path / "dinov2")
    options = {"name": "dinov2", "tokens": "patches", "pool": 4}
    model, processor = build(tiny_spec(video=str(tmp_path / "dinov2"), video_tower=options))
    assert processor.frame_size == 224
    pixels = torch.randn(2, 3, 224, 224)
    looks = model.model.av_encoder.video_tower
    assert looks.tokens_per_frame == 16
    wanted = source(pixels).last_hidden_state
    torch.testing.assert_close(looks.backbone(pixels).last_hidden_state, wanted, atol=1e-5, rtol=1e-4)
    model.save_pretrained(tmp_path / "whole")
    processor.save_pretrained(tmp_path / "whole")
    again = load(tmp_path / "whole")[0].model.av_encoder.video_tower
    assert torch.equal(again.backbone(pixels).last_hidden_state, looks.backbone(pixels).last_hidden_state)


@pytest.mark.parametrize(("given", "real", "kept"), [(4, 4, [0, 1, 2, 3]), (4, 2, [0, 0, 1, 1]), (8, 8, [0, 2, 4, 6])])
def test_videomae_sees_its_own_number_of_frames(given: int, real: int, kept: list[int]) -> None:
    looks, frames = tower("videomae", num_frames=4, use_mean_pooling=False), clips(given)
    mask = torch.arange(given).unsqueeze(0) < real
    states, valid = looks(frames, mask)
    assert states.shape == (1, 2 * 16, 16)
    assert valid.all()
    wanted = looks.backbone(looks._normalise(frames)[:, kept]).last_hidden_state
    torch.testing.assert_close(states, wanted)


def test_videomae_rows_do_not_change_each_other() -> None:
    looks, frames = tower("videomae", num_frames=4), clips(4).expand(2, -1, -1, -1, -1)
    together, _ = looks(frames, torch.tensor([[True] * 3 + [False], [True] * 4]))
    for row, real in enumerate((3, 4)):
        torch.testing.assert_close(together[row : row + 1], looks(frames[:1, :real], torch.ones(1, real))[0])


def test_videomae_pools_each_step() -> None:
    fine, pooled = tower("videomae", num_frames=4), tower("videomae", tokens="pooled", num_frames=4)
    frames, mask = clips(4), torch.ones(1, 4)
    states, valid = pooled(frames, mask)
    assert pooled.tokens_per_frame == 1
    assert valid.shape == (1, 2)
    torch.testing.assert_close(states, fine(frames, mask)[0].unflatten(1, (2, 16)).mean(2))


@pytest.mark.parametrize("mean_pooling", [True, False])
def test_videomae_states_come_at_one_scale(mean_pooling: bool) -> None:
    looks = tower("videomae", num_frames=4, use_mean_pooling=mean_pooling)
    with torch.no_grad():
        looks.backbone.embeddings.patch_embeddings.projection.weight.mul_(100)
    states, _ = looks(clips(4), torch.ones(1, 4))
    torch.testing.assert_close(states.std(dim=-1, correction=0), torch.ones(1, 32), atol=1e-3, rtol=0)


def test_videomae_frames_that_do_not_fill_its_steps() -> None:
    with pytest.raises(ConfigError, match="num_frames=5"):
        tower("videomae", num_frames=5)
