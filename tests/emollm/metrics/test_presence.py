"""Blends: exactly the right emotions; of blends, the right weights as well."""

import numpy as np
import pytest

from emollm.errors import EmoError
from emollm.metrics.presence import PresenceScores, blend_hits, presence_scores

GOLD = [{"ang": 0.7, "hap": 0.3}, {"ang": 0.5, "sad": 0.5}, {"neu": 1.0}]


def test_presence_needs_all_and_only_the_right_emotions():
    predicted = [{"ang": 0.7}, {"ang": 0.4, "sad": 0.3, "fea": 0.3}, {"neu": 0.4}]
    assert presence_scores(blend_hits(GOLD, predicted)) == PresenceScores(pytest.approx(1 / 3), 0)


def test_salience_counts_blends_only_and_rounds_to_percents():
    predicted = [{"ang": 0.701, "hap": 0.299}, {"ang": 0.6, "sad": 0.4}, {"neu": 1.0}]
    hits = blend_hits(GOLD, predicted)
    assert presence_scores(hits) == PresenceScores(1, 0.5)
    assert np.isnan(hits[2, 1])


def test_an_unknown_weight_is_wrong_and_presence_stays():
    assert presence_scores(blend_hits(GOLD[:1], [{"ang": np.nan, "hap": np.nan}])) == PresenceScores(1, 0)
    assert np.isnan(presence_scores(blend_hits(GOLD[2:], [{}])).acc_salience)
    with pytest.raises(EmoError, match="3 gold rows but 1"):
        blend_hits(GOLD, [{}])
