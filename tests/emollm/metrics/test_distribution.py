"""Distributions: divergences are scipy's, R2 scikit-learn's, the gains of AmbER2 recompute from its scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import r2_score

from emollm.errors import EmoError
from emollm.metrics.bootstrap import relative_gain
from emollm.metrics.distribution import distribution_scores

VOTES = st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(any).map(lambda v: [x / sum(v) for x in v])
PAIRS = st.lists(st.tuples(VOTES, VOTES), min_size=2, max_size=20)


@given(PAIRS)
def test_same_as_scipy_and_scikit_learn(pairs):
    gold, predicted = (np.array(side) for side in zip(*pairs, strict=True))
    found = distribution_scores(gold, predicted)
    assert found.kl == pytest.approx(np.mean([stats.entropy(g, p) for g, p in zip(gold, predicted, strict=True)]))
    assert found.js == pytest.approx(np.mean(jensenshannon(gold, predicted, base=2, axis=1) ** 2), abs=1e-9)
    if np.ptp(gold, axis=0).all():  # scikit-learn leaves classes of constant share out
        assert found.r2 == pytest.approx(r2_score(gold, predicted, multioutput="variance_weighted"))
    steps = np.arange(4)
    by_steps = [stats.wasserstein_distance(steps, steps, g, p) for g, p in zip(gold, predicted, strict=True)]
    assert distribution_scores(gold, predicted, ordered=True).emd == pytest.approx(np.mean(by_steps))
    assert 0 <= found.bc <= 1 + 1e-9 and 0 <= found.emd <= 1 + 1e-9


def test_ends_of_the_scales():
    one, other = [[1.0, 0.0]], [[0.0, 1.0]]
    same, apart = distribution_scores(one, one), distribution_scores(one, other)
    assert (same.bc, same.kl, same.js, same.emd) == (1, 0, 0, 0)
    assert (apart.bc, apart.kl, apart.js, apart.emd) == (0, np.inf, pytest.approx(1), 1)
    assert distribution_scores([[0.5, 0.5]], [[0.9, 0.1]]).bc == pytest.approx(np.sqrt(0.45) + np.sqrt(0.05))


@pytest.mark.parametrize(
    ("second", "first", "percent"), [(0.83, 0.69, 20.3), (0.67, 0.59, 13.6), (0.683, 0.658, 3.8), (0.675, 0.646, 4.5)]
)
def test_the_four_gains_of_amber2(second, first, percent):
    """Abstract of https://arxiv.org/abs/2601.18010: Bhattacharyya coefficient, R2, accuracy, F1 on IEMOCAP."""
    assert round(100 * relative_gain(first, second), 1) == percent


def test_rows_that_are_no_distribution_are_refused_all_at_once():
    with pytest.raises(EmoError) as error:
        distribution_scores([[0.5, 0.5], [0.5, 0.2]], [[1.2, -0.2], [0.5, 0.5]])
    assert "1 gold row(s) are no distribution: 1" in str(error.value)
    assert "1 predicted row(s) are no distribution: 0" in str(error.value)
