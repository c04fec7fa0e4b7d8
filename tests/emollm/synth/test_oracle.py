"""The ideal observer and the reference rows."""

import numpy as np
import pytest

from emollm.metrics.open_vocabulary import set_scores
from emollm.synth import oracle, record
from emollm.synth.vocabulary import FAMILIES, families_by_word


def _set(split: str, n: int, seed: int):
    clips = [record.build_clip(split, index, 40, seed) for index in range(n)]
    gold = [[label.text for label in clip.record.targets.labels_ov] for clip in clips]
    return [clip.truth.to_dict() for clip in clips], gold


@pytest.fixture(scope="module")
def dev():
    return _set("dev", 250, 11)


@pytest.fixture(scope="module")
def scores(dev):
    return oracle.oracle_scores(*dev, n_draws=60)


def test_the_oracle_leaves_room_and_needs_every_modality(scores):
    assert 0.78 < scores["avt"].f < 0.92
    for single in "avt":
        assert scores[single].f < scores["avt"].f - 0.1
    for pair in ("av", "at", "vt"):
        assert max(scores[m].f for m in pair) + 0.05 < scores[pair].f < scores["avt"].f


def test_the_oracle_beats_the_constant_list_and_the_probe(dev, scores):
    truths, gold = dev
    train_truths, train_gold = _set("train", 400, 12)
    words = oracle.constant_list(train_gold, gold)
    constant = set_scores(gold, [words] * len(gold), families_by_word())
    weights = oracle.probe(oracle.features(train_truths), train_gold)
    probe = set_scores(gold, oracle.probe_families(weights, oracle.features(truths), 0.2), families_by_word())
    assert constant.f + 0.1 < scores["t"].f
    assert constant.f + 0.3 < probe.f < scores["avt"].f


def test_more_draws_change_little(dev):
    truths, gold = dev
    kept = [row for row, labels in enumerate(gold) if labels]
    first, second = oracle.predict_halves([truths[r] for r in kept], "av", n_draws=200)
    halves = [set_scores([gold[r] for r in kept], answer, families_by_word()).f for answer in (first, second)]
    assert abs(halves[0] - halves[1]) < 0.03


def test_sealed_is_harder_but_not_hopeless(scores):
    sealed = oracle.oracle_scores(*_set("sealed", 250, 11), subsets=("v", "avt"), n_draws=60)
    assert 0.70 < sealed["avt"].f < 0.92
    assert sealed["v"].f < scores["v"].f + 0.03


def test_best_set_maximises_expected_f():
    gold = np.zeros((10, 12))
    gold[:, 3] = 1
    gold[:7, 5] = 1
    gold[7:, 6] = 1
    assert set(oracle.best_set(gold)) == {3, 5}
    assert FAMILIES[3] == "interest"
