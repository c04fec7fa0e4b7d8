"""Calibration: scores are scikit-learn's where it has them; abstentions lower coverage and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from emollm.errors import EmoError
from emollm.metrics.calibration import calibration_scores, risk_coverage

ANSWERS = st.lists(st.tuples(st.booleans(), st.integers(1, 19).map(lambda x: x / 20)), min_size=2, max_size=40)


@given(ANSWERS)
def test_same_as_scikit_learn(answers):
    right, sure = (np.array(side) for side in zip(*answers, strict=True))
    found = calibration_scores(right, sure)
    assert found.brier == pytest.approx(sk.brier_score_loss(right, sure, pos_label=True))
    assert -found.log_score == pytest.approx(sk.log_loss(right, sure, labels=[False, True]))
    if 0 < right.sum() < len(right):
        assert found.auroc == pytest.approx(sk.roc_auc_score(right, sure))
    else:
        assert np.isnan(found.auroc)


@given(ANSWERS, st.randoms())
def test_equal_confidence_may_be_answered_in_any_order(answers, random):
    right, sure = (np.array(side) for side in zip(*answers, strict=True))
    mixed = random.sample(range(len(right)), len(right))
    coverage, risk = risk_coverage(right, sure)
    np.testing.assert_allclose(risk_coverage(right[mixed], sure[mixed])[1], risk)
    assert coverage[-1] == 1 and risk[-1] == pytest.approx((~right).mean())


def test_risk_coverage_by_hand():
    right = np.array([True, False, True, False])
    assert risk_coverage(right, np.array([0.9, 0.8, 0.7, 0.6]))[1] == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert risk_coverage(right, np.array([0.9, 0.9, 0.7, 0.6]))[1] == pytest.approx([1 / 2, 1 / 2, 1 / 3, 1 / 2])


def test_calibration_error_by_hand():
    """Two bins of 0.5: accuracy 0.5 at mean confidence 0.3, accuracy 1 at 0.8; a confidence of 0.5 belongs to the lower bin."""
    right, sure = np.array([True, False, True, True]), np.array([0.1, 0.5, 0.7, 0.9])
    assert calibration_scores(right, sure, bins=2).ece == pytest.approx(0.2)
    assert calibration_scores(right, np.array([1.0, 0.0, 1.0, 1.0])).ece == 0


def test_sure_and_wrong_costs_everything():
    assert calibration_scores(np.array([False, True]), np.array([1.0, 0.5])).log_score == -np.inf


def test_abstentions_lower_coverage_alone():
    right, sure = np.array([True, False, True]), np.array([0.9, 0.4, 0.6])
    whole = calibration_scores(right, sure)
    part = calibration_scores(np.append(right, [False, True]), np.append(sure, [np.nan, np.nan]))
    assert part.coverage == pytest.approx(3 / 5) and whole.coverage == 1
    assert (part.ece, part.brier, part.aurc, part.acc) == (whole.ece, whole.brier, whole.aurc, whole.acc)
    nothing = calibration_scores(right, np.full(3, np.nan))
    assert nothing.coverage == 0 and np.isnan(nothing.ece)


def test_percents_are_no_probabilities():
    with pytest.raises(EmoError, match=r"outside 0\.\.1"):
        calibration_scores(np.array([True, False]), np.array([80.0, 20.0]))
