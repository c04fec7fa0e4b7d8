"""Standardised states: right statistics, the same in training and evaluation, kept with the weights."""

from pathlib import Path

import pytest
import torch

from emollm.models.adapters import Standardise
from emollm.models.build import build, tiny_spec
from emollm.models.loading import load
from emollm.train.perceive import gather_statistics

PLACES, WIDTH = 3, 5


def states(batch: int = 64, frames: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """States whose mean and deviation differ by place and channel, and a mask that hides the last frame."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.linspace(0.1, 3.0, PLACES * WIDTH).view(PLACES, WIDTH)
    grid = torch.randn(batch, frames, PLACES, WIDTH, generator=generator) * spread + 10 * spread
    grid[:, -1] = 1000.0
    mask = torch.ones(batch, frames, PLACES, dtype=torch.bool)
    mask[:, -1] = False
    return grid.flatten(1, 2), mask.flatten(1)


def test_fresh_statistics_change_nothing() -> None:
    values, mask = states()
    assert torch.equal(Standardise(WIDTH, PLACES)(values, mask), values)


def test_valid_states_get_mean_zero_and_deviation_one_at_each_place() -> None:
    standard = Standardise(WIDTH, PLACES)
    standard.gathering = True
    for seed in range(3):
        standard(*states(seed=seed))
    standard.gathering = False
    values, mask = states(seed=9)
    seen = standard(values, mask).unflatten(1, (-1, PLACES))[:, :-1]  # (batch, valid frames, places, width)
    torch.testing.assert_close(seen.mean(dim=(0, 1)), torch.zeros(PLACES, WIDTH), atol=0.3, rtol=0)
    torch.testing.assert_close(seen.std(dim=(0, 1)), torch.ones(PLACES, WIDTH), atol=0.2, rtol=0)


def test_a_row_does_not_depend_on_its_batch_in_training_either() -> None:
    standard = Standardise(WIDTH, PLACES).train()
    standard.gathering = True
    standard(*states())
    standard.gathering = False
    values, mask = states(seed=1)
    torch.testing.assert_close(standard(values, mask)[:1], standard(values[:1], mask[:1]))


def test_a_single_row_gives_no_statistics() -> None:
    standard = Standardise(WIDTH)
    standard.gathering = True
    values = torch.randn(1, 4, WIDTH)
    assert torch.equal(standard(values, torch.ones(1, 4, dtype=torch.bool)), values)


def test_a_shift_of_the_states_gains_nothing_while_gathering() -> None:
    """Running statistics lag behind, so a shift would be seen, and learning would move the mean on and on."""
    standard = Standardise(WIDTH, PLACES)
    standard.gathering = True
    values, mask = states()
    standard(values, mask)
    shift = torch.zeros(WIDTH, requires_grad=True)
    seen = standard(values + shift, mask).unflatten(1, (-1, PLACES))[:, :-1]
    (seen * torch.linspace(-1, 1, WIDTH)).sum().backward()
    assert shift.grad is not None
    torch.testing.assert_close(shift.grad, torch.zeros(WIDTH), atol=1e-2, rtol=0)
    torch.testing.assert_close(seen.mean(dim=(0, 1)), torch.zeros(PLACES, WIDTH), atol=1e-4, rtol=0)


@pytest.mark.parametrize("standardise", [True, False])
def test_statistics_are_saved_with_the_weights(tmp_path: Path, standardise: bool) -> None:
    model, processor = build(tiny_spec(standardise=standardise))
    names = [name for name, _ in model.named_buffers() if ".standard." in name]
    assert bool(names) == standardise
    for name in names:
        model.get_buffer(name).normal_()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, _ = load(tmp_path)
    for name in names:
        assert torch.equal(again.get_buffer(name), model.get_buffer(name))


def test_gathering_is_switched_for_the_whole_model() -> None:
    model, _ = build(tiny_spec(standardise=True))
    blocks = [module for module in model.modules() if isinstance(module, Standardise)]
    gather_statistics(model, True)
    assert len(blocks) == 5 and all(block.gathering for block in blocks)
    gather_statistics(model, False)
    assert not any(block.gathering for block in blocks)
