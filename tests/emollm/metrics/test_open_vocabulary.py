"""Set scores of open-vocabulary labels."""

import pytest

from emollm.errors import EmoError
from emollm.metrics.open_vocabulary import set_scores

MAPPING = {"angry": "anger", "furious": "anger", "sad": "sadness", "happy": "joy"}


def test_scores_by_hand():
    scores = set_scores([["angry"], ["sad", "happy"], []], [["furious", "sad"], [" Sad "], ["happy"]], MAPPING)
    assert scores.n == 2  # the sample without gold is skipped
    assert scores.precision == pytest.approx((0.5 + 1) / 2)
    assert scores.recall == pytest.approx((1 + 0.5) / 2)
    assert scores.f == pytest.approx(0.75)
    assert scores.label_count == 1.5
    assert scores.unmapped == 0


def test_synonyms_count_once_and_unmapped_words_count_against():
    assert set_scores([["angry"]], [["angry", "furious"]], MAPPING).precision == 1
    scores = set_scores([["angry"]], [["angry", "blargh"]], MAPPING)
    assert (scores.precision, scores.unmapped) == (0.5, 0.5)


def test_an_empty_answer_scores_zero():
    scores = set_scores([["angry"], ["sad"]], [[], ["sad"]], MAPPING)
    assert (scores.precision, scores.recall) == (0.5, 0.5)
    assert set_scores([["angry"]], [[]], MAPPING).f == 0


def test_wrong_input_is_refused():
    with pytest.raises(EmoError, match="1 gold rows but 0"):
        set_scores([["angry"]], [], MAPPING)
    with pytest.raises(EmoError, match="without a group"):
        set_scores([["glum"]], [["sad"]], MAPPING)
