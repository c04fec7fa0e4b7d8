"""Scoring labelled positions only changes the time, not the numbers."""

import copy
from typing import Any

import pytest
import torch
from trl.trainer import utils

from emollm.train.fused_head import labels_only


def test_same_loss_and_gradients_from_fewer_positions(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"record": i, "task": "labels", "question": -1, "audio": "present", "video": "present", "text": True}
        for i in range(4)
    ]
    batch = built.collator(rows)
    scored: list[int] = []
    apply = utils._ChunkedLogProbFunction.apply
    monkeypatch.setattr(
        utils._ChunkedLogProbFunction, "apply", lambda hidden, *rest: scored.append(len(hidden)) or apply(hidden, *rest)
    )
    found = []
    for inside in (False, True):
        model = copy.deepcopy(built.model)
        model.set_trainable({"decoder": "full", "audio_tower": "full"})
        utils.add_fused_lm_head(model)
        if inside:
            with labels_only():
                loss = model(**batch, fused_lm_head=True).loss
        else:
            loss = model(**batch, fused_lm_head=True).loss
        loss.backward()
        found.append((loss.detach(), model.lm_head.weight.grad))
    positions = batch["labels"][:, 1:]
    assert scored == [positions.numel(), int((positions != -100).sum())]
    assert torch.allclose(found[0][0], found[1][0], atol=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)
