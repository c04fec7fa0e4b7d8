"""Intervals hold what they should, and clusters make them wider."""

import numpy as np
import pytest

from emollm.errors import EmoError
from emollm.metrics.bootstrap import clustered


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
