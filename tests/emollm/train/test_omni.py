"""`emollm sft` on tiny omni checkpoints: media reach the model, the loss is on the answer alone, and what was trained labels again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import Recipe, load_recipe
from emollm.errors import ConfigError
from emollm.models.loading import load
from emollm.models.omni import FAMILIES, model_class
from emollm.records import read_records
from emollm.run import read_metrics
from emollm.train.collate import IGNORED
from emollm.train.examples import Example
from emollm.train.omni import TRAINED
from emollm.train.sft import build_model, make_collator, train

FROZEN = dict.fromkeys(("audio_tower", "video_tower", "audio_adapter", "video_adapter", "fusion"), "frozen")
STAGE: dict[str, Any] = {
    "name": "answers", "blocks": {**FROZEN, "decoder": "lora"}, "lora": {"rank": 4, "alpha": 8, "dropout": 0.0},
    "tasks": {"labels": 1.0, "explain": 1.0, "ask": 0.5}, "learning_rate": 3e-3, "batch_size": 8, "max_steps": 2,
    "warmup_ratio": 0.0, "max_length": 1024,
}  # fmt: skip
EXAMPLES = [
    Example(0, "labels"),
    Example(4, "labels", video="absent"),
    Example(5, "labels", audio="absent"),
    Example(7, "labels"),
]


@pytest.fixture
def omni_recipe(records_file: Path, omni_folder: Callable[[str], Path], tmp_path: Path) -> Callable[..., Recipe]:
    def make(family: str = "qwen2_5_omni", *overrides: str) -> Recipe:
        tree = {
            "name": "run", "model": {"path": str(omni_folder(family))}, "data": {"train": [str(records_file)]},
            "stages": [STAGE], "precision": "float32", "save": {"dtype": "float32"}, "output": str(tmp_path),
        }  # fmt: skip
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(tree))
        return load_recipe(tmp_path / "recipe.yaml", list(overrides))

    return make


def test_two_steps_reach_every_part_and_the_result_labels_again(
    omni_recipe: Callable[..., Recipe], records_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, seen = "qwen2_5_omni", list[set[str]]()
    states = model_class(family).states

    def spy(self: Any, *args: Any, **inputs: Any) -> Any:
        seen.append({name for name, value in inputs.items() if value is not None})
        return states(self, *args, **inputs)

    monkeypatch.setattr(model_class(family), "states", spy)
    folder = train(omni_recipe(family, f"data.dev={records_file}"))
    assert [row["stage_step"] for row in read_metrics(folder) if "loss" in row] == [1, 2]
    assert all({"input_features", "pixel_values_videos"} <= names for names in seen)
    assert len(seen) == 4, "two steps, and two batches of dev records"
    assert model_class(family).citation in (folder / "README.md").read_text()
    clip = str(records_file.parent / "media" / "0.mp4")
    result = CliRunner().invoke(
        app, ["label", clip, "--model", str(folder), "--labels", "calm,angry", "--format", "jsonl"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["parse"] in {"ok", "truncated"}


def test_the_loss_is_on_the_answer_and_its_end(omni_recipe: Callable[..., Recipe], records_file: Path) -> None:
    recipe = omni_recipe()
    backbone, model, processor = build_model(recipe, [])
    collator = make_collator(recipe, list(read_records(records_file)), processor)
    batch = collator([example.to_row() for example in EXAMPLES])
    for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        taught = labels != IGNORED
        assert torch.equal(ids[taught], labels[taught]) and bool((mask[taught] == 1).all())
        text = processor.tokenizer.decode(ids[taught])
        assert text.startswith('{"labels":[') and text.endswith("]}<|im_end|>")
        assert processor.tokenizer.decode(ids[~taught & (mask == 1)]).endswith("<|im_start|>assistant\n")
    assert all(
        collator.length_of(example) >= int(mask.sum())
        for example, mask in zip(EXAMPLES, batch["attention_mask"], strict=True)
    )
    rows = backbone.split_rows(batch)
    assert [sorted({key.split("_")[0] for key in row}) for row in rows] == [
        ["feature", "input", "pixel", "video"], ["feature", "input"], ["pixel", "video"], ["feature", "input", "pixel", "video"],
    ]  # fmt: skip
    with torch.no_grad():
        out = model(**batch)
    expected = torch.nn.functional.cross_entropy(out.logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten())
    torch.testing.assert_close(out.loss, expected)


def test_a_stage_adapter_merges_into_what_the_run_made(omni_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    folder = train(
        omni_recipe("qwen2_5_omni", "stages.0.blocks.audio_adapter=full", "stages.0.blocks.video_adapter=full")
    )
    result = CliRunner().invoke(
        app, ["merge", str(folder / "checkpoints" / "answers"), "-o", str(tmp_path / "merged"), "--dtype", "float32"]
    )
    assert result.exit_code == 0, result.output
    run, again = (load(path)[0].state_dict() for path in (folder / "checkpoints" / "final", tmp_path / "merged"))
    base = load(omni_recipe().model.path)[0].state_dict()
    changed = {name for name in base if not torch.equal(run[name], base[name])}
    assert any("proj.weight" in name and "audio_tower" in name for name in changed), (
        "the projection of the sound was trained"
    )
    assert {name.split(".")[0] for name in changed} == {"model", "audio_tower", "visual"}
    for name in base:
        torch.testing.assert_close(run[name], again[name], atol=1e-5, rtol=0)


def test_frozen_towers_are_not_run_backward(omni_recipe: Callable[..., Recipe], records_file: Path) -> None:
    recipe = omni_recipe()
    _, model, processor = build_model(recipe, [])
    model.set_trainable(recipe.stages[0].blocks.model_dump())
    model.enable_input_require_grads()
    needs: list[bool] = []
    for tower in (model.audio_tower, model.visual):
        tower.register_forward_hook(lambda module, args, out: needs.append(out[0].requires_grad))
    batch = make_collator(recipe, list(read_records(records_file)), processor)([EXAMPLES[0].to_row()])
    assert model.states(
        **{key: value for key, value in batch.items() if key != "labels"}
    ).last_hidden_state.requires_grad
    assert needs == [False, False]


def test_what_only_the_native_model_can_do_is_refused(omni_recipe: Callable[..., Recipe]) -> None:
    with pytest.raises(ConfigError) as caught:
        train(
            omni_recipe(
                "qwen2_5_omni", "data.soft_prompt_memory_gb=1", "stages.0.blocks.audio_tower=full", "model.omni={weights: 4bit}",
                "stages.0.blocks.decoder=full", "stages.0.lora=null",
            )
        )  # fmt: skip
    assert "soft_prompt_memory_gb" in str(caught.value) and "four bits" in str(caught.value)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(TRAINED)))
def test_a_family_that_is_not_trained_is_refused(family: str, omni_recipe: Callable[..., Recipe]) -> None:
    with pytest.raises(ConfigError, match=f"models of {family} label and explain, but are not trained"):
        train(omni_recipe(family))
