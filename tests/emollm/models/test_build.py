"""Composition from pretrained parts and from configurations; opening saved folders; refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2ForImageClassification,
    SiglipModel,
    VideoMAEForPreTraining,
    VideoMAEForVideoClassification,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
    WavLMForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from emollm.errors import ConfigError, EmoError
from emollm.models import load, weights_sha256
from emollm.models.build import build, tiny_spec
from emollm.models.configuration import MEDIA_TOKENS
from emollm.models.decoders import DECODERS
from emollm.models.tokens import train_tokenizer

WAVES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "codevector_dim": 8, "proj_codevector_dim": 8,
}  # fmt: skip
VISION = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
CLIPS = {"model_type": "videomae", "num_frames": 4, "decoder_hidden_size": 16, "decoder_num_hidden_layers": 1,
         "decoder_num_attention_heads": 2, "decoder_intermediate_size": 16, "intermediate_size": 32, **VISION}  # fmt: skip
# Checkpoints with heads of their own: name -> class and sizes. The name begins with the tower's.
HEADED: dict[str, tuple[Any, dict[str, Any]]] = {
    "wav2vec2": (Wav2Vec2ForPreTraining, {"model_type": "wav2vec2", **WAVES}),
    "wavlm": (WavLMForSequenceClassification, {"model_type": "wavlm", "use_weighted_layer_sum": True, **WAVES}),
    "siglip": (SiglipModel, {"model_type": "siglip", "text_config": {"hidden_size": 16, "intermediate_size": 16,
               "num_hidden_layers": 1, "num_attention_heads": 1}, "vision_config": {"intermediate_size": 32, **VISION}}),
    "dinov2": (Dinov2ForImageClassification, {"model_type": "dinov2", **VISION, "image_size": 224, "patch_size": 14}),
    "videomae": (VideoMAEForPreTraining, {**CLIPS, "use_mean_pooling": False}),
    "videomae-classes": (VideoMAEForVideoClassification, CLIPS),
}  # fmt: skip
TEXTS = ["she sounds happy at 1.25 seconds", "he looks sad, then angry"] * 20


def inline(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "model_type"}


def config_of(sizes: dict[str, Any]) -> Any:
    return CONFIG_MAPPING[sizes["model_type"]](**inline(sizes))


def changes_of(part: str, path: Path) -> dict[str, Any]:
    """What a specification says to take one part from a checkpoint."""
    name = {"clip": "clip", "vision": "clip", "qwen": "qwen2"}.get(path.name, path.name.split("-")[0])
    if part == "text":
        return {"text": str(path), "decoder": name, "tokenizer": None}
    return {part: str(path), f"{part}_tower": {"name": name}, "audio_window_s": 1.0}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved checkpoints of the three parts, CLIP once whole and once as its vision part."""
    torch.manual_seed(1)
    spec, root = tiny_spec(), tmp_path_factory.mktemp("parts")
    WhisperForConditionalGeneration(WhisperConfig(**inline(spec.audio))).save_pretrained(root / "whisper")
    WhisperFeatureExtractor(chunk_length=1).save_pretrained(root / "whisper")
    vision = CLIPVisionConfig(**inline(spec.video))
    words = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    CLIPModel(CLIPConfig(text_config=words, vision_config=vision.to_dict())).save_pretrained(root / "clip")
    CLIPVisionModel(vision).save_pretrained(root / "vision")
    for name, decoder in (("qwen", "qwen2"), ("qwen3", "qwen3"), ("llama", "llama")):
        plain = train_tokenizer(TEXTS, 300, decoder)
        sizes = {**spec.text, "model_type": decoder, "vocab_size": len(plain), "head_dim": 16}
        AutoModelForCausalLM.from_config(config_of(sizes)).save_pretrained(root / name)
        plain.save_pretrained(root / name)
    for name, (kind, sizes) in HEADED.items():
        kind(config_of(sizes)).save_pretrained(root / name)
        if "conv_dim" in sizes:
            Wav2Vec2FeatureExtractor().save_pretrained(root / name)
    return {path.name: path for path in root.iterdir()}


