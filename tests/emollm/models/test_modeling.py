"""The model through its public door: batches, caches, gradients, saving, and the guards against silent failures."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoProcessor
from transformers.modeling_layers import GradientCheckpointingLayer

from emollm.errors import ConfigError, EmoError
from emollm.models import load, register
from emollm.models.build import build, tiny_spec
from emollm.models.modeling import BLOCKS, ENCODER_BLOCKS, MEDIA_KEYS, modules_to_save, parameters_by_block

Batch = Callable[..., dict[str, torch.Tensor]]
ALL_CASES = ("clip", "audio", "video", "text", "short clip")
ANSWER = '{"labels":["happy"]}'
COMBINATIONS = pytest.mark.parametrize(
    "parts",
    ["usual", "wavlm siglip qformer qwen3", "wav2vec2 dinov2 conv_attention llama", "hubert videomae"],
    indirect=True,
)


def train_step(model: Any, inputs: dict[str, torch.Tensor]) -> None:
    model.train()
    model(**inputs, labels=inputs["input_ids"]).loss.backward()


@torch.no_grad()
def last_logits(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return model.eval()(**inputs, logits_to_keep=1).logits[:, -1]


# --- equality ---------------------------------------------------------------------------------------------------------


@COMBINATIONS
def test_a_batch_of_all_cases_equals_single_rows(model: Any, batch: Batch) -> None:
    together = last_logits(model, batch(*ALL_CASES))
    alone = torch.cat([last_logits(model, batch(case)) for case in ALL_CASES])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    assert (together[0] - together[4]).abs().max() > 1e-2  # the rows do differ


@COMBINATIONS
def test_padding_of_sound_and_frames_is_not_read(model: Any, batch: Batch) -> None:
    inputs = batch("short clip")
    before = last_logits(model, inputs)
    assert not inputs["video_frame_mask"].all()
    inputs["pixel_values_videos"][~inputs["video_frame_mask"]] = 100.0
    torch.testing.assert_close(last_logits(model, inputs), before)


@COMBINATIONS
@pytest.mark.parametrize("name", ["input_features", "pixel_values_videos"])
def test_media_change_the_answer(model: Any, batch: Batch, name: str) -> None:
    inputs = batch("clip")
    before = last_logits(model, inputs)
    inputs[name] = inputs[name].flip(-1)
    assert (last_logits(model, inputs) - before).abs().max() > 1e-3


@COMBINATIONS
def test_the_order_of_frames_matters(model: Any, batch: Batch) -> None:
    inputs = batch("video")
    before = last_logits(model, inputs)
    inputs["pixel_values_videos"] = inputs["pixel_values_videos"].flip(1)
    assert (last_logits(model, inputs) - before).abs().max() > 1e-4


@COMBINATIONS
def test_cached_decoding_equals_uncached_and_encodes_once(model: Any, batch: Batch) -> None:
    inputs, calls = batch(*ALL_CASES), []
    model.model.av_encoder.register_forward_hook(lambda *_: calls.append(1))
    model.eval()
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    cached = model.generate(**inputs, **options)
    assert len(calls) == 1
    torch.testing.assert_close(model.generate(**inputs, **options, use_cache=False), cached)
    assert len(calls) == 7


def test_media_tokens_are_never_sampled(model: Any, batch: Batch) -> None:
    config, inputs = model.config, batch("text")
    media = [config.audio_token_id, config.video_token_id, config.clip_token_id, config.av_pad_token_id]
    with torch.no_grad():
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        hidden = model.eval().model(**inputs).last_hidden_state[0, -1]
        model.lm_head.weight[media] = hidden * 100  # the head wants them most of all
    assert last_logits(model, inputs).argmax().item() in media
    new = model.generate(**inputs, max_new_tokens=4, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert not set(new.tolist()) & set(media)


@COMBINATIONS
def test_the_encoder_runs_without_values(parts: Any, batch: Batch) -> None:
    """`emollm validate` counts memory on the meta device, where no tensor can be looked into."""
    with torch.device("meta"):
        hollow = type(parts[0])(copy.deepcopy(parts[0].config))
    media = [batch("clip")[key].to("meta") for key in MEDIA_KEYS]
    soft = hollow.model.av_encoder(*media, has_audio=[True], has_video=[True])
    assert [row.shape for row in soft.rows] == [(12, 64)]


@COMBINATIONS
def test_checkpoint_round_trip_is_bit_exact(model: Any, processor: Any, batch: Batch, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, reader = load(tmp_path)
    saved, read = model.state_dict(), again.state_dict()
    assert saved.keys() == read.keys()
    assert all(torch.equal(saved[key], read[key]) for key in saved)
    assert again.lm_head.weight is again.get_input_embeddings().weight  # still tied
    assert torch.equal(last_logits(again, batch(*ALL_CASES)), last_logits(model, batch(*ALL_CASES)))
    assert reader.to_dict() == processor.to_dict()
    assert again.generation_config.suppress_tokens == model.generation_config.suppress_tokens


def test_untied_decoder_saves_its_own_head(tmp_path: Path) -> None:
    spec = tiny_spec()
    untied, processor = build(tiny_spec(text={**spec.text, "tie_word_embeddings": False}))
    assert not torch.equal(untied.lm_head.weight, untied.get_input_embeddings().weight)
    untied.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert torch.equal(load(tmp_path)[0].lm_head.weight, untied.lm_head.weight)


def test_register_is_re_entrant_and_serves_the_auto_classes(model: Any, processor: Any, tmp_path: Path) -> None:
    register()
    register()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).auto_map == {}
    assert type(AutoModelForCausalLM.from_pretrained(tmp_path)) is type(model)
    assert type(AutoModel.from_pretrained(tmp_path)) is type(model.model)
    assert type(AutoProcessor.from_pretrained(tmp_path)) is type(processor)


def test_half_precision_weights_take_float32_media(batch: Batch) -> None:
    half, _ = build(tiny_spec(dtype=torch.bfloat16))
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    assert half.model.language_model.rotary_emb.inv_freq.dtype == torch.float32
    assert torch.isfinite(last_logits(half, batch(*ALL_CASES))).all()


# --- what is trained --------------------------------------------------------------------------------------------------


@COMBINATIONS
def test_gradients_reach_every_parameter_of_every_block(model: Any, batch: Batch) -> None:
    train_step(model, batch(*ALL_CASES, answer=ANSWER))
    towers = {name: getattr(model.model.av_encoder, name) for name in ("audio_tower", "video_tower")}
    fixed = {f"model.av_encoder.{name}.{one}" for name, tower in towers.items() for one in tower.fixed}
    grads = {name: p.grad for name, p in model.named_parameters() if name not in fixed}
    assert [name for name, grad in grads.items() if grad is None] == []
    # Key biases shift all scores of a query alike, which softmax does not see: their gradient is zero.
    keys = ("k_proj.bias", "key.bias")
    still = [name for name, grad in grads.items() if not grad.abs().sum() > 0 and not name.endswith(keys)]
    assert still == []


@COMBINATIONS
@pytest.mark.parametrize("frozen", BLOCKS)
def test_a_frozen_block_gets_no_gradient_and_the_others_do(model: Any, batch: Batch, frozen: str) -> None:
    model.set_trainable({name: "frozen" if name == frozen else "full" for name in BLOCKS})
    train_step(model, batch(*ALL_CASES, answer=ANSWER))
    for name in BLOCKS:
        grads = [p.grad for module in model.block(name) for p in module.parameters() if p.grad is not None]
        assert bool(grads) == (name != frozen), name
    total, trained = parameters_by_block(model)[frozen]
    assert total > 0
    assert trained == 0


def test_fixed_parameters_of_a_tower_stay_fixed(model: Any) -> None:
    model.set_trainable({"audio_tower": "full"})
    tower = model.model.av_encoder.audio_tower
    assert not tower.backbone.embed_positions.weight.requires_grad
    assert tower.backbone.conv1.weight.requires_grad


@COMBINATIONS
def test_frozen_blocks_stay_in_eval_mode(model: Any) -> None:
    model.set_trainable({"audio_tower": "frozen", "fusion": "frozen"})
    model.train()
    encoder = model.model.av_encoder
    assert not any(module.training for block in (encoder.audio_tower, encoder.fusion) for module in block.modules())
    assert encoder.video_tower.training
    assert model.model.language_model.training
    model.set_trainable({"audio_tower": "full"})
    assert encoder.audio_tower.backbone.training


def test_dropout_of_a_frozen_tower_is_off_while_training(batch: Batch) -> None:
    spec = tiny_spec()
    dropping, _ = build(tiny_spec(audio={**spec.audio, "dropout": 0.5}))
    dropping.set_trainable({"audio_tower": "frozen"})
    dropping.train()
    inputs, encoder = batch("audio"), dropping.model.av_encoder
    tower = (inputs["input_features"], inputs["input_features_mask"])
    assert torch.equal(encoder.audio_tower(*tower)[0], encoder.audio_tower(*tower)[0])
    dropping.set_trainable({"audio_tower": "full"})
    assert not torch.equal(encoder.audio_tower(*tower)[0], encoder.audio_tower(*tower)[0])


@COMBINATIONS
def test_frozen_towers_run_without_gradients_under_hooked_checkpointing(model: Any, batch: Batch) -> None:
    """PEFT with gradient checkpointing makes the embeddings of every sub-model require gradients."""
    model.set_trainable({"audio_tower": "frozen", "video_tower": "frozen", "decoder": "lora"})
    model.gradient_checkpointing_enable()
    model.enable_input_require_grads()
    states = []
    for tower in (model.model.av_encoder.audio_tower, model.model.av_encoder.video_tower):
        tower.register_forward_hook(lambda module, args, out: states.append(out[0].requires_grad))
    train_step(model, batch("clip", answer=ANSWER))
    assert states == [False, False]
    assert model.model.av_encoder.audio_adapter.project_out.weight.grad.abs().sum() > 0


def test_a_frozen_decoder_still_checkpoints_its_layers(model: Any, batch: Batch) -> None:
    model.set_trainable({"decoder": "frozen"})
    model.gradient_checkpointing_enable()
    model.train()
    layers = [m for m in model.model.language_model.modules() if isinstance(m, GradientCheckpointingLayer)]
    assert layers
    assert all(layer.training and not layer.self_attn.training for layer in layers)
    calls = []
    layers[0].input_layernorm.register_forward_hook(lambda *_: calls.append(1))
    train_step(model, batch("clip", answer=ANSWER))
    assert len(calls) == 2  # once forward, once recomputed


@COMBINATIONS
def test_gradient_checkpointing_does_not_change_gradients(model: Any, batch: Batch) -> None:
    inputs = batch(*ALL_CASES, answer=ANSWER)
    train_step(model, inputs)
    plain = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    model.gradient_checkpointing_enable()
    train_step(model, inputs)
    for name, parameter in model.named_parameters():
        if name in plain:
            torch.testing.assert_close(parameter.grad, plain[name])


@COMBINATIONS
def test_lora_touches_the_decoder_only_and_adapters_are_saved(
    parts: Any, model: Any, batch: Batch, tmp_path: Path
) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    from emollm.models.decoders import DECODERS

    modes = {"audio_tower": "frozen", "video_tower": "frozen", "decoder": "lora"}
    modes |= {"audio_adapter": "full", "video_adapter": "full", "fusion": "full"}
    model.set_trainable(modes)
    saved = modules_to_save(modes)
    assert saved == ["audio_adapter", "video_adapter", "fusion"]
    lora = LoraConfig(r=2, target_modules=DECODERS[model.config.decoder_family].lora_targets, modules_to_save=saved)
    tuned = get_peft_model(model, lora)
    trained = {name: p for name, p in tuned.named_parameters() if p.requires_grad}
    assert all("language_model" in name for name in trained if "lora_" in name)
    assert sum("lora_A" in name for name in trained) == 7 * model.config.text_config.num_hidden_layers
    assert not any("tower" in name for name in trained)
    train_step(tuned, batch(*ALL_CASES, answer=ANSWER))
    # LoRA's B starts at zero, so A has no gradient in the first step.
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for name, p in trained.items() if "lora_A" not in name)
    with torch.no_grad():
        for parameter in trained.values():
            parameter.add_(0.1)
    tuned.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(copy.deepcopy(parts[0]), tmp_path)
    assert torch.equal(last_logits(again, batch(*ALL_CASES)), last_logits(tuned, batch(*ALL_CASES)))
    merged = again.merge_and_unload()
    torch.testing.assert_close(
        last_logits(merged, batch("clip")), last_logits(tuned, batch("clip")), atol=1e-4, rtol=1e-4
    )
    assert merged.state_dict().keys() == parts[0].state_dict().keys()


@pytest.mark.parametrize("modes", [{"adapter": "full"}, {"fusion": "lora"}, {"decoder": "half"}])
def test_unknown_blocks_and_modes_are_refused_before_anything_changes(model: Any, modes: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="cannot set block"):
        model.set_trainable({"audio_tower": "frozen", **modes})
    assert parameters_by_block(model)["audio_tower"][1] > 0


def test_parameters_by_block_counts_every_parameter_once(model: Any) -> None:
    assert sum(total for total, _ in parameters_by_block(model).values()) == sum(p.numel() for p in model.parameters())
    assert set(parameters_by_block(model)) == {*ENCODER_BLOCKS, "decoder"}


# --- guards -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dropped", "said"), [(MEDIA_KEYS[:2], "placeholder for sound"), (MEDIA_KEYS[2:], "placeholder for picture")]
)
def test_placeholders_without_media_raise(model: Any, batch: Batch, dropped: tuple[str, ...], said: str) -> None:
    inputs = {key: value for key, value in batch("clip").items() if key not in dropped}
    with pytest.raises(EmoError, match=said):
        model(**inputs)


@pytest.mark.parametrize("case", ["audio", "video"])
def test_media_without_placeholders_raise(model: Any, batch: Batch, case: str) -> None:
    media = {key: value for key, value in batch(case).items() if key in MEDIA_KEYS}
    with pytest.raises(EmoError, match="row 0 has no placeholder for its"):
        model(**batch("text"), **media)


def test_media_of_another_row_raise(model: Any, batch: Batch) -> None:
    inputs = batch("clip", "text")
    for key in MEDIA_KEYS:
        inputs[key] = inputs[key].flip(0)
    with pytest.raises(EmoError, match="row 0 has a placeholder for sound, but no media"):
        model(**inputs)


@pytest.mark.parametrize("cut", [1, 3])
def test_truncated_soft_prompts_raise(model: Any, batch: Batch, cut: int) -> None:
    inputs = batch("clip")
    pads = (inputs["input_ids"][0] == model.config.av_pad_token_id).nonzero()
    for key in ("input_ids", "attention_mask"):
        inputs[key] = inputs[key][:, pads[cut, 0] :]
    with pytest.raises(EmoError, match=f"0 media markers and {12 - cut} soft-prompt pads"):
        model(**inputs)


def test_two_markers_in_a_row_raise(model: Any, batch: Batch) -> None:
    inputs = batch("clip")
    inputs["input_ids"][0, -1] = model.config.audio_token_id
    with pytest.raises(EmoError, match="2 media markers"):
        model(**inputs)


@pytest.mark.parametrize("dropped", MEDIA_KEYS)
def test_media_come_with_their_mask(model: Any, batch: Batch, dropped: str) -> None:
    inputs = {key: value for key, value in batch("clip").items() if key != dropped}
    with pytest.raises(EmoError, match="belong together"):
        model(**inputs)


def test_media_are_aligned_with_rows(model: Any, batch: Batch) -> None:
    inputs = batch("clip", "text")
    inputs["input_features"] = inputs["input_features"][:1]
    with pytest.raises(EmoError, match="1 rows"):
        model(**inputs)


def test_the_encoder_alone_refuses_rows_without_tensors(model: Any, batch: Batch) -> None:
    inputs = batch("audio")
    media = [inputs.get(key) for key in MEDIA_KEYS]
    with pytest.raises(EmoError, match="rows \\[0\\] have a modality"):
        model.model.av_encoder(*media, has_audio=[True], has_video=[True])


def test_media_after_the_prefill_raise(model: Any, batch: Batch) -> None:
    inputs = batch("clip")
    cache = model(**inputs, use_cache=True).past_key_values
    media = {key: inputs[key] for key in MEDIA_KEYS}
    with pytest.raises(EmoError, match="without the prompt"):
        model(input_ids=inputs["input_ids"][:, -1:], past_key_values=cache, **media)


# --- contract of TRL --------------------------------------------------------------------------------------------------


@COMBINATIONS
def test_trl_fused_head_gives_the_same_loss(model: Any, batch: Batch) -> None:
    """TRL runs `base_model(**inputs)` and the head itself; media must arrive there."""
    from trl.trainer.utils import add_fused_lm_head

    inputs = batch(*ALL_CASES, answer=ANSWER)
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    plain = model.eval()(**inputs, labels=labels).loss
    add_fused_lm_head(model)
    torch.testing.assert_close(model(**inputs, labels=labels, fused_lm_head=True).loss, plain)
    assert model.config.image_token_id == model.config.av_pad_token_id


def test_trl_opens_a_saved_model_by_its_path(model: Any, batch: Batch, tmp_path: Path) -> None:
    from trl.trainer.utils import create_model_from_path

    register()
    model.save_pretrained(tmp_path)
    again = create_model_from_path(str(tmp_path), dtype=torch.float32, device_map=None)
    assert torch.equal(last_logits(again, batch("clip")), last_logits(model, batch("clip")))
