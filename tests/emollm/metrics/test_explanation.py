"""Cues are matched one to one, as many as can be; their times count when asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from emollm.errors import EmoError
from emollm.metrics.explanation import CueScores, alike, cue_counts, cue_scores, overlap, statement_scores
from emollm.records import Cue


def cue(text, start_s=None, end_s=None, modality="audio", au=None):
    return Cue(modality=modality, text=text, start_s=start_s, end_s=end_s, au=au)


@pytest.mark.parametrize(
    ("true", "named", "same"),
    [
        (cue("voice is loud"), cue("the voice is loud"), True),
        (cue("voice is loud"), cue("Loud voice!"), True),
        (cue("voice is loud"), cue("voice is low"), True),
        (cue("voice is loud"), cue("voice trembles"), False),
        (cue("brows drawn together", au="AU4"), cue("frowns", au="au04"), True),
        (cue("frowns", au="AU4"), cue("frowns", au="AU12"), False),
        (cue("frowns", au="AU4"), cue("frowns", au="a frown"), False),
        (cue("!"), cue("!"), False),
    ],
)
def test_what_says_the_same(true, named, same):
    assert alike(true, named) is same


def test_overlap_of_times():
    assert overlap(cue("a", 0, 2), cue("b", 1, 3)) == pytest.approx(1 / 3)
    assert overlap(cue("a", 0, 1), cue("b", 2, 3)) == 0
    assert overlap(cue("a", 1, 1), cue("b", 1, 1)) == 1
    assert overlap(cue("a", 0, 1), cue("b")) == 0


def test_modality_and_time_must_fit():
    gold, named = [[cue("smiles", 0, 2, "video")]], [[cue("smiles", 1, 3, "video")]]
    assert cue_scores(cue_counts(gold, named)) == CueScores(1, 1, 1)
    assert cue_scores(cue_counts(gold, named, min_overlap=0.3)).f1 == 1
    assert cue_scores(cue_counts(gold, named, min_overlap=0.5)) == CueScores(0, 0, 0)
    assert cue_scores(cue_counts(gold, [[cue("smiles", 0, 2, "audio")]])).f1 == 0


def test_repetition_and_invention_cost_precision_and_silence_recall():
    gold = [[cue("voice is loud"), cue("speaks fast")], []]
    counts = cue_counts(gold, [[cue("voice is loud"), cue("voice is loud")], [cue("sobs")]])
    assert counts.tolist() == [[1, 2, 2], [0, 0, 1]]
    assert cue_scores(counts) == CueScores(pytest.approx(2 / 5), pytest.approx(1 / 3), 0.5)
    assert np.isnan(cue_scores(cue_counts([[]], [[]])).f1), "no cue, no score"


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), max_size=5))
def test_as_many_matches_as_can_be(fits):
    """Whatever fits what: the number of matches is that of scipy's optimal assignment."""
    gold, named = [cue(f"t {i}") for i in range(len(fits))], [cue(f"n {i}") for i in range(4)]

    def same(true, other):
        return fits[gold.index(true)][named.index(other)]

    best = np.array(fits, float).reshape(-1, 4)
    rows, columns = linear_sum_assignment(best, maximize=True)
    assert cue_counts([gold], [named], same=same)[0, 0] == best[rows, columns].sum()


def test_statements_are_scored_softly():
    found = statement_scores(np.array([[0.9, 0.2, 0.1], [0.3, 0.4, 0.5]]))
    assert (found.recall, found.precision) == (pytest.approx(0.7), pytest.approx(0.6))
    assert found.f1 == pytest.approx(2 * 0.7 * 0.6 / 1.3)
    assert statement_scores(np.zeros((2, 0))) == CueScores(0, 0, 0)
    with pytest.raises(EmoError, match="no true statement"):
        statement_scores(np.zeros((0, 2)))
