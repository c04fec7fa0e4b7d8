"""The model without weights counts what the model with weights has."""

import gc
from pathlib import Path

import pytest
import torch

from emollm.config import Stage
from emollm.errors import ConfigError
from emollm.models.build import build, tiny_spec
from emollm.models.modeling import EmoForConditionalGeneration, parameters_by_block
from emollm.train.outline import lora_parameters, memory_of, reach, trained_by_block

FULL = dict.fromkeys(("audio_tower", "video_tower", "audio_adapter", "video_adapter", "fusion", "decoder"), "full")
LORA = {**FULL, "audio_tower": "frozen", "video_tower": "frozen", "decoder": "lora"}


def stage(**changes: object) -> Stage:
    values = {"name": "s", "blocks": FULL, "tasks": {"labels": 1.0}, "learning_rate": 1e-3, "batch_size": 4, **changes}
    return Stage.model_validate(values)


@pytest.fixture(scope="module")
def real() -> EmoForConditionalGeneration:
    return build(tiny_spec())[0]


@pytest.fixture(scope="module")
def shapes() -> EmoForConditionalGeneration:
    with torch.device("meta"):
        return build(tiny_spec())[0]


def test_no_weight_has_memory(shapes: EmoForConditionalGeneration) -> None:
    assert {parameter.device.type for parameter in shapes.parameters()} == {"meta"}


def test_counts_are_those_of_the_real_model(
    real: EmoForConditionalGeneration, shapes: EmoForConditionalGeneration
) -> None:
    real.set_trainable(FULL)
    assert trained_by_block(shapes, stage()) == parameters_by_block(real)


def test_lora_is_counted_as_peft_makes_it(shapes: EmoForConditionalGeneration) -> None:
    from peft import LoraConfig, get_peft_model

    from emollm.models.decoders import DECODERS

    lora_stage = stage(blocks=LORA, lora={"rank": 4})
    model, _ = build(tiny_spec())
    model.set_trainable(LORA)
    targets = DECODERS[model.config.decoder_family].lora_targets
    peft = get_peft_model(model, LoraConfig(r=4, target_modules=targets))
    made = sum(p.numel() for name, p in peft.named_parameters() if "lora_" in name)
    assert lora_parameters(shapes, lora_stage) == made > 0
    assert trained_by_block(shapes, lora_stage)["decoder"][1] == made


def test_activations_are_near_what_a_real_pass_keeps(
    real: EmoForConditionalGeneration, shapes: EmoForConditionalGeneration
) -> None:
    """The same count over a real forward pass of the whole model on the CPU."""
    batch, length = 4, 48
    real.set_trainable(FULL)
    real.train()
    config = real.config
    pads = config.pads_for(True, True)
    ids = torch.full((batch, length), 65)  # (batch, length)
    ids[:, 0] = config.clip_token_id
    ids[:, 1 : 1 + pads] = config.av_pad_token_id
    steps = 2 * config.audio_config.max_source_positions
    size = config.video_config.image_size
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    gc.collect()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = real.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            input_features=torch.zeros(batch, config.audio_config.num_mel_bins, steps),
            input_features_mask=torch.ones(batch, steps, dtype=torch.long),
            pixel_values_videos=torch.zeros(batch, config.num_frames, 3, size, size),
            video_frame_mask=torch.ones(batch, config.num_frames, dtype=torch.long),
            use_cache=False,
        )
    assert out.last_hidden_state.requires_grad
    weights = {parameter.untyped_storage().data_ptr() for parameter in real.parameters()}
    measured = sum(tensor.untyped_storage().nbytes() for key, tensor in kept.items() if key not in weights)
    estimate = memory_of(shapes, stage(batch_size=batch), length, bfloat16=False, window_s=1.0).activations
    assert 0.75 * measured < estimate < 1.5 * measured


def test_memory_follows_what_is_trained(shapes: EmoForConditionalGeneration) -> None:
    full = memory_of(shapes, stage(), 64, bfloat16=False, window_s=1.0)
    lora = memory_of(shapes, stage(blocks=LORA, lora={"rank": 4}), 64, bfloat16=False, window_s=1.0)
    checkpointed = memory_of(shapes, stage(gradient_checkpointing=True), 64, bfloat16=False, window_s=1.0)
    half = memory_of(shapes, stage(blocks=LORA, lora={"rank": 4}), 64, bfloat16=True, window_s=1.0)
    assert full.optimizer == 2 * full.gradients == 8 * sum(t for _, t in trained_by_block(shapes, stage()).values())
    assert lora.gradients < full.gradients and lora.activations < full.activations
    assert checkpointed.activations < full.activations
    assert half.weights < lora.weights and half.activations * 2 == lora.activations
    assert full.total == sum(vars(full).values())


def test_sound_of_any_length_is_counted_up_to_the_window() -> None:
    sizes = {"model_type": "hubert", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 32, "conv_dim": [8] * 7, "num_conv_pos_embeddings": 8}
    with torch.device("meta"):
        model, _ = build(tiny_spec(audio=sizes, audio_tower={"name": "hubert", "layers": 2}, audio_window_s=2.0))
    short, long = (memory_of(model, stage(), 64, bfloat16=False, window_s=window).activations for window in (1.0, 2.0))
    assert short < long < 2 * short


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json"):
        reach(str(tmp_path), "model.path")
