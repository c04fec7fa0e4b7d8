"""Answers to one prompt share it: the same hidden states and gradients as whole rows, for less work."""

import copy
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from emollm.models.modeling import EmoForConditionalGeneration
from emollm.prompts import TASKS
from emollm.train.examples import Example
from emollm.train.multimodal_rl import TowerMemory
from emollm.train.rollouts import Prompts
from emollm.train.shared_prompts import SharedPrompts

CLIPS = [(0, "present", "present"), (4, "present", "absent"), (5, "absent", "present"), (6, "absent", "absent")]
ORDER = [1, 0, 3, 0, 2, 1, 0]  # as TRL shuffles the answers
ANSWER = 6


@pytest.fixture
def model(built: Any) -> EmoForConditionalGeneration:
    return copy.deepcopy(built.model).eval().requires_grad_(True)


def batch(built: Any) -> tuple[list[Example], dict[str, torch.Tensor], int]:
    """Return clips, ids with prompts padded on the left and answers of unequal length on the right, and the prompts' length."""
    prompts = Prompts(built.collator, TASKS["labels"])
    clips = [prompts.resolve(Example(number, "labels", -1, audio, video)) for number, audio, video in CLIPS]  # type: ignore[arg-type]
    told = [torch.as_tensor(prompts.inputs_of(clips)[0][place]) for place in ORDER]
    length = max(map(len, told))
    ids, mask = torch.zeros(2, len(told), length + ANSWER, dtype=torch.long)
    answers = torch.randint(20, 60, (len(told), ANSWER), generator=torch.Generator().manual_seed(0))
    for row, prompt in enumerate(told):
        kept = ANSWER - row % 3
        ids[row, length - len(prompt) : length], ids[row, length:] = prompt, answers[row]
        mask[row, length - len(prompt) : length + kept] = 1
    return clips, {"input_ids": ids, "attention_mask": mask}, length


def test_hidden_states_and_gradients_are_those_of_whole_rows(built: Any, model: EmoForConditionalGeneration) -> None:
    clips, rows, length = batch(built)
    real = rows["attention_mask"][:, length - 1 :].bool()
    found = []
    with TowerMemory(model.model.av_encoder) as memory:
        memory.hold(Prompts(built.collator, TASKS["labels"]).inputs_of(clips)[1])
        rows |= memory.rows(ORDER)
        for share in (False, True):
            model.zero_grad()
            if share:
                with SharedPrompts(model.model, length):
                    hidden = model.model(**rows, use_cache=False).last_hidden_state
            else:
                hidden = model.model(**rows, use_cache=False).last_hidden_state
            scored = hidden[:, length - 1 :][real]
            scored.square().sum().backward()
            gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
            found.append((scored.detach(), gradients))
    (whole, expected), (shared, gradients) = found
    assert torch.allclose(whole, shared, atol=1e-5)
    assert expected.keys() == gradients.keys() and any("audio_adapter" in name for name in gradients)
    for name, gradient in expected.items():
        assert torch.allclose(gradient, gradients[name], atol=1e-4 * float(gradient.abs().max() + 1)), name


def test_sampling_shares_and_writes_the_same(built: Any, model: EmoForConditionalGeneration) -> None:
    clips, rows, length = batch(built)
    rows = {name: value[:, :length] for name, value in rows.items()}
    read, written = [], []
    model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(tuple(kwargs["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    with TowerMemory(model.model.av_encoder) as memory:
        memory.hold(Prompts(built.collator, TASKS["labels"]).inputs_of(clips)[1])
        for context in (nullcontext(), SharedPrompts(model.model)):
            with context:
                out = model.generate(**rows, **memory.rows(ORDER), max_new_tokens=5, do_sample=False)
            written.append(out[:, length:])
    assert torch.equal(*written)
    assert read[0] == (len(ORDER), length) and (len(CLIPS), length) in read, "each prompt once"
    assert set(read) == {read[0], (len(CLIPS), length), (len(ORDER), 1)}


def test_prompts_without_padding_need_no_mask(built: Any, model: EmoForConditionalGeneration) -> None:
    ids = torch.randint(20, 60, (1, 9), generator=torch.Generator().manual_seed(0)).repeat(3, 1)
    with SharedPrompts(model.model), torch.no_grad():
        shared = model.model(input_ids=ids, use_cache=True).last_hidden_state
    assert torch.allclose(shared, model.model(input_ids=ids).last_hidden_state, atol=1e-5)


def test_each_prompt_runs_once(built: Any, model: EmoForConditionalGeneration) -> None:
    clips, rows, length = batch(built)
    seen = []
    model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(tuple(kwargs["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    with TowerMemory(model.model.av_encoder) as memory, torch.no_grad():
        memory.hold(Prompts(built.collator, TASKS["labels"]).inputs_of(clips)[1])
        with SharedPrompts(model.model, length):
            model.model(**rows, **memory.rows(ORDER), use_cache=False)
        assert seen == [(len(CLIPS), length - 1), (len(ORDER), ANSWER + 1)]
        model.model(**rows, **memory.rows(ORDER))
    assert seen[2] == (len(ORDER), length + ANSWER), "whole rows again"


def test_one_prompt_about_two_clips_is_two(built: Any, model: EmoForConditionalGeneration) -> None:
    """Rows that read the same but show different clips must not share."""
    clips, rows, length = batch(built)
    one = {name: value[[1, 1]] for name, value in rows.items()}
    with TowerMemory(model.model.av_encoder) as memory, torch.no_grad():
        other = Example(1, "labels")
        memory.hold(Prompts(built.collator, TASKS["labels"]).inputs_of([clips[0], other])[1])
        with SharedPrompts(model.model, length):
            hidden = model.model(**one, **memory.rows([0, 1])).last_hidden_state
    assert not torch.allclose(hidden[0, length - 1 :], hidden[1, length - 1 :])
