"""`emollm sft` on tiny omni checkpoints: media reach the model, the loss is on the answer alone, and what was trained labels again."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import Recipe, load_recipe
from emollm.errors import ConfigError, EmoError
from emollm.models.loading import load
from emollm.models.omni import FAMILIES, model_class, processor_class
from emollm.models.omni.processor import MEDIA_KEYS
from emollm.records import Media, MediaRef, read_records
from emollm.run import read_metrics
from emollm.train.collate import IGNORED
from emollm.train.examples import Example
from emollm.train.omni import usable
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
    return lambda family="qwen2_5_omni", *overrides: recipe_of(omni_folder(family), records_file, tmp_path, *overrides)


def recipe_of(model: Path, records_file: Path, output: Path, *overrides: str) -> Recipe:
    tree = {
        "name": "run", "model": {"path": str(model)}, "data": {"train": [str(records_file)]},
        "stages": [STAGE], "precision": "float32", "save": {"dtype": "float32"}, "output": str(output),
    }  # fmt: skip
    (output / "recipe.yaml").write_text(yaml.safe_dump(tree))
    return load_recipe(output / "recipe.yaml", list(overrides))


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def trained(
    request: pytest.FixtureRequest, records_file: Path, omni_folder: Callable[[str], Path], tmp_path_factory: Any
) -> tuple[str, Path, list[set[str]]]:
    """A family, its run of two steps, and the names of the media of each batch."""
    family, seen = request.param, list[set[str]]()
    states = model_class(family).states

    def spy(self: Any, *args: Any, **inputs: Any) -> Any:
        seen.append({name for name, value in inputs.items() if value is not None} & set(MEDIA_KEYS))
        return states(self, *args, **inputs)

    recipe = recipe_of(omni_folder(family), records_file, tmp_path_factory.mktemp("run"), f"data.dev={records_file}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_class(family), "states", spy)
        return family, train(recipe), seen


def test_two_steps_reach_every_part_and_the_result_labels_again(
    trained: tuple[str, Path, list[set[str]]], records_file: Path
) -> None:
    family, folder, seen = trained
    kinds = processor_class(family).modalities
    assert [row["stage_step"] for row in read_metrics(folder) if "loss" in row] == [1, 2]
    wanted = {"audio": {"input_features"}, "video": {"pixel_values_videos"}}
    assert all((wanted[kind] <= names) == (kind in kinds) for names in seen for kind in wanted), (
        "each batch has what the family takes, and nothing else"
    )
    assert len(seen) == 4, "two steps, and two batches of dev records"
    assert model_class(family).citation in (folder / "README.md").read_text()
    clip = str(records_file.parent / "media" / "0.mp4")
    result = CliRunner().invoke(
        app, ["label", clip, "--model", str(folder), "--labels", "calm,angry", "--format", "jsonl"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["parse"] in {"ok", "truncated"}


def test_lora_learns_and_what_is_frozen_stays(
    trained: tuple[str, Path, list[set[str]]], omni_folder: Callable[[str], Path]
) -> None:
    family, folder, _ = trained
    learned = load_file(folder / "checkpoints" / "answers" / "adapter_model.safetensors")
    assert learned and all(bool(weight.any()) for name, weight in learned.items() if "lora_B" in name)
    run, base = (load(path)[0] for path in (folder / "checkpoints" / "final", omni_folder(family)))
    was, now = base.state_dict(), run.state_dict()
    decoder = {id(weight) for module in base.block("decoder") for weight in module.parameters()}
    inside = {name for name, weight in base.named_parameters() if id(weight) in decoder}
    changed = {name for name in was if not torch.equal(was[name], now[name])}
    assert changed and changed <= inside


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


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen2_audio"])
def test_the_media_of_a_batch_are_given_back_row_by_row(
    family: str, omni_recipe: Callable[..., Recipe], records_file: Path
) -> None:
    recipe = omni_recipe(family)
    backbone, model, processor = build_model(recipe, [])
    records = list(read_records(records_file))
    collator = make_collator(recipe, records, processor)
    sees = "video" in processor.modalities
    rows = [Example(0, "labels", audio="absent"), Example(1, "labels", audio="absent")] if sees else EXAMPLES[:2]
    rows = [replace(row, video="present" if sees else "absent") for row in (*rows, Example(6, "labels"))]
    batch = collator([row.to_row() for row in rows])
    found = backbone.split_rows(batch)
    assert [bool(row) for row in found] == [True, True, False], "the third record has words alone"
    for row, example in zip(found[:2], rows, strict=False):
        alone = collator([example.to_row()])
        for key, value in row.items():
            assert torch.equal(value, alone[key])
    with torch.no_grad():
        out = model(**batch)
    expected = torch.nn.functional.cross_entropy(out.logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten())
    torch.testing.assert_close(out.loss, expected)


def test_records_of_which_nothing_is_left_do_not_teach(
    omni_recipe: Callable[..., Recipe], records_file: Path, tmp_path: Path
) -> None:
    processor = build_model(omni_recipe("qwen2_audio"), [])[2]
    records = [record.model_copy(update={"text": ()}) for record in read_records(records_file)]
    left = usable(records, processor)
    assert [record.id for record in records if record not in left] == [f"hand:train:{i:02d}" for i in (6, 14)], (
        "text only"
    )
    pictures = [record.model_copy(update={"media": Media(images=(MediaRef(path="a.png"),))}) for record in records]
    with pytest.raises(EmoError, match="takes audio and words, and no record has either"):
        usable(pictures, processor)
