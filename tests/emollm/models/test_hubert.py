"""Towers on waveforms: what they share with transformers, what padding must not change, and the whole model around HuBERT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel, AutoModelForCTC, HubertConfig, Wav2Vec2FeatureExtractor
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from emollm.errors import ConfigError, EmoError
from emollm.models import load
from emollm.models.build import build, tiny_spec
from emollm.models.loading import cast_weights
from emollm.models.processor import EmoProcessor
from emollm.models.towers import AUDIO_TOWERS, AudioTower
from emollm.models.towers.hubert import HubertTower

SIZES = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
STILL = dict.fromkeys(
    ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout", "layerdrop"), 0
)
BASE = {"feat_extract_norm": "group"}  # hubert-base
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}  # hubert-large
KINDS = pytest.mark.parametrize(
    "kind",
    [{"model_type": name, **size} for name in ("hubert", "wavlm", "wav2vec2") for size in (BASE, LARGE)],
    ids=lambda kind: f"{kind['model_type']}-{'large' if 'conv_bias' in kind else 'base'}",
)
WAVE = np.random.default_rng(0).normal(size=24_000).astype(np.float32)


def config(kind: dict[str, Any], **sizes: Any) -> Any:
    """The backbone's configuration; HuBERT's where the kind does not say."""
    sizes = {"model_type": "hubert", **SIZES, **sizes, **kind}
    return CONFIG_MAPPING[sizes.pop("model_type")](**sizes)


def tower(kind: dict[str, Any], **options: Any) -> AudioTower:
    """A random tower whose weights are large enough to see differences."""
    torch.manual_seed(0)
    made = AUDIO_TOWERS[kind.get("model_type", "hubert")](config(kind, **STILL), **options).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "norm" not in name and parameter.ndim > 1:
                parameter.normal_(std=0.3)
    return made


def rows(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Waveforms of some lengths, as the extractor makes them."""
    extractor = HubertTower.make_extractor(HubertConfig())
    made = extractor([WAVE[:n] for n in lengths], sampling_rate=16_000, padding="longest",
                     return_attention_mask=True, return_tensors="pt")  # fmt: skip
    return made["input_values"], made["attention_mask"].bool()


def hubert_spec(**changes: Any) -> Any:
    sizes = {"model_type": "hubert", **SIZES, **BASE}
    return tiny_spec(**{"audio": sizes, "audio_tower": {"name": "hubert"}, "audio_window_s": 1.0, **changes})


@KINDS
def test_without_padding_the_states_are_those_of_transformers(kind: dict[str, Any]) -> None:
    inputs, mask = rows(16_000)
    one, three = tower(kind), tower(kind, layers=3)
    theirs = one.backbone(inputs, attention_mask=mask, output_hidden_states=True)
    states, valid = one(inputs, mask)
    assert states.shape == (1, 49, 16)
    assert valid.all()
    torch.testing.assert_close(states, theirs.last_hidden_state)
    wanted = torch.stack([*theirs.hidden_states[-3:-1], theirs.last_hidden_state]).mean(0)
    torch.testing.assert_close(three(inputs, mask)[0], wanted)
    assert (wanted - states).abs().max() > 1e-2


@KINDS
def test_the_rows_beside_it_do_not_change_a_row(kind: dict[str, Any]) -> None:
    hears, lengths = tower(kind, layers=2), (24_000, 9_000, 16_000)
    together, valid = hears(*rows(*lengths))
    for row, length in enumerate(lengths):
        alone, _ = hears(*rows(length))
        assert int(valid[row].sum()) == alone.shape[1]
        torch.testing.assert_close(together[row, : alone.shape[1]], alone[0], atol=1e-4, rtol=1e-4)


@KINDS
def test_a_moment_of_sound_gives_one_state(kind: dict[str, Any]) -> None:
    hears = tower(kind)
    assert hears.least == 400, "25 ms"
    alone, valid = hears(*rows(100))
    assert alone.shape == (1, 1, 16)
    together, mask = hears(*rows(100, 16_000))
    assert valid.sum(1).tolist() == [1]
    assert mask.sum(1).tolist() == [1, 49]
    torch.testing.assert_close(together[0, :1], alone[0], atol=1e-4, rtol=1e-4)


def test_steps_are_masked_in_training_only_and_only_if_wanted() -> None:
    inputs, mask = rows(16_000, 16_000)
    masking = {**BASE, "mask_time_prob": 0.5, "mask_time_length": 2, "mask_feature_prob": 0.5}
    plain, augmented = tower(masking), tower(masking, spec_augment=True)
    still = plain(inputs, mask)[0]
    assert torch.equal(plain.train()(inputs, mask)[0], still)
    assert torch.equal(augmented(inputs, mask)[0], still)
    assert not torch.equal(augmented.train()(inputs, mask)[0], still)
    assert (plain.fixed, augmented.fixed) == (("backbone.masked_spec_embed",), ())


def test_layers_behind_the_encoder_are_refused() -> None:
    with pytest.raises(ConfigError, match="add_adapter"):
        tower({"model_type": "wav2vec2", "add_adapter": True})


@pytest.mark.parametrize("layers", [0, 4])
def test_layers_that_are_not_there(layers: int) -> None:
    with pytest.raises(ConfigError, match=f"layers={layers}"):
        tower(BASE, layers=layers)


