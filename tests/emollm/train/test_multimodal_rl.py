"""What stands for media inside TRL, the reference, dropout, prompts and their truth: each piece of GRPO alone."""

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from emollm.config import load_recipe
from emollm.config_grpo import GrpoRecipe
from emollm.models.modeling import MEDIA_KEYS
from emollm.prompts import TASKS
from emollm.records import Record
from emollm.rewards import RewardItem
from emollm.rewards.loading import load_rewards
from emollm.train.clips import ClipMemory
from emollm.train.examples import Example
from emollm.train.multimodal_rl import TowerMemory, reference_of, silence_dropout, unsampled
from emollm.train.policy_progress import answers_to, row_of
from emollm.train.rollouts import Judge, Prompts, plan_rollouts, shown

BOTH, SOUND, PICTURE, WORDS = 0, 4, 5, 6  # records of conftest's cases: av, audio, video, text


def example(record: int, audio: str = "present", video: str = "present", text: bool = True) -> Example:
    return Example(record, "labels", -1, audio, video, text)  # type: ignore[arg-type]


@pytest.fixture
def prompts(built: Any) -> Prompts:
    return Prompts(built.collator, TASKS["labels"])


def recipe(tmp_path: Path, *overrides: str) -> GrpoRecipe:
    blocks = "{audio_tower: frozen, video_tower: frozen, audio_adapter: full, video_adapter: full, fusion: full, decoder: full}"
    path = tmp_path / "recipe.yaml"
    path.write_text(f"method: grpo\nname: run\nmodel: {{path: tiny}}\ndata: {{train: [r.jsonl]}}\nblocks: {blocks}\n")
    return load_recipe(path, list(overrides), GrpoRecipe)


# ---------------------------------------------------------------- towers, reference, dropout, sampling


def test_recalled_states_are_the_towers_own(built: Any, prompts: Prompts) -> None:
    """Rows in any order, with and without modalities, get the hidden states that their own media give."""
    model = copy.deepcopy(built.model).eval()
    clips = [
        example(WORDS, "absent", "absent"),
        example(BOTH),
        example(SOUND, video="absent"),
        example(PICTURE, "absent"),
    ]
    clips = [prompts.resolve(one) for one in clips]
    order = [3, 1, 0, 1, 2]
    rows = [clips[place] for place in order]
    batch = prompts([one.to_row() for one in rows])
    batch.pop("labels")
    with torch.no_grad():
        direct = model.model(**batch).last_hidden_state
        with TowerMemory(model.model.av_encoder) as memory:
            memory.hold(prompts.inputs_of(clips)[1])
            numbers = memory.rows(order)
            texts = {name: value for name, value in batch.items() if name not in MEDIA_KEYS}
            recalled = model.model(**texts, **numbers).last_hidden_state
        after = model.model(**batch).last_hidden_state
    real = batch["attention_mask"].bool()
    assert torch.allclose(direct[real], recalled[real], atol=1e-5)
    assert torch.equal(direct, after), "the towers compute again"
    assert {value.shape for value in numbers.values()} == {(5, 1)}


def test_a_batch_without_media_holds_nothing(built: Any, prompts: Prompts) -> None:
    model = copy.deepcopy(built.model).eval()
    texts = [prompts.resolve(example(WORDS, "absent", "absent"))]
    with TowerMemory(model.model.av_encoder) as memory, torch.no_grad():
        (ids,), media = prompts.inputs_of(texts)
        memory.hold(media)
        ids = torch.tensor([ids])
        inside = model.model(input_ids=ids, **memory.rows([0])).last_hidden_state
    with torch.no_grad():
        assert torch.equal(inside, model.model(input_ids=ids).last_hidden_state)


def test_a_reference_shares_what_stays(built: Any) -> None:
    model = copy.deepcopy(built.model)
    frozen = dict.fromkeys(("audio_tower", "video_tower", "video_adapter", "fusion"), "frozen")
    model.set_trainable({**frozen, "audio_adapter": "full", "decoder": "full"})
    with TowerMemory(model.model.av_encoder) as memory:
        reference = reference_of(model, memory)
    assert reference.model.av_encoder.audio_tower is model.model.av_encoder.audio_tower
    assert not any(parameter.requires_grad for parameter in reference.parameters())
    assert model.lm_head.weight.requires_grad
    assert reference.lm_head.weight is reference.get_input_embeddings().weight, "still tied"
    ours, theirs = dict(model.named_parameters()), dict(reference.named_parameters())
    shared = {name.split(".")[2] for name in ours if ours[name] is theirs[name]}
    assert shared == {"audio_tower", "video_tower", "video_adapter", "fusion"}


