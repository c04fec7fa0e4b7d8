"""Training really trains, and each failure that the libraries below keep silent about stops the run."""

import copy
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from emollm.config import Recipe, load_recipe
from emollm.errors import EmoError
from emollm.models.loading import load
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.run import read_metrics
from emollm.train import sft
from emollm.train.blocks import check_blocks, check_world_size, fingerprints
from emollm.train.native import NativeBackbone
from emollm.train.resume import is_finished
from emollm.train.sft import set_dtypes, train, with_lora

ONE_STAGE = "stages.1.max_steps=1"


@pytest.fixture(scope="module")
def finished(records_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the two-stage recipe with a dev set."""
    folder = tmp_path_factory.mktemp("finished")
    recipe = (records_file.parent / "recipe.yaml").read_text(encoding="utf-8")
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return train(load_recipe(folder / "recipe.yaml", [f"data.dev={records_file}", f"output={folder}"]))


def losses(folder: Path, key: str = "loss") -> list[float]:
    return [row[key] for row in read_metrics(folder) if key in row]


def test_the_run_folder_is_whole(finished: Path) -> None:
    final = finished / "checkpoints" / "final"
    assert {path.suffix for path in final.iterdir() if path.stat().st_size > 2000} >= {".safetensors", ".json"}
    assert not list(final.glob("*.bin")) and not (final / "adapter_config.json").exists()
    assert (finished / "plots" / "loss.png").read_bytes().startswith(b"\x89PNG")
    card = (finished / "README.md").read_text(encoding="utf-8")
    assert "hu2022lora" in card and "radford2021clip" in card and "full, then lora" in card
    load(final)


def test_metrics_rows(finished: Path) -> None:
    rows = read_metrics(finished)
    training = [row for row in rows if "loss" in row]
    assert [row["step"] for row in training] == [1, 2, 3, 4]
    assert [row["stage"] for row in training] == ["full", "full", "polish", "polish"]
    assert {"epoch", "learning_rate", "grad_norm", "samples_per_s", "token_accuracy"} <= set(training[0])
    assert len([row for row in rows if "dev_loss" in row]) == 2


def test_adapters_are_saved_beside_lora(finished: Path) -> None:
    weights = load_file(finished / "checkpoints" / "polish" / "adapter_model.safetensors")
    for block in ("audio_adapter", "video_adapter", "fusion"):
        assert any(f"av_encoder.{block}." in name for name in weights), f"{block} would be lost"
    lora = [name for name in weights if "lora_" in name]
    assert lora and all("language_model" in name for name in lora)
    assert not any("tower" in name for name in weights)


def test_same_recipe_same_losses(make_recipe: Callable[..., Recipe]) -> None:
    one, same, other = (
        losses(train(make_recipe(ONE_STAGE, f"name={name}", f"seed={seed}")))
        for name, seed in (("one", 3), ("same", 3), ("other", 4))
    )
    assert one == same and one != other


def test_loss_falls(make_recipe: Callable[..., Recipe]) -> None:
    folder = train(make_recipe("stages.0.max_steps=25", "stages.0.tasks={labels: 1.0}", ONE_STAGE))
    curve = losses(folder)
    assert max(curve[-3:]) < 0.5 * curve[0]


def test_label_smoothing_accumulation_and_checkpointing_run(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe(
        "stages.0.label_smoothing=0.1", "stages.0.gradient_accumulation=2", "stages.0.gradient_checkpointing=true",
        "stages.1.gradient_checkpointing=true", "precision=bfloat16", "save.every_steps=1", ONE_STAGE,
    )  # fmt: skip
    folder = train(recipe)
    assert all(math.isfinite(loss) for loss in losses(folder))
    assert (folder / "checkpoints" / "full" / "checkpoint-2").is_dir()


def test_what_is_saved_has_the_wanted_format(make_recipe: Callable[..., Recipe]) -> None:
    folder = train(make_recipe("save.dtype=bfloat16", "stages.0.max_steps=1", ONE_STAGE))
    weights = load_file(folder / "checkpoints" / "final" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert json.loads((folder / "checkpoints" / "final" / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_saved_model_can_be_trained_on(make_recipe: Callable[..., Recipe], finished: Path) -> None:
    model = f"model={{path: {finished / 'checkpoints' / 'final'}}}"
    folder = train(make_recipe(model, "stages.0.max_steps=1", ONE_STAGE))
    assert losses(folder)[0] < losses(finished)[0]


# ---------------------------------------------------------------- silent failures: each test fails without its guard


def test_adapters_trained_but_not_saved_stop_the_run(
    make_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NativeBackbone, "adapter_modules", lambda self, modes: [])
    recipe = make_recipe("stages.0.max_steps=1", ONE_STAGE)
    with pytest.raises(EmoError, match=r"'audio_adapter' is full in stage 'polish', but its weights did not change"):
        train(recipe)
    assert [is_finished(recipe.folder / "checkpoints" / name) for name in ("full", "polish")] == [True, False]


def test_a_frozen_block_that_moves_stops_the_run(
    make_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze = EmoForConditionalGeneration.set_trainable
    monkeypatch.setattr(
        EmoForConditionalGeneration,
        "set_trainable",
        lambda self, modes: freeze(self, {**modes, "video_tower": "full"}),
    )
    with pytest.raises(EmoError, match=r"'video_tower' is frozen in stage 'full', but its weights changed"):
        train(make_recipe("stages.0.blocks.video_tower=frozen", "stages.0.max_steps=1", ONE_STAGE))


def test_check_blocks_reads_modes(built: Any) -> None:
    before = fingerprints(built.model)
    modes = {"audio_tower": "frozen", "decoder": "lora"}
    with pytest.raises(EmoError, match="'decoder' is lora"):
        check_blocks(before, before, modes, "s")
    check_blocks(before, {**before, "decoder": [0]}, modes, "s")
    check_blocks({"fusion": []}, {"fusion": []}, {"fusion": "full"}, "fusion none has nothing to train")


def test_frozen_blocks_stay_in_eval_mode_under_peft(built: Any) -> None:
    model = copy.deepcopy(built.model)
    stage = built.recipe.stages[1]
    model.set_trainable(stage.blocks.model_dump())
    trained = with_lora(model, stage, built.backbone).train()
    encoder = trained.get_base_model().model.av_encoder
    assert not encoder.audio_tower.training and not encoder.video_tower.training
    assert encoder.audio_adapter.training


def test_frozen_towers_get_no_gradient_with_checkpointing(built: Any) -> None:
    """TRL turns input gradients on in every sub-model; frozen towers must run without."""
    model = copy.deepcopy(built.model)
    stage = built.recipe.stages[1]
    model.set_trainable(stage.blocks.model_dump())
    trained = with_lora(model, stage, built.backbone).train()
    trained.enable_input_require_grads()
    seen: list[bool] = []
    for tower in (model.model.av_encoder.audio_tower, model.model.av_encoder.video_tower):
        tower.register_forward_hook(lambda module, inputs, output: seen.append(output[0].requires_grad))
    row = {"record": 0, "task": "labels", "question": -1, "audio": "present", "video": "present", "text": True}
    trained(**built.collator([row])).loss.backward()
    assert seen == [False, False]


def test_lora_is_on_the_language_model_alone(built: Any) -> None:
    names = [name for name, _ in built.model.named_modules() if re.fullmatch(built.backbone.lora_targets(), name)]
    assert len(names) == 7 * 2 and all(".language_model." in name for name in names)
    assert any(name.endswith("q_proj") and "tower" in name for name, _ in built.model.named_modules())


def test_fewer_processes_than_started_stop_the_run(
    make_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EmoError, match="2 processes were started, but 1 train together"):
        check_world_size(2, 1)
    monkeypatch.setattr(sft, "check_world_size", lambda wanted, running: check_world_size(2, running))
    with pytest.raises(EmoError, match="torchrun"):
        train(make_recipe())


def test_a_loss_that_is_no_number_stops_the_run(make_recipe: Callable[..., Recipe]) -> None:
    with pytest.raises(EmoError, match="the loss is nan"):
        train(
            make_recipe("stages.0.learning_rate=1e30", "stages.0.max_grad_norm=1e30", "stages.0.max_steps=6", ONE_STAGE)
        )


def test_trained_blocks_are_float32_in_a_bfloat16_run(built: Any) -> None:
    model = copy.deepcopy(built.model)
    set_dtypes(model, built.recipe.stages[1].blocks.model_dump(), bfloat16=True)
    encoder = model.model.av_encoder
    found = {block: next(getattr(encoder, block).parameters()).dtype for block in ("audio_tower", "audio_adapter")}
    assert found == {"audio_tower": torch.bfloat16, "audio_adapter": torch.float32}
    assert model.lm_head.weight.dtype == torch.bfloat16 and model.lm_head.weight is model.get_input_embeddings().weight
    assert model.model.language_model.rotary_emb.inv_freq.dtype == torch.float32, "positions are not rounded"


def test_the_model_that_is_built_in_bfloat16_keeps_its_positions(built: Any) -> None:
    backbone = NativeBackbone(built.recipe.model, lambda: ["a text to learn from"])
    model = backbone.build_model("bfloat16")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.model.language_model.rotary_emb.inv_freq.dtype == torch.float32


def test_split_rows(built: Any) -> None:
    rows = [{"record": i, "task": "labels", "question": -1, "audio": a, "video": "absent", "text": True} for i, a in
            ((0, "present"), (1, "absent"))]  # fmt: skip
    split = built.backbone.split_rows(built.collator(rows))
    assert [sorted(row) for row in split] == [["input_features", "input_features_mask"]] * 2
    assert split[0]["input_features_mask"].any() and not split[1]["input_features_mask"].any()


def test_a_stage_may_have_its_own_modality_dropout(records_file: Path, tmp_path: Path) -> None:
    nothing_to_hear_or_see = "stages.0.modality_dropout={audio_absent: 1.0, video_absent: 1.0}"
    recipe = load_recipe(records_file.parent / "recipe.yaml", [f"output={tmp_path}", nothing_to_hear_or_see])
    with pytest.raises(EmoError, match=r"block '\w+' is full in stage 'full', but its weights did not change"):
        train(recipe)
