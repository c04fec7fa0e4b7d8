"""Krippendorff's alpha is that of his worked example."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emollm.errors import EmoError
from emollm.metrics.agreement import krippendorff_alpha

# Krippendorff 2011, part C: four observers, twelve units, missing values.
TABLE = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
UNITS = [[value for value in unit if value is not None] for unit in zip(*TABLE, strict=True)]


@pytest.mark.parametrize(("distance", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_the_worked_example(distance, alpha):
    assert krippendorff_alpha(UNITS, distance) == pytest.approx(alpha, abs=5e-4)


def test_sets_of_one_word_are_classes():
    as_sets = [[{str(value)} for value in unit] for unit in UNITS]
    assert krippendorff_alpha(as_sets, "masi") == pytest.approx(krippendorff_alpha(UNITS))


def test_sets_that_overlap_agree_more_than_disjoint_ones():
    apart = [[{"sad"}, {"angry"}], [{"happy"}, {"calm"}], [{"calm"}, {"sad"}]]
    close = [[{"sad"}, {"sad", "angry"}], [{"happy"}, {"happy", "calm"}], [{"calm"}, {"sad", "calm"}]]
    assert krippendorff_alpha(apart, "masi") < 0 < krippendorff_alpha(close, "masi") < 1


@given(st.lists(st.lists(st.integers(1, 4), min_size=2, max_size=4), min_size=2, max_size=12), st.randoms())
def test_order_of_raters_and_units_does_not_matter(units, random):
    before = krippendorff_alpha(units, "ordinal")
    mixed = [random.sample(unit, len(unit)) for unit in random.sample(units, len(units))]
    assert krippendorff_alpha(mixed, "ordinal") == pytest.approx(before, nan_ok=True)


def test_full_agreement_is_one_and_a_single_rater_is_refused():
    assert krippendorff_alpha([["a", "a"], ["b", "b", "b"]]) == 1
    with pytest.raises(EmoError, match="two raters"):
        krippendorff_alpha([["a"], ["b"]])
