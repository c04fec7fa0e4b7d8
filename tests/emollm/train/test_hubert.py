"""A HuBERT tower that trains in full beside LoRA, and one whose options do not exist."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from emollm.config import Recipe
from emollm.errors import ConfigError
from emollm.models.loading import load
from emollm.train.merge import merge, with_adapter
from emollm.train.native import spec_of
from emollm.train.sft import train

HUBERT = """model.audio={name: hubert, layers: 2, spec_augment: true, config: {hidden_size: 16, num_hidden_layers: 2,
    num_attention_heads: 2, intermediate_size: 32, conv_dim: [8, 8, 8, 8, 8, 8, 8], num_conv_pos_embeddings: 8,
    num_conv_pos_embedding_groups: 2, mask_time_length: 2, mask_time_prob: 0.5}}"""


def test_an_adapter_brings_the_whole_tower(make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = make_recipe(HUBERT, "stages.1.blocks.audio_tower=full")
    run = train(recipe)
    adapted = with_adapter(run / "checkpoints" / "polish")[0].merge_and_unload()
    finished, processor = load(run / "checkpoints" / "final")
    again, _ = load(merge(run / "checkpoints" / "polish", tmp_path / "merged", "float32"))
    started, _ = load(run / "checkpoints" / "full")
    key = "model.av_encoder.audio_tower.backbone.encoder.pos_conv_embed.conv.parametrizations.weight.original1"
    trained = finished.state_dict()
    assert not torch.equal(started.state_dict()[key], trained[key]), "the stage trained the tower"
    for model in (adapted, again):
        found = model.state_dict()
        assert all(torch.allclose(found[name], value, atol=1e-6) for name, value in trained.items())
    assert processor.audio_window_s == recipe.model.audio_window_s


def test_options_reach_the_towers(make_recipe: Callable[..., Recipe]) -> None:
    spec = spec_of(make_recipe(HUBERT, "model.video.tokens=patches", "model.video.pool=2").model, lambda: ["text"])
    assert spec.audio_tower == {"name": "hubert", "layers": 2, "spec_augment": True}
    assert spec.video_tower == {"name": "clip", "tokens": "patches", "pool": 2}
    with pytest.raises(ConfigError, match="no option layers"):
        train(make_recipe("model.audio.layers=2"))