def test_sound_is_cut_at_the_window_and_padded_to_the_longest_row() -> None:
    _, processor = build(hubert_spec())
    made = processor(audio=[WAVE, None, WAVE[:500]])
    assert made["input_features"].shape == made["input_features_mask"].shape == (3, 16_000)
    assert made["input_features_mask"].sum(1).tolist() == [16_000, 0, 500]
    assert not made["input_features"][2, 500:].any()
    torch.testing.assert_close(made["input_features"][0].std(), torch.tensor(1.0), atol=1e-3, rtol=0)
    assert processor(audio=[WAVE[:800]])["input_features"].shape == (1, 800)


def test_a_waveform_extractor_needs_a_window() -> None:
    with pytest.raises(EmoError, match="no window of its own"):
        build(hubert_spec(audio_window_s=None))


def test_a_log_mel_window_can_be_shortened_but_not_stretched() -> None:
    _, processor = build(tiny_spec(audio_window_s=0.5))
    made = processor(audio=[WAVE])
    assert made["input_features"].shape == (1, 80, 100)
    assert made["input_features_mask"].sum() == 50
    with pytest.raises(EmoError, match="window of sound"):
        build(tiny_spec(audio_window_s=2.0))


def test_processors_saved_before_windows_were_saved(processor: Any, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    file = tmp_path / "processor_config.json"
    saved = json.loads(file.read_text())
    assert saved.pop("audio_window_s") == 1.0
    file.write_text(json.dumps(saved))
    assert EmoProcessor.from_pretrained(tmp_path).audio_window_s == 1.0


@KINDS
@pytest.mark.parametrize("head", [False, True])
def test_a_pretrained_tower_arrives_unchanged_and_survives_saving(
    kind: dict[str, Any], head: bool, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    auto = AutoModelForCTC if head else AutoModel
    source = auto.from_config(config(kind, vocab_size=8))
    source.save_pretrained(tmp_path / "waves")
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(tmp_path / "waves")
    spec = hubert_spec(audio=str(tmp_path / "waves"), audio_tower={"name": kind["model_type"], "layers": 2})
    model, processor = build(spec)
    assert processor.feature_extractor.do_normalize is False, "as the checkpoint says"
    wanted = source.base_model.state_dict()
    model.save_pretrained(tmp_path / "whole")
    processor.save_pretrained(tmp_path / "whole")
    again, reread = load(tmp_path / "whole")
    assert reread.audio_window_s == 1.0
    assert again.model.av_encoder.audio_tower.layers == 2
    for found in (model, again):
        for key, value in found.model.av_encoder.audio_tower.backbone.state_dict().items():
            assert torch.equal(value, wanted[key]), key
    rows = {"audio": [WAVE], "text": ["<|audio|>why"]}
    assert torch.equal(model(**processor(**rows)).logits, again(**reread(**rows)).logits)


def test_equal_seeds_give_equal_towers_and_every_weight_is_set() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build(hubert_spec())[0].model.av_encoder.audio_tower.state_dict())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert all(torch.isfinite(value).all() and value.abs().max() < 10 for value in states[0].values())
    assert {key for key, value in states[0].items() if value.ndim > 1 and value.std() == 0} == set()


def test_the_model_answers_a_row_alone_as_in_a_batch_and_learns() -> None:
    torch.manual_seed(0)
    model, processor = build(hubert_spec(audio={"model_type": "hubert", **SIZES, **STILL, **BASE}))
    frames = np.random.default_rng(1).integers(0, 255, (4, 24, 40, 3), dtype=np.uint8)
    texts, sounds, pictures = ["<|audio|>why", "<|clip|>why", "why"], [WAVE, WAVE[:7000], None], [None, frames, None]
    batch = processor(text=texts, audio=sounds, videos=pictures, padding_side="left")
    with torch.no_grad():
        together = model(**batch).logits[:, -1]
        for row, (text, sound, picture) in enumerate(zip(texts, sounds, pictures, strict=True)):
            alone = model(**processor(text=[text], audio=[sound], videos=[picture])).logits[0, -1]
            torch.testing.assert_close(together[row], alone, atol=1e-4, rtol=1e-4)
    model.set_trainable(dict.fromkeys(("audio_tower", "video_tower", "audio_adapter", "fusion", "decoder"), "full"))
    model.train()
    model(**batch, labels=batch["input_ids"]).loss.backward()
    hears = model.model.av_encoder.audio_tower
    assert {name for name, p in hears.named_parameters() if p.grad is None} == {"backbone.masked_spec_embed"}
    model.zero_grad()
    model.set_trainable({"audio_tower": "frozen"})
    assert not any(module.training for module in hears.modules())


def test_casting_weights_leaves_buffers_alone() -> None:
    model, _ = build(tiny_spec())
    rotary = model.model.language_model.rotary_emb
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    cast_weights(model, torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16} == {model.dtype}
    assert rotary.inv_freq.dtype == torch.float32
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    assert model.lm_head.weight is model.get_input_embeddings().weight, "tied weights stay tied"
    cast_weights(model, torch.float32)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_half_precision_weights_hear_waveforms() -> None:
    half, (inputs, mask) = tower(BASE), rows(16_000)
    cast_weights(half, torch.bfloat16)
    states, _ = half(inputs, mask)
    assert states.dtype == torch.bfloat16
    theirs = half.backbone(inputs.bfloat16(), attention_mask=mask).last_hidden_state
    assert nn.functional.cosine_similarity(states.float().flatten(), theirs.float().flatten(), dim=0) > 0.999
