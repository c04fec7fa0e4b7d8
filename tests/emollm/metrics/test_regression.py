"""Numbers: correlations and errors are scipy's and scikit-learn's; concordance is Lin's."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from emollm.errors import EmoError
from emollm.metrics.regression import regression_scores

NUMBER = st.floats(-3, 3, allow_subnormal=False).map(lambda x: round(x, 3))
PAIRS = st.lists(st.tuples(NUMBER, NUMBER), min_size=3, max_size=40)


@given(PAIRS)
def test_same_as_scipy_and_scikit_learn(pairs):
    gold, predicted = np.array(pairs).T
    assume(min(np.ptp(gold), np.ptp(predicted)) > 0.01)
    found = regression_scores(gold, predicted)
    assert found.pearson == pytest.approx(stats.pearsonr(gold, predicted).statistic)
    assert found.mae == pytest.approx(sk.mean_absolute_error(gold, predicted))
    assert found.mse == pytest.approx(sk.mean_squared_error(gold, predicted))
    assert abs(found.ccc) <= abs(found.pearson) + 1e-9


@given(PAIRS)
def test_concordance_is_pearson_times_the_bias_factor(pairs):
    """Lin 1989: ccc = r * C, with C = 2 / (v + 1/v + u^2), v the ratio of spreads and u the scaled shift."""
    gold, predicted = np.array(pairs).T
    assume(min(np.ptp(gold), np.ptp(predicted)) > 0.01)
    ratio = gold.std() / predicted.std()
    shift = (gold.mean() - predicted.mean()) / np.sqrt(gold.std() * predicted.std())
    expected = stats.pearsonr(gold, predicted).statistic * 2 / (ratio + 1 / ratio + shift**2)
    assert regression_scores(gold, predicted).ccc == pytest.approx(expected)


def test_shifted_predictions_correlate_but_do_not_agree():
    gold = np.array([0.1, 0.5, 0.9])
    assert regression_scores(gold, gold).ccc == pytest.approx(1)
    shifted = regression_scores(gold, gold + 1)
    assert shifted.pearson == pytest.approx(1) and shifted.ccc < 0.2
    constant = regression_scores(gold, [0.5] * 3)
    assert np.isnan(constant.pearson) and constant.ccc == 0


def test_all_problems_are_told_at_once():
    with pytest.raises(EmoError) as error:
        regression_scores([0.1, float("nan"), 0.3], [None, 0.2, float("inf")])
    assert "1 gold row(s) missing, NaN or infinite: 1" in str(error.value)
    assert "2 predicted row(s) missing, NaN or infinite: 0, 2" in str(error.value)
    with pytest.raises(EmoError, match="3 gold rows but 2"):
        regression_scores([1, 2, 3], [1, 2])
    with pytest.raises(EmoError, match="shapes differ"):
        regression_scores([1, 2, 3], [[1], [2], [3]])
    with pytest.raises(EmoError, match="nothing to score"):
        regression_scores([], [])
