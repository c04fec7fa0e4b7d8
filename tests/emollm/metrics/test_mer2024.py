"""The set metric of MER2024 on given groups."""

import pytest

from emollm.errors import EmoError
from emollm.metrics.mer2024 import mer2024_score


def test_scores_by_hand() -> None:
    gold = ["['Happy', 'glad', 'sad']", "['angry']", "[]"]
    predicted = ["['joyful', 'zzz']", "['mad']", "['sad']"]
    groups = [[["happy", "glad", "Joyful"]], [], []]
    found = mer2024_score(gold, predicted, groups)
    assert found.n == 2 and found.label_count == 1.5
    assert found.precision == 0.25  # an unknown word costs precision
    assert found.recall == 0.25
    assert found.value == 0.25
    assert mer2024_score(gold, predicted, [groups[0], [["mad", "angry"]], []]).value == 0.75


def test_gold_against_itself_is_one_and_an_empty_answer_scores_zero() -> None:
    gold = ["['happy', 'sad']", "['angry']"]
    assert mer2024_score(gold, gold, [[], []]).value == 1
    assert mer2024_score(gold, ["[]", None], [[], []]).value == 0


def test_wrong_input_is_refused() -> None:
    with pytest.raises(EmoError, match="1 gold rows, 1 predicted rows, 0 groupings"):
        mer2024_score(["happy"], ["happy"], [])
    with pytest.raises(EmoError, match="no sample has gold"):
        mer2024_score(["[]"], ["['happy']"], [[]])
    with pytest.raises(EmoError, match="is no label list"):
        mer2024_score([3], ["['happy']"], [[]])  # type: ignore[list-item]
