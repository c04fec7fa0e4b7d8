"""Class scores are scikit-learn's; no answer is wrong and belongs to no class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from emollm.errors import EmoError
from emollm.metrics.classes import NO_CLASS, class_scores, class_table, codes

NAMES = ("happy", "sad", "angry", "neutral")
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=60)


@given(PAIRS)
def test_same_as_scikit_learn(pairs):
    gold, predicted = np.array(pairs).T
    found = class_scores(gold, predicted)
    classes = sorted({*gold, *predicted} - {NO_CLASS})
    assert found.acc == pytest.approx(sk.accuracy_score(gold, predicted))
    assert found.uar == pytest.approx(sk.recall_score(gold, predicted, labels=sorted({*gold}), average="macro"))
    assert found.waf == pytest.approx(sk.f1_score(gold, predicted, labels=classes, average="weighted", zero_division=0))
    assert found.macro_f1 == pytest.approx(sk.f1_score(gold, predicted, labels=classes, average="macro"))


@given(PAIRS)
def test_table_is_scikit_learns(pairs):
    gold, predicted = np.array(pairs).T
    table = class_table(gold, predicted)
    classes = list(range(len(table.n)))
    precision, recall, f1, n = sk.precision_recall_fscore_support(gold, predicted, labels=classes, zero_division=np.nan)
    for ours, theirs in ((table.precision, precision), (table.recall, recall), (table.f1, f1), (table.n, n)):
        np.testing.assert_allclose(ours, theirs)
    assert table.no_class == (predicted == NO_CLASS).sum()


def test_no_answer_is_wrong_and_no_class():
    gold = codes(["happy", "sad", "neutral"], NAMES)
    silent = codes(["happy", None, "cheerful"], NAMES)
    assert silent.tolist() == [0, NO_CLASS, NO_CLASS]
    assert class_scores(gold, silent).acc == pytest.approx(1 / 3)
    assert class_table(gold, silent).n.tolist() == [1, 1, 0, 1]
    assert class_scores(gold, gold) == class_scores(gold[::-1], gold[::-1])


def test_wrong_input_is_refused():
    with pytest.raises(EmoError, match="2 gold rows but 1"):
        class_scores(np.array([0, 1]), np.array([0]))
    with pytest.raises(EmoError, match="nothing to score"):
        class_scores(np.array([], int), np.array([], int))
    with pytest.raises(EmoError, match="gold rows without a class: 1"):
        class_scores(np.array([0, NO_CLASS]), np.array([0, 0]))
