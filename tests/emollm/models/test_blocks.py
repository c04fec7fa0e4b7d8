"""Towers, adapters and fusion one by one: shapes, masks, and what happens when nothing is valid."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from emollm.errors import ConfigError
from emollm.models.adapters import ADAPTERS, Adapter
from emollm.models.choose import make
from emollm.models.decoders import DECODERS
from emollm.models.fusion import FUSIONS
from emollm.models.fusion.qformer import positions
from emollm.models.spans import span_means
from emollm.models.towers import AUDIO_TOWERS, VIDEO_TOWERS, Tower

VISION = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
ADAPTER_NAMES = pytest.mark.parametrize("name", ["resampler", "qformer", "linear"])
FUSION_NAMES = pytest.mark.parametrize("name", ["attention", "conv_attention", "qformer"])
FRAME_TOWERS = pytest.mark.parametrize("name", ["clip", "dinov2", "siglip"])


def adapter_of(name: str, **options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    sizes = {} if name == "linear" else {"width": 8, "heads": 2}
    spec = {"name": name, "queries": 3, **sizes, **options}
    return make("adapter", ADAPTERS, spec, in_width=5, out_width=7).eval()


def fusion_of(name: str, **options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    spec = {"name": name, "queries": 3, "width": 8, **options}
    return make("fusion", FUSIONS, spec, audio_width=5, video_width=6, out_width=7).eval()


def frame_tower(name: str, **options: Any) -> Tower:
    torch.manual_seed(0)
    kind = VIDEO_TOWERS[name]
    return kind(CONFIG_MAPPING[kind.model_type](**VISION), **options).eval()


@ADAPTER_NAMES
def test_adapters_read_valid_steps_only(name: str) -> None:
    adapter, states = adapter_of(name), torch.randn(2, 9, 5)
    mask = torch.tensor([[True] * 4 + [False] * 5, [True] * 9])
    tokens = adapter(states, mask)
    assert tokens.shape == (2, 3, 7)
    torch.testing.assert_close(tokens[:1], adapter(states[:1, :4], mask[:1, :4]))
    assert (tokens[:1] - adapter(states[:1], torch.ones(1, 9))).abs().max() > 1e-4


@pytest.mark.parametrize(
    "block",
    [*map(adapter_of, ("resampler", "qformer", "linear")), *map(fusion_of, ("attention", "conv_attention", "qformer"))],
    ids=lambda block: type(block).__name__,
)
def test_a_row_without_valid_steps_is_finite_forward_and_backward(block: torch.nn.Module) -> None:
    audio, video = torch.randn(2, 9, 5, requires_grad=True), torch.randn(2, 4, 6, requires_grad=True)
    nothing = torch.zeros(2, 9, dtype=torch.bool), torch.zeros(2, 4, dtype=torch.bool)
    alone = isinstance(block, Adapter)
    tokens = block(audio, nothing[0]) if alone else block(audio, nothing[0], video, nothing[1]).tokens
    tokens.square().sum().backward()
    assert torch.isfinite(tokens).all()
    grads = [parameter.grad for parameter in block.parameters()]
    assert all(grad is not None and torch.isfinite(grad).all() for grad in grads)
    assert torch.isfinite(audio.grad).all()


@ADAPTER_NAMES
def test_queries_are_told_apart(name: str) -> None:
    tokens = adapter_of(name)(torch.randn(1, 9, 5), torch.ones(1, 9))
    assert (tokens[:, 0] - tokens[:, 1]).abs().max() > 1e-4


@pytest.mark.parametrize("softmax", [True, False])
def test_attention_weighs_two_pooled_vectors(softmax: bool) -> None:
    fusion = fusion_of("attention", softmax=softmax)
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


@FUSION_NAMES
def test_fusions_read_valid_steps_only(name: str) -> None:
    fusion, audio, video = fusion_of(name), torch.randn(1, 9, 5), torch.randn(1, 4, 6)
    masks = torch.tensor([[True] * 3 + [False] * 6]), torch.tensor([[True, True, False, False]])
    short = fusion(audio[:, :3], masks[0][:, :3], video[:, :2], masks[1][:, :2]).tokens
    assert short.shape == (1, 3, 7)
    torch.testing.assert_close(fusion(audio, masks[0], video, masks[1]).tokens, short, atol=1e-5, rtol=1e-4)


@FUSION_NAMES
def test_fusions_read_both_streams(name: str) -> None:
    fusion, audio, video = fusion_of(name), torch.randn(1, 9, 5), torch.randn(1, 4, 6)
    masks = torch.ones(1, 9), torch.ones(1, 4)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.mul_(2)
        tokens = fusion(audio, masks[0], video, masks[1]).tokens
        for other in (fusion(-audio, masks[0], video, masks[1]), fusion(audio, masks[0], -video, masks[1])):
            assert (other.tokens - tokens).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["conv_attention", "qformer"])
def test_when_in_the_clip_matters_to_fusions_over_streams(name: str) -> None:
    """The order of sound, and what of it stands beside which picture."""
    fusion, audio, video = fusion_of(name), torch.randn(1, 9, 5), torch.randn(1, 4, 6)
    masks = torch.ones(1, 9), torch.ones(1, 4)
    tokens = fusion(audio, masks[0], video, masks[1]).tokens
    assert (fusion(audio.flip(1), masks[0], video, masks[1]).tokens - tokens).abs().max() > 1e-3


def test_positions_are_shares_of_the_clip() -> None:
    """Streams of other rates, and rows beside longer ones, agree on when something is."""
    fast, slow = positions(torch.ones(1, 99), 8)[0], positions(torch.ones(1, 33), 8)[0]
    torch.testing.assert_close(fast[1::3], slow, atol=1e-4, rtol=0)  # the middle one of three steps
    padded = positions(torch.tensor([[True] * 33 + [False] * 7]), 8)[0, :33]
    torch.testing.assert_close(padded, slow)
    apart = (slow.unsqueeze(0) - slow.unsqueeze(1)).norm(dim=-1) + torch.eye(33)
    assert apart.min() > 1e-2


def test_streams_are_brought_to_one_number_of_steps() -> None:
    ramp = torch.arange(6.0).view(1, 6, 1)
    assert span_means(ramp, torch.ones(1, 6), 3).flatten().tolist() == [0.5, 2.5, 4.5]
    assert span_means(ramp, torch.tensor([[True] * 2 + [False] * 4]), 4).flatten().tolist() == [0, 0, 1, 1]
    assert span_means(ramp, torch.tensor([[True] * 3 + [False] * 3]), 2).flatten().tolist() == [0.5, 1.5]
    assert span_means(ramp, torch.zeros(1, 6), 2).flatten().tolist() == [0, 0]


def test_conv_attention_without_softmax_is_the_released_form() -> None:
    streams = torch.randn(1, 9, 5), torch.ones(1, 9), torch.randn(1, 4, 6), torch.ones(1, 4)
    free, summed = fusion_of("conv_attention"), fusion_of("conv_attention", softmax=True)
    weights = []
    for fusion in (free, summed):
        fusion.norm.register_forward_hook(lambda module, args, out: weights.append(args[0]))
        fusion(*streams)
    assert (weights[0] - weights[1]).abs().max() > 1e-3


def test_cross_attention_of_some_layers_only() -> None:
    every, second = adapter_of("qformer", layers=3), adapter_of("qformer", layers=3, cross_every=2)
    assert [layer.has_cross_attention for layer in every.qformer.encoder.layer] == [True] * 3
    assert [layer.has_cross_attention for layer in second.qformer.encoder.layer] == [True, False, True]


def test_dropout_of_a_qformer_is_off_unless_asked_for() -> None:
    states, mask = torch.randn(1, 9, 5), torch.ones(1, 9)
    still, dropping = adapter_of("qformer").train(), adapter_of("qformer", dropout=0.5).train()
    assert torch.equal(still(states, mask), still(states, mask))
    assert not torch.equal(dropping(states, mask), dropping(states, mask))


def test_no_fusion_gives_no_tokens() -> None:
    fusion = make("fusion", FUSIONS, {"name": "none"}, audio_width=5, video_width=6, out_width=7)
    assert fusion(torch.randn(2, 9, 5), None, torch.randn(2, 4, 6), None).tokens.shape == (2, 0, 7)


@pytest.mark.parametrize(
    ("options", "tokens"), [({}, 1), ({"tokens": "patches"}, 16), ({"tokens": "patches", "pool": 2}, 4)]
)
@FRAME_TOWERS
def test_states_and_mask_of_frames(name: str, options: dict[str, Any], tokens: int) -> None:
    tower = frame_tower(name, **options)
    pixels = torch.randn(2, 3, 3, 32, 32)
    mask = torch.tensor([[True, True, False], [True] * 3])
    states, valid = tower(pixels, mask)
    assert states.shape == (2, 3 * tokens, 16)
    assert valid.tolist() == [[True] * 2 * tokens + [False] * tokens, [True] * 3 * tokens]
    one, _ = tower(pixels[1:, 2:], mask[1:, 2:])  # frames are encoded one by one, in order
    torch.testing.assert_close(states[1:, 2 * tokens :], one)


@FRAME_TOWERS
def test_pooled_patches_keep_their_place(name: str) -> None:
    fine, coarse = frame_tower(name, tokens="patches"), frame_tower(name, tokens="patches", pool=2)
    coarse.load_state_dict(fine.state_dict())
    pixels, mask = torch.randn(1, 1, 3, 32, 32), torch.ones(1, 1)
    states = fine(pixels, mask)[0]
    torch.testing.assert_close(coarse(pixels, mask)[0][:, 1], states[:, [2, 3, 6, 7]].mean(1))  # upper right square


@pytest.mark.parametrize("options", [{"tokens": "all"}, {"tokens": "patches", "pool": 3}, {"pool": 2}, {"pool": 0}])
@pytest.mark.parametrize("name", ["clip", "dinov2", "siglip", "videomae"])
def test_options_of_video_towers_that_do_not_fit_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="video tower"):
        frame_tower(name, **options)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "resample", "queries": 3}, "did you mean 'resampler'"),
        ({"queries": 3}, "has no name"),
        ({"name": "resampler", "queries": 3, "depth": 2}, "no option depth"),
        ({"name": "resampler"}, "needs queries"),
        ({"name": "resampler", "queries": 0}, "queries=0"),
        ({"name": "resampler", "queries": 3, "width": 9, "heads": 2}, "heads=2"),
        ({"name": "qformer", "queries": 0}, "queries=0"),
        ({"name": "qformer", "queries": 3, "width": 9, "heads": 2}, "heads=2"),
        ({"name": "qformer", "queries": 3, "dropout": 1.0}, "dropout=1.0"),
    ],
)
def test_wrong_block_specifications_say_what_is_wrong(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make("adapter", ADAPTERS, spec, in_width=5, out_width=7)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "conv_attention", "queries": 0}, "queries=0"),
        ({"name": "qformer", "queries": 2, "width": 9, "heads": 3}, "width=9"),
        ({"name": "qformer", "queries": 2, "width": 8, "heads": 3}, "heads=3"),
    ],
)
def test_wrong_fusions_say_what_is_wrong(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make("fusion", FUSIONS, spec, audio_width=5, video_width=6, out_width=7)


@pytest.mark.parametrize("table", [AUDIO_TOWERS, VIDEO_TOWERS, ADAPTERS, FUSIONS, DECODERS])
def test_every_method_but_none_has_a_citation(table: dict[str, Any]) -> None:
    for name, block in table.items():
        assert name == "none" or block.citation.startswith("@"), name
