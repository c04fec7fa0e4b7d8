"""Towers, adapters and fusion one by one: shapes, masks, and what happens when nothing is valid."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import CLIPVisionConfig

from emollm.errors import ConfigError
from emollm.models.adapters import ADAPTERS
from emollm.models.choose import make
from emollm.models.decoders import DECODERS
from emollm.models.fusion import FUSIONS
from emollm.models.towers import AUDIO_TOWERS, VIDEO_TOWERS
from emollm.models.towers.clip import ClipTower

CLIP = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8}


def resampler(**options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    spec = {"name": "resampler", "queries": 3, "width": 8, "heads": 2, **options}
    return make("adapter", ADAPTERS, spec, in_width=5, out_width=7)


def attention(**options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    spec = {"name": "attention", "queries": 3, "width": 8, **options}
    return make("fusion", FUSIONS, spec, audio_width=5, video_width=6, out_width=7)


def test_resampler_reads_valid_steps_only() -> None:
    adapter, states = resampler(), torch.randn(2, 9, 5)
    mask = torch.tensor([[True] * 4 + [False] * 5, [True] * 9])
    tokens = adapter(states, mask)
    assert tokens.shape == (2, 3, 7)
    torch.testing.assert_close(tokens[:1], adapter(states[:1, :4], mask[:1, :4]))
    assert (tokens[:1] - adapter(states[:1], torch.ones(1, 9))).abs().max() > 1e-4


@pytest.mark.parametrize("kind", ["adapter", "fusion"])
def test_a_row_without_valid_steps_is_finite_forward_and_backward(kind: str) -> None:
    audio, video = torch.randn(2, 9, 5, requires_grad=True), torch.randn(2, 4, 6, requires_grad=True)
    nothing = torch.zeros(2, 9, dtype=torch.bool), torch.zeros(2, 4, dtype=torch.bool)
    block = resampler() if kind == "adapter" else attention()
    tokens = block(audio, nothing[0]) if kind == "adapter" else block(audio, nothing[0], video, nothing[1]).tokens
    tokens.square().sum().backward()
    assert torch.isfinite(tokens).all()
    grads = [parameter.grad for parameter in block.parameters()]
    assert all(grad is not None and torch.isfinite(grad).all() for grad in grads)
    assert torch.isfinite(audio.grad).all()


def test_resampler_queries_are_told_apart() -> None:
    tokens = resampler()(torch.randn(1, 9, 5), torch.ones(1, 9))
    assert (tokens[:, 0] - tokens[:, 1]).abs().max() > 1e-4


@pytest.mark.parametrize("softmax", [True, False])
def test_attention_weighs_two_pooled_vectors(softmax: bool) -> None:
    fusion = attention(softmax=softmax)
    audio, video = torch.randn(2, 9, 5), torch.randn(2, 4, 6)
    masks = torch.ones(2, 9), torch.ones(2, 4)
    weights = []
    fusion.weigh.register_forward_hook(lambda module, args, out: weights.append(out))
    output = fusion(audio, masks[0], video, masks[1])
    assert output.tokens.shape == (2, 3, 7)
    assert output.losses == {}
    raw = weights[0].unflatten(1, (3, 2))
    raw = raw.softmax(-1) if softmax else raw
    pooled = torch.stack([fusion.project_audio(audio.mean(1)), fusion.project_video(video.mean(1))], 1)
    wanted = fusion.project_out(fusion.norm(raw @ pooled + fusion.offsets.weight))
    torch.testing.assert_close(output.tokens, wanted)


def test_attention_reads_valid_steps_only() -> None:
    fusion, audio, video = attention(), torch.randn(1, 9, 5), torch.randn(1, 4, 6)
    masks = torch.tensor([[True] * 3 + [False] * 6]), torch.tensor([[True, True, False, False]])
    short = fusion(audio[:, :3], masks[0][:, :3], video[:, :2], masks[1][:, :2]).tokens
    torch.testing.assert_close(fusion(audio, masks[0], video, masks[1]).tokens, short)


def test_no_fusion_gives_no_tokens() -> None:
    fusion = make("fusion", FUSIONS, {"name": "none"}, audio_width=5, video_width=6, out_width=7)
    assert fusion(torch.randn(2, 9, 5), None, torch.randn(2, 4, 6), None).tokens.shape == (2, 0, 7)


@pytest.mark.parametrize(
    ("options", "tokens"), [({}, 1), ({"tokens": "patches"}, 16), ({"tokens": "patches", "pool": 2}, 4)]
)
def test_clip_states_and_mask(options: dict[str, Any], tokens: int) -> None:
    tower = ClipTower(CLIPVisionConfig(**CLIP, image_size=32), **options).eval()
    pixels = torch.randn(2, 3, 3, 32, 32)
    mask = torch.tensor([[True, True, False], [True] * 3])
    states, valid = tower(pixels, mask)
    assert states.shape == (2, 3 * tokens, 16)
    assert valid.tolist() == [[True] * 2 * tokens + [False] * tokens, [True] * 3 * tokens]
    one, _ = tower(pixels[1:, 2:], mask[1:, 2:])  # frames are encoded one by one, in order
    torch.testing.assert_close(states[1:, 2 * tokens :], one)


def test_pooled_patches_keep_their_place() -> None:
    torch.manual_seed(0)
    config = CLIPVisionConfig(**CLIP, image_size=32)
    fine, coarse = ClipTower(config, tokens="patches").eval(), ClipTower(config, tokens="patches", pool=2).eval()
    coarse.load_state_dict(fine.state_dict())
    pixels, mask = torch.randn(1, 1, 3, 32, 32), torch.ones(1, 1)
    states = fine(pixels, mask)[0]
    torch.testing.assert_close(coarse(pixels, mask)[0][:, 1], states[:, [2, 3, 6, 7]].mean(1))  # upper right square


@pytest.mark.parametrize("options", [{"tokens": "all"}, {"tokens": "patches", "pool": 3}, {"pool": 2}, {"pool": 0}])
def test_clip_options_that_do_not_fit_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="video tower"):
        ClipTower(CLIPVisionConfig(**CLIP, image_size=32), **options)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "resample", "queries": 3}, "did you mean 'resampler'"),
        ({"queries": 3}, "has no name"),
        ({"name": "resampler", "queries": 3, "depth": 2}, "no option depth"),
        ({"name": "resampler"}, "needs queries"),
        ({"name": "resampler", "queries": 0}, "queries=0"),
        ({"name": "resampler", "queries": 3, "width": 9, "heads": 2}, "heads=2"),
    ],
)
def test_wrong_block_specifications_say_what_is_wrong(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make("adapter", ADAPTERS, spec, in_width=5, out_width=7)


@pytest.mark.parametrize("table", [AUDIO_TOWERS, VIDEO_TOWERS, ADAPTERS, FUSIONS, DECODERS])
def test_every_method_but_none_has_a_citation(table: dict[str, Any]) -> None:
    for name, block in table.items():
        assert name == "none" or block.citation.startswith("@"), name
