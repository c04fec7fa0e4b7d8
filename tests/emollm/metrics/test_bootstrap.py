"""Intervals hold what they should, and clusters make them wider."""

import numpy as np
import pytest

from emollm.errors import EmoError
from emollm.metrics.bootstrap import clustered, holm, intervals, paired, relative_gain


def mean_of(values):
    return lambda rows: float(values[rows].mean())


def test_interval_holds_the_value_and_narrows_with_more_clusters():
    rng = np.random.default_rng(0)
    widths = []
    for n in (20, 320):
        values = rng.normal(size=n)
        found = clustered(mean_of(values), list(range(n)), draws=400)
        assert found.value == pytest.approx(values.mean())
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


def test_interval_of_independent_rows_is_the_textbook_one():
    values = np.random.default_rng(1).normal(size=400)
    found = clustered(mean_of(values), list(range(400)), draws=4000)
    half = 1.96 * values.std() / 20
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.08)


def test_rows_of_one_speaker_count_as_one():
    speakers = np.random.default_rng(2).normal(size=20)
    values = np.repeat(speakers, 10)
    whole = clustered(mean_of(values), [i // 10 for i in range(200)])
    single = clustered(mean_of(values), list(range(200)))
    assert whole.high - whole.low > 2 * (single.high - single.low)


def test_same_seed_same_interval_and_one_cluster_is_refused():
    values = np.arange(10.0)
    assert clustered(mean_of(values), list(range(10)), seed=3) == clustered(mean_of(values), list(range(10)), seed=3)
    with pytest.raises(EmoError, match="no interval"):
        clustered(mean_of(values), ["a"] * 10)


def test_several_statistics_share_their_draws():
    values = np.random.default_rng(5).normal(size=30)
    found = intervals(lambda rows: {"mean": values[rows].mean(), "twice": 2 * values[rows].mean()}, list(range(30)))
    assert found["mean"] == clustered(mean_of(values), list(range(30)))
    assert found["twice"].low == pytest.approx(2 * found["mean"].low)


def test_pairing_sees_a_small_gain_that_single_intervals_hide():
    rng = np.random.default_rng(6)
    hard = rng.normal(size=200)
    first, second = hard, hard + 0.1 + rng.normal(scale=0.05, size=200)
    systems = [lambda rows, v=v: {"f": float(v[rows].mean())} for v in (first, second)]
    found = paired(*systems, list(range(200)))["f"]
    single = clustered(mean_of(first), list(range(200)))
    assert found.difference.value == pytest.approx(second.mean() - first.mean())
    assert 0 < found.difference.low < found.difference.high < single.high - single.low
    assert found.p == pytest.approx(2 / 1001)
    assert found.gain == pytest.approx(relative_gain(first.mean(), second.mean()))
    same = paired(systems[0], systems[0], list(range(200)))["f"]
    assert (same.difference.value, same.p) == (0, 1)


def test_undefined_draws_are_counted_not_hidden():
    values = np.array([1.0, np.nan, 1.0, 2.0])
    found = clustered(lambda rows: float(values[rows].mean()), list(range(4)), draws=200)
    assert 0 < found.undefined < 200 and 1 <= found.low <= found.high <= 2
    assert np.isnan(found.value)


def test_holm_by_hand():
    corrected = holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": float("nan")})
    assert corrected["b"] == pytest.approx(0.03)
    assert corrected["c"] == corrected["a"] == pytest.approx(0.06), "never below a smaller one"
    assert np.isnan(corrected["d"])