@pytest.mark.parametrize("video", ["clip", "vision"])
def test_pretrained_parts_arrive_unchanged_and_survive_saving(
    checkpoints: dict[str, Path], video: str, tmp_path: Path
) -> None:
    model, processor = build(
        tiny_spec(
            audio=str(checkpoints["whisper"]),
            video=str(checkpoints[video]),
            text=str(checkpoints["qwen"]),
            tokenizer=None,
        )
    )
    encoder = model.model.av_encoder
    whisper = load_file(checkpoints["whisper"] / "model.safetensors")
    clip = load_file(checkpoints[video] / "model.safetensors")
    qwen = load_file(checkpoints["qwen"] / "model.safetensors")
    prefix = "vision_model." if video == "clip" else ""
    for key, value in encoder.audio_tower.backbone.state_dict().items():
        assert torch.equal(value, whisper[f"model.encoder.{key}"]), key
    for key, value in encoder.video_tower.backbone.state_dict().items():
        assert torch.equal(value, clip[prefix + key]), key
    for key, value in model.model.language_model.state_dict().items():
        assert torch.equal(value, qwen[f"model.{key}"]), key
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, _ = load(tmp_path)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("part", "name"),
    [("audio", "wav2vec2"), ("audio", "wavlm"), ("video", "siglip"), ("video", "dinov2"), ("video", "videomae"),
     ("video", "videomae-classes"), ("text", "qwen3"), ("text", "llama")],
)  # fmt: skip
def test_parts_of_checkpoints_with_other_heads_arrive_unchanged(
    checkpoints: dict[str, Path], part: str, name: str
) -> None:
    model, _ = build(tiny_spec(**changes_of(part, checkpoints[name])))
    whole = AutoModelForCausalLM if part == "text" else HEADED[name][0]
    saved = whole.from_pretrained(checkpoints[name]).state_dict()
    held = model.model.language_model if part == "text" else getattr(model.model.av_encoder, f"{part}_tower").backbone
    for key, value in held.state_dict().items():
        theirs = [tensor for known, tensor in saved.items() if f".{known}".endswith(f".{key}")]
        assert any(torch.equal(value, tensor) for tensor in theirs), key


def test_equal_seeds_give_equal_models_and_every_weight_is_set() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build(tiny_spec())[0].state_dict())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert all(torch.isfinite(value).all() and value.abs().max() < 10 for value in states[0].values())
    constant = {key for key, value in states[0].items() if value.ndim > 1 and value.std() == 0}
    assert constant == set()


def test_media_tokens_are_added_and_start_at_the_mean() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(
        models.BPE(vocab={c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[])
    )
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    control = list(DECODERS["qwen2"].control_tokens)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token=control[0], extra_special_tokens=control[1:])
    assert len(tokenizer) == 259
    spec = tiny_spec()
    for held, wanted in ((259, 263), (320, 320)):  # grown to fit; padded rows are kept, never shrunk
        model, processor = build(tiny_spec(tokenizer=tokenizer, text={**spec.text, "vocab_size": held}))
        weight = model.get_input_embeddings().weight
        assert weight.shape[0] == model.config.text_config.vocab_size == model.lm_head.out_features == wanted
        if held == 259:
            ids = [processor.tokenizer.get_vocab()[token] for token in MEDIA_TOKENS]
            assert ids == [259, 260, 261, 262]
            torch.testing.assert_close(weight[ids], weight[:259].mean(0).expand(4, -1))
            config = model.config
            assert ids == [config.audio_token_id, config.video_token_id, config.clip_token_id, config.av_pad_token_id]
        assert processor.tokenizer.tokenize("a<|clip|><|av_pad|>b") == ["a", "<|clip|>", "<|av_pad|>", "b"]


def test_small_tokenizer_knows_every_byte_and_keeps_digits_apart() -> None:
    tokenizer = train_tokenizer(TEXTS, 320)
    text = '{"start_s":1.25}\n\té 日本 🙂'
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.tokenize("125") == ["1", "2", "5"]
    assert train_tokenizer(TEXTS, 320).get_vocab() == tokenizer.get_vocab()
    assert len(tokenizer.tokenize(" happy")) < 6
    with pytest.raises(ConfigError, match="cannot hold all bytes"):
        train_tokenizer(TEXTS, 200)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokenizer": None}, "no tokenizer"),
        ({"decoder": "qwen"}, "did you mean 'qwen"),
        ({"audio": {"d_model": 8}}, "model_type=None"),
        ({"audio_tower": {"name": "hubart"}}, "did you mean 'hubert'"),
        ({"audio_tower": {"name": "hubert"}}, "'hubert' with model_type='whisper'"),
        ({"fusion": {"name": "none", "queries": 2}}, "no option queries"),
    ],
)
def test_wrong_specifications_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(tiny_spec(**changes))


def test_a_window_of_sound_that_does_not_fit_is_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    WhisperFeatureExtractor(chunk_length=2).save_pretrained(tmp_path / "other")
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "other" / name).symlink_to(checkpoints["whisper"] / name)
    with pytest.raises(EmoError, match="window of sound"):
        build(tiny_spec(audio=str(tmp_path / "other")))


def edit(folder: Path, change: str) -> None:
    """Spoil the weights of a folder in one way."""
    tensors = load_file(folder / "model.safetensors")
    inner = ("fc1.weight", "up_proj.weight", "intermediate_dense.weight", "intermediate.dense.weight")
    key = max(key for key in tensors if key.endswith(inner))
    if change == "missing":
        del tensors[key]
    elif change == "unexpected":
        tensors["extra.weight"] = torch.zeros(2)
    else:
        tensors[key] = torch.zeros(3, 3)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "said"),
    [("missing", "1 missing:\n  .*up_proj.weight"), ("unexpected", "1 unexpected:\n  extra.weight"),
     ("mismatched", r"1 of the wrong shape:\n  .*up_proj.weight: \(3, 3\) instead of")],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused_with_their_keys(
    model: Any, processor: Any, tmp_path: Path, change: str, said: str
) -> None:
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    edit(tmp_path, change)
    with pytest.raises(EmoError, match=said):
        load(tmp_path)


