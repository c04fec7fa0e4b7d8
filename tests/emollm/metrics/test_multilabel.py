"""Scores of label sets are scikit-learn's, action units' too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from emollm.errors import EmoError
from emollm.metrics.action_units import action_unit, action_unit_scores, told_units
from emollm.metrics.agreement import masi
from emollm.metrics.aligned import indicators
from emollm.metrics.multilabel import multilabel_scores

SETS = st.lists(st.tuples(st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4))), min_size=1, max_size=30)


@given(SETS)
def test_same_as_scikit_learn(pairs):
    gold, predicted = (indicators(side, range(5)) for side in zip(*pairs, strict=True))
    found = multilabel_scores(gold, predicted)
    used = [label for label in range(5) if gold[:, label].any() or predicted[:, label].any()]
    assert found.micro_f1 == pytest.approx(sk.f1_score(gold, predicted, average="micro", zero_division=1))
    assert found.sample_f1 == pytest.approx(sk.f1_score(gold, predicted, average="samples", zero_division=1))
    assert found.jaccard == pytest.approx(sk.jaccard_score(gold, predicted, average="samples", zero_division=1))
    assert found.exact == pytest.approx(sk.accuracy_score(gold, predicted))
    assert found.hamming == pytest.approx(sk.hamming_loss(gold, predicted))
    if used:
        macro = sk.f1_score(gold[:, used], predicted[:, used], average="macro", zero_division=0)
        assert found.macro_f1 == pytest.approx(macro)
        assert action_unit_scores(gold, predicted).f1 == pytest.approx(macro)
    assert action_unit_scores(gold, predicted).set_f1 == pytest.approx(found.sample_f1)


def test_masi_of_passonneau():
    """Equal 0; one holds the other 1 - 2/3 J; overlap 1 - 1/3 J; disjoint 1 (J: Jaccard)."""
    hits, first, second = np.array([[2, 2, 2], [1, 1, 2], [1, 2, 2], [0, 1, 1], [0, 0, 0], [0, 0, 1]]).T
    assert masi(hits, first, second) == pytest.approx([0, 1 - 2 / 3 / 2, 1 - 1 / 3 / 3, 1, 0, 1])


@pytest.mark.parametrize(("text", "unit"), [("AU12", 12), ("au 4", 4), ("AU04_r", 4), (" 17 ", 17), ("AU_1", 1)])
def test_action_units_are_read(text, unit):
    assert action_unit(text) == unit


@pytest.mark.parametrize("text", ["smile", "AU", "AU123", "12.5", ""])
def test_other_words_name_no_unit(text):
    with pytest.raises(EmoError, match="no action unit"):
        action_unit(text)


def test_units_that_a_text_tells():
    assert told_units("brows lowered (AU04) with au 7_r, not AUDIO 9") == {4, 7}
    assert told_units("12") == {12} and told_units("12 frames of a smile") == set()


def test_labels_outside_the_space_are_refused():
    with pytest.raises(EmoError, match="not among the names: blargh"):
        indicators([{"sad"}, {"blargh"}], ("sad", "happy"))