def test_all_dropout_is_silenced(built: Any) -> None:
    model = copy.deepcopy(built.model)
    layer = model.model.language_model.layers[0].self_attn
    layer.attention_dropout = 0.5
    layer.extra = torch.nn.Dropout(0.5)
    silence_dropout(model)
    assert layer.attention_dropout == 0 and layer.extra.p == 0


def test_what_is_never_sampled(built: Any) -> None:
    tokenizer, config = built.processor.tokenizer, copy.deepcopy(built.model.config)
    stop = tokenizer.eos_token_id
    config.text_config.vocab_size += 3
    never = unsampled(tokenizer, config, [stop])
    media = {config.av_pad_token_id, config.clip_token_id, config.audio_token_id, config.video_token_id}
    assert media <= set(never) and stop not in never
    assert set(range(len(tokenizer), config.text_config.vocab_size)) <= set(never)
    assert tokenizer.convert_tokens_to_ids("a") not in never


# ---------------------------------------------------------------- prompts and their truth


def test_prompts_carry_paths(prompts: Prompts, records: list[Record]) -> None:
    (message,) = prompts.messages_of(example(BOTH))
    video = records[BOTH].media.video
    assert video is not None
    assert [block.get("path") for block in message["content"]] == [video.path, video.path, None]


def test_prompts_have_the_ids_of_supervised_training(prompts: Prompts, built: Any) -> None:
    one = example(BOTH)
    assert np.array_equal(prompts.tokens_of(one).prompt, built.collator.tokens_of(one).prompt)


def test_thinking_is_asked_for_and_graded(tmp_path: Path, built: Any, records: list[Record]) -> None:
    asked = recipe(tmp_path, "style=think").asked
    prompts = Prompts(built.collator, asked)
    assert "Reason first." in prompts.texts_of(example(BOTH))[0]
    judge = Judge(load_rewards([RewardItem(name="format")], records), prompts)
    texts = ['<think>A high voice.</think>{"labels":["joyful"]}', '{"labels":["joyful"]}']
    assert judge([example(BOTH)] * 2, texts, [9, 5], [False, False]).total.tolist() == [1, 0]


def test_truth_is_what_can_be_perceived(records: list[Record]) -> None:
    record = records[BOTH]
    assert {cue.modality for cue in shown(record, ("video",)).targets.cues or ()} == {"video"}
    assert shown(record, ("video",)).targets.labels_ov == record.targets.labels_ov
    assert shown(record, ()).targets.labels_ov is None


def test_a_clip_that_cannot_be_decoded_has_no_truth(built: Any, records: list[Record], tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no clip")
    media = {"video": {"path": str(tmp_path / "bad.mp4")}}
    bad = records[BOTH].model_copy(update={"media": type(records[BOTH].media).model_validate(media)})
    collator = copy.copy(built.collator)
    collator.records = [bad, *records[1:]]
    collator.clips = ClipMemory(collator.records, built.collator.clips.reader, 0.0)
    prompts = Prompts(collator, TASKS["labels"])
    found = prompts.resolve(example(0))
    assert found.present == () and prompts.inputs_of([found])[1] == [{}]
    judge = Judge(load_rewards([RewardItem(name="wheel")], records), prompts)
    grades = judge([found], ['{"labels":["joyful"]}'], [5], [False])
    assert np.isnan(grades.values).all() and judge.columns()[0]() == [None]
    assert list(prompts.clips.bad) == [bad.id]


def test_only_whole_steps_are_planned(prompts: Prompts, tmp_path: Path) -> None:
    plan = plan_rollouts(recipe(tmp_path, "batch_size=24", "epochs=2"), prompts, world_size=1)
    assert len(plan.examples) == 30 and plan.left_out["of a last step that is not whole"] == 2
    assert len({one.record for one in plan.examples[:16]}) == 16, "each clip once an epoch"
    both = plan_rollouts(recipe(tmp_path, "batch_size=24", "max_steps=3", "num_iterations=2"), prompts, world_size=2)
    assert len(both.examples) == 2 * 2 * 3, "three steps need two samples of three clips on two devices"


# ---------------------------------------------------------------- what is told


def test_names_of_metrics() -> None:
    row = row_of({"loss": 0.5, "rewards/wheel/mean": 0.25, "rewards/wheel/std": 1.0, "kl": None, "num_tokens": 3.0})
    assert row == {"loss": 0.5, "rewards/wheel": 0.25}


def test_the_table_shows_best_and_worst_answers_as_they_are() -> None:
    lines = [{"id": "synth:train:1", "text": f'[b]{n}["x"]', "reward": n / 10, "advantage": n - 3.0} for n in range(7)]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(answers_to("synth:train:1", [*lines, {**lines[0], "id": "other", "text": "elsewhere"}], ["sad"]))
    text = console.export_text()
    assert "synth:train:1: sad" in text and "elsewhere" not in text
    assert [n for n in range(7) if f'[b]{n}["x"]' in text] == [0, 1, 5, 6]
