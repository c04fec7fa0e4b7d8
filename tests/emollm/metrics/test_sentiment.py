"""Each sentiment convention as its papers have it, against scikit-learn."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as sk

from emollm.errors import EmoError
from emollm.metrics.sentiment import mosi_scores, sims_scores, word_scores, word_values

STEP = st.integers(-15, 15).map(lambda x: x / 5)
PAIRS = st.lists(st.tuples(STEP, st.integers(-20, 20).map(lambda x: x / 5)), min_size=2, max_size=40)


@given(PAIRS)
def test_mosi(pairs):
    gold, predicted = np.array(pairs).T
    assume((gold != 0).any())
    found, kept = mosi_scores(gold, predicted), gold != 0
    assert found.non0_acc2 == pytest.approx(sk.accuracy_score(gold[kept] > 0, predicted[kept] > 0))
    assert found.non0_f1 == pytest.approx(sk.f1_score(gold[kept] > 0, predicted[kept] > 0, average="weighted"))
    assert found.has0_acc2 == pytest.approx(sk.accuracy_score(gold >= 0, predicted >= 0))
    assert found.has0_f1 == pytest.approx(sk.f1_score(gold >= 0, predicted >= 0, average="weighted"))
    for score, end in ((found.acc5, 2), (found.acc7, 3)):
        rounded = [np.round(np.clip(side, -end, end)) for side in (gold, predicted)]
        assert score == pytest.approx(sk.accuracy_score(*rounded))


def test_a_neutral_answer_is_positive_with_zero_and_negative_without():
    found = mosi_scores([1.0, 2.0, -1.0], [0.0, 0.0, 0.0])
    assert (found.has0_acc2, found.non0_acc2) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert np.isnan(mosi_scores([0.0, 0.0], [1.0, -1.0]).non0_f1), "no clip is left without 0"


@pytest.mark.parametrize(
    ("gold", "predicted", "right"),
    [
        (0.0, -0.2, (1, 0, 0)),
        (0.0, 0.1, (0, 1, 1)),
        (0.1, 0.11, (1, 0, 0)),
        (-0.7, -1.0, (1, 1, 1)),
        (0.7, 0.8, (1, 1, 0)),
        (1.0, 4.0, (1, 1, 1)),
    ],
)
def test_sims_intervals_are_closed_above(gold, predicted, right):
    found = sims_scores([gold], [predicted])
    assert (found.acc2, found.acc3, found.acc5) == right


def test_sims_clips_before_it_measures_errors():
    found = sims_scores([1.0, -1.0], [3.0, -1.0])
    assert found.mae == 0 and found.corr == pytest.approx(1)


def test_words_count_as_mer_unibench_counts_them():
    values = word_values(["positive", "negative", "neutral", "Positive", "positive.", None])
    assert values.tolist() == [1, -1, 0, 0, 0, 0]
    found = word_scores([0.4, -0.2, -0.6, 0.0], word_values(["neutral", "neutral", "negative", "positive"]))
    assert found.acc == pytest.approx(2 / 3), "the clip with gold 0 is left out, neutral is negative"
    assert found.waf == pytest.approx(sk.f1_score([1, 0, 0], [0, 0, 0], average="weighted"))


def test_gold_of_another_scale_is_refused():
    with pytest.raises(EmoError, match=r"lies outside -1\.\.1"):
        sims_scores([2.0, -1.0], [1.0, 0.0])
    with pytest.raises(EmoError, match=r"lies outside -3\.\.3"):
        mosi_scores([5.0], [1.0])
