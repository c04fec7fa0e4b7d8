"""The hit rate skips classes that are on no wheel, and shows what games it."""

import numpy as np
import pytest

from emollm.emotions.importing import Sources
from emollm.errors import EmoError
from emollm.metrics.hits import SIX, hit_rate, hit_statistic

WHEEL = {word: (word, word) for word in SIX}
PART = {word: (word, word) for word in SIX if word not in ("surprised", "disgusted")}
MAPS = Sources({"W1": WHEEL, "W2": PART}, {word: [word] for word in SIX}, {word: [word] for word in SIX}).compile()


def test_hits_by_hand() -> None:
    gold = ["happy", "sad", "disgusted", "neutral"]
    found = hit_rate(MAPS, gold, ["happy, sad", "[angry]", "disgusted", "neutral"])
    one, two = found.wheels
    assert (one.n, one.hit) == (3, pytest.approx(2 / 3))
    assert (two.n, two.hit) == (2, 0.5)
    assert found.value == pytest.approx((2 / 3 + 1 / 2) / 2)
    # Of the classes of this data set (happy, sad, disgusted), the first answer names two, the second none, the third one.
    assert one.mscore == pytest.approx((1 / 2 + 0 + 1) / 3) and two.mscore == pytest.approx(1 / 4)
    assert found.pairs == 4 and found.label_count == 1.25 and found.unmapped == 0.2


def test_naming_everything_hits_everything_and_shows() -> None:
    gold = ["happy", "sad", "angry"]
    found = hit_rate(MAPS, gold, [list(SIX)] * 3)
    assert found.value == found.constant_value == 1
    assert found.mscore == pytest.approx(1 / 3) and found.label_count == 6


def test_statistic_follows_the_rows() -> None:
    gold, predicted = ["happy", "sad", "angry"], ["happy", "sad", "happy"]
    on = hit_statistic(MAPS, gold, predicted)
    assert on(np.arange(3)) == hit_rate(MAPS, gold, predicted).value
    assert (on(np.array([0, 1])), on(np.array([2, 2]))) == (1, 0)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(EmoError, match="no class is known"):
        hit_rate(MAPS, ["neutral"], ["happy"])
    with pytest.raises(EmoError, match="list item 3 is no text"):
        hit_rate(MAPS, [3], ["happy"])  # type: ignore[list-item]
    with pytest.raises(EmoError, match="1 gold rows but 0"):
        hit_rate(MAPS, ["happy"], [])