@pytest.mark.parametrize("change", ["missing", "unexpected", "mismatched"])
@pytest.mark.parametrize(
    ("part", "name"),
    [("audio", "whisper"), ("audio", "wav2vec2"), ("audio", "wavlm"), ("video", "clip"), ("video", "siglip"),
     ("video", "dinov2"), ("video", "videomae"), ("text", "qwen"), ("text", "qwen3"), ("text", "llama")],
)  # fmt: skip
def test_pretrained_parts_that_do_not_fit_are_refused(
    checkpoints: dict[str, Path], tmp_path: Path, part: str, name: str, change: str
) -> None:
    import shutil

    folder = tmp_path / name
    shutil.copytree(checkpoints[name], folder)
    edit(folder, change)
    with pytest.raises(EmoError, match="do not fit"):
        build(tiny_spec(**changes_of(part, folder)))


def test_only_safetensors_are_read(model: Any, processor: Any, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(OSError, match="safetensors"):
        load(tmp_path)


def test_a_processor_of_another_model_is_refused(model: Any, processor: Any, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    _, other = build(tiny_spec(num_frames=3, fusion={"name": "none"}))
    other.save_pretrained(tmp_path)
    with pytest.raises(EmoError, match="disagree on fusion_queries, num_frames"):
        load(tmp_path)


def test_weights_sha256_follows_the_tensors(model: Any, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        if name == "c":
            with torch.no_grad():
                model.lm_head.weight[0, 0] += 1
        model.save_pretrained(tmp_path / name)
    hashes = [weights_sha256(tmp_path / name) for name in ("a", "b", "c")]
    assert hashes[0] == hashes[1] != hashes[2]
    with pytest.raises(EmoError, match="no safetensors"):
        weights_sha256(tmp_path)


def test_fresh_parts_start_as_their_own_libraries_start_them():
    """transformers passes over modules without weights of their own in custom code; Whisper's positions would be noise."""
    from transformers.models.whisper.modeling_whisper import sinusoids

    model, _ = build(tiny_spec())
    encoder = model.model.av_encoder
    positions = encoder.audio_tower.backbone.embed_positions.weight
    torch.testing.assert_close(positions, sinusoids(*positions.shape))
    config = model.config.video_config
    query = encoder.video_tower.backbone.encoder.layers[0].self_attn.q_proj.weight
    assert query.std().item() == pytest.approx((2 * config.num_hidden_layers * config.hidden_size) ** -0.5, rel=0.1)


def test_fresh_adapters_can_tell_states_apart():
    """Positions at the scale of the states and sharp attention: two places of a frame get clearly different weight."""
    model, _ = build(tiny_spec())
    adapter = model.model.av_encoder.video_adapter
    assert adapter.place_positions.weight.std().item() == pytest.approx(1.0, rel=0.2)
    layer = adapter.adapter.layers[0]
    states = torch.randn(1, 64, layer.query.in_features)
    queries = layer.query(layer.norm_queries(adapter.adapter.queries.weight))
    keys = layer.key_value(layer.norm_states(states))[0, :, : layer.query.in_features]
    heads = layer.heads
    logits = torch.einsum("qhd,khd->hqk", queries.unflatten(1, (heads, -1)), keys.unflatten(1, (heads, -1)))
    logits = logits / (layer.query.in_features / heads) ** 0.5
    assert 2.0 < logits.std().item() < 12.0


@pytest.mark.parametrize("name", ["qformer", "conv_attention"])
def test_fresh_blocks_give_soft_prompts_of_about_unit_scale(name: str) -> None:
    """The usual start of linear layers, 0.02, would give a whisper: it is made for models ten times as wide."""
    torch.manual_seed(0)
    adapter = {"name": "qformer", "queries": 4, "width": 32, "heads": 2}
    model, _ = build(tiny_spec(audio_adapter=adapter, fusion={"name": name, "queries": 4, "width": 16}))
    encoder = model.model.av_encoder
    audio, video = torch.randn(8, 20, 32), torch.randn(8, 9, 32)
    masks = torch.ones(8, 20), torch.ones(8, 9)
    for tokens in (encoder.audio_adapter(audio, masks[0]), encoder.fusion(audio, masks[0], video, masks[1]).tokens):
        assert 0.3 < tokens.std().item() < 3
    if name == "qformer":
        assert encoder.fusion.kinds.weight.std().item() == pytest.approx(1.0, rel=0.4)
