"""Words of causes: strict spans, and shared tokens as the scorer of SemEval-2024 task 3 counts them."""

import pytest

from emollm.errors import EmoError
from emollm.metrics.cause_spans import Span, SpanScores, span_counts, span_scores


def scores(gold: list[set[Span]], predicted: list[set[Span]]) -> SpanScores:
    return span_scores(span_counts(gold, predicted))


def test_by_hand():
    gold: list[set[Span]] = [{("u2", "u1", "joy", 0, 4), ("u2", "u2", "joy", 1, 3)}, {("u5", "u4", "anger", 2, 12)}]
    named: list[set[Span]] = [{("u2", "u1", "joy", 0, 4), ("u2", "u2", "joy", 0, 3)}, {("u5", "u4", "anger", 10, 15)}]
    found = scores(gold, named)
    assert (found.strict_precision, found.strict_recall, found.strict_f1) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert found.weighted_strict_f1 == pytest.approx(2 / 3 * 1 / 2), "joy 1 of 2 and 2, anger none"
    # tokens: joy shares 4 + 2 of 6 true and 7 named, anger 2 of 10 and 5
    assert (found.proportional_precision, found.proportional_recall) == pytest.approx((8 / 12, 8 / 16))
    assert found.weighted_proportional_f1 == pytest.approx((2 * 12 / 13 + 1 * 4 / 15) / 3)


def test_the_true_span_covered_most_counts_and_once_for_each_that_is_matched_with_it():
    gold: list[set[Span]] = [{("u", "v", "joy", 0, 10), ("u", "v", "joy", 8, 10)}]
    found = scores(gold, [{("u", "v", "joy", 7, 10)}])
    assert found.proportional_precision == pytest.approx(2 / 3), "all of the short one, not three of the long one"
    assert found.proportional_recall == pytest.approx(2 / 12)
    twice = scores([{("u", "v", "joy", 0, 4)}], [{("u", "v", "joy", 0, 1), ("u", "v", "joy", 3, 4)}])
    assert (twice.proportional_precision, twice.proportional_recall) == (1.0, pytest.approx(2 / 8))


@pytest.mark.parametrize("wrong", [("u", "w", "joy", 0, 4), ("u", "v", "anger", 0, 4), ("u", "v", "joy", 4, 6)])
def test_utterances_emotion_and_place_must_fit(wrong: Span):
    found = scores([{("u", "v", "joy", 0, 4)}], [{wrong}])
    assert (found.strict_f1, found.proportional_f1) == (0, 0)


def test_rows_must_belong_together():
    with pytest.raises(EmoError, match="2 gold rows but 1"):
        span_counts([set(), set()], [set()])
