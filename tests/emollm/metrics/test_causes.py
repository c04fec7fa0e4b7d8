"""Emotion-cause pairs: a pair is right when all of it is; the weighted mean is by gold pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from emollm.errors import EmoError
from emollm.metrics.causes import CauseScores, pair_counts, pair_scores

UTTERANCES = ("u1", "u2", "u3")
PAIRS = st.sets(st.tuples(*[st.sampled_from(UTTERANCES)] * 2, st.sampled_from(("joy", "anger"))))


def test_by_hand():
    gold = [{("u2", "u1", "joy"), ("u3", "u1", "anger")}, {("u1", "u1", "joy")}]
    predicted = [{("u2", "u1", "joy"), ("u3", "u2", "anger")}, set()]
    found = pair_scores(pair_counts(gold, predicted))
    assert (found.precision, found.recall, found.f1) == (1 / 2, pytest.approx(1 / 3), pytest.approx(2 / 5))
    assert found.weighted_f1 == pytest.approx(2 / 3 * 2 / 3), "joy 2 of 3 gold pairs with F1 2/3, anger 0"


def test_the_emotion_is_part_of_the_pair():
    assert pair_scores(pair_counts([{("u2", "u1", "joy")}], [{("u2", "u1", "anger")}])) == CauseScores(0, 0, 0, 0)


@given(st.lists(st.tuples(PAIRS, PAIRS), min_size=1, max_size=6))
def test_same_as_scikit_learn(dialogues):
    """Each possible pair of each dialogue is a yes-no question."""
    gold, predicted = zip(*dialogues, strict=True)
    asked = [(d, (a, b, e)) for e in ("anger", "joy") for d in range(len(gold)) for a in UTTERANCES for b in UTTERANCES]
    true, named = (np.array([pair in side[d] for d, pair in asked]) for side in (gold, predicted))
    found = pair_scores(pair_counts(gold, predicted))
    if true.any():
        assert found.f1 == pytest.approx(f1_score(true, named))
        halves = np.split(true, 2), np.split(named, 2)
        f1 = [f1_score(t, n, zero_division=0) for t, n in zip(*halves, strict=True)]
        assert found.weighted_f1 == pytest.approx(np.average(f1, weights=[half.sum() for half in halves[0]]))


def test_dialogues_must_be_paired():
    with pytest.raises(EmoError, match="1 gold rows but 2"):
        pair_counts([set()], [set(), set()])
