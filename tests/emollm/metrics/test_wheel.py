"""Open-vocabulary scores equal their definition, and the published case; what games F stands beside it."""

import csv
import math
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emollm.emotions.importing import Sources, read_folder
from emollm.emotions.labels import reference_labels
from emollm.emotions.maps import Maps, load_maps
from emollm.errors import EmoError
from emollm.metrics.wheel import METRICS, pair_counts, sample_f, score, statistic

REFERENCE = Path(__file__).parents[4] / "shared" / "reference"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no ../shared/reference")

LEFT = {
    "glad": ("glad", "merry"),
    "merry": ("glad", "merry"),
    "grim": ("grim", "low"),
    "low": ("grim", "low"),
    "bold": ("bold", "bold"),
}
RIGHT = {"glad": ("warm", "glad"), "bold": ("warm", "bold"), "grim": ("cold", "grim")}
SYNONYMS = {"happy": ["glad", "merry"], "sad": ["low"], "brave": ["bold"], "fear": ["grim"], "odd": []}
BASES = {
    "happy": ["happy"],
    "joy": ["happy", "brave"],
    "sad": ["sad"],
    "brave": ["brave"],
    "fear": ["brave", "fear"],
    "odd": ["odd"],
}
MAPS = Sources({"W1": LEFT, "W2": RIGHT}, SYNONYMS, BASES).compile()

label_lists = st.lists(st.sampled_from([*BASES, "Happy ", "zzz", ""]), max_size=5)
answers = label_lists | label_lists.map(lambda labels: "[" + ", ".join(labels) + "]") | st.none()


def by_definition(maps: Maps, gold: list, predicted: list) -> np.ndarray:
    """Return F, P, R, n of each grouping, straight from the definition of the published score."""
    columns, group = [], cache(maps.group)
    for grouping in maps.groupings:
        precision, recall = [], []
        for truth, guess in zip(gold, predicted, strict=True):
            wanted, named = (
                {g for label in reference_labels(a) for g in group(label, grouping)} for a in (truth, guess)
            )
            if wanted:
                precision.append(len(wanted & named) / len(named) if named else 0)
                recall.append(len(wanted & named) / len(wanted))
        p, r = (math.fsum(side) / max(len(side), 1) for side in (precision, recall))
        columns.append((2 * p * r / (p + r) if p + r else 0, p, r, len(recall)))
    return np.array(columns).T


@given(st.lists(st.tuples(answers, answers), max_size=8))
def test_counts_equal_the_definition(pairs: list) -> None:
    gold, predicted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = pair_counts(MAPS, gold, predicted).means()
    np.testing.assert_allclose(found, by_definition(MAPS, gold, predicted), rtol=0, atol=1e-12)


def test_scores_by_hand() -> None:
    gold, predicted = ["[happy]", "[sad, fear]", "[odd]"], ["[joy]", "[fear]", "[happy]"]
    found = score("fs", MAPS, gold, predicted)
    one, two = (next(g for g in found.groupings if g.name == name) for name in ("W1-L1", "W2-L1"))
    # W1: {glad} against {bold}; {grim, bold} against {bold}. W2: {warm} against {warm} twice, sad lies on no sector of it.
    assert (one.n, one.precision, one.recall, one.f) == (2, 0.5, 0.25, pytest.approx(1 / 3))
    assert (two.n, two.f) == (2, 1)
    assert found.value == found.values["f"] == pytest.approx(2 / 3)
    assert found.values["p"] == 0.75 and found.values["r"] == 0.625
    assert found.pairs == 3 and found.label_count == 1
    assert score("s1s2", MAPS, gold, predicted).values["s1"] == found.value
    assert score("m-avg", MAPS, gold, predicted).value == pytest.approx(np.mean([g.f for g in found.groupings]))


def test_words_of_no_group_cost_nothing_and_are_reported() -> None:
    plain, spam = (score("fs", MAPS, ["happy"], [guess]) for guess in ("happy", "happy, zzz, qqq, odd"))
    assert plain.value == spam.value == 1
    assert (plain.unmapped, spam.unmapped) == (0, 0.5)
    assert spam.groupings[2].unmapped == 0.75 and spam.label_count == 4
    assert score("fs", MAPS, ["happy, zzz"], ["happy"]).gold_unmapped == 0.5


def test_empty_answers_count_and_empty_gold_does_not() -> None:
    counts = pair_counts(MAPS, ["happy", "happy", "", "zzz"], ["happy", None, "happy", "happy"]).means()
    assert counts[3].tolist() == [2] * len(MAPS.groupings)
    assert counts[1].tolist() == [0.5] * len(MAPS.groupings)


def test_the_constant_answer_is_the_best_of_the_commonest_gold_labels() -> None:
    gold = ["happy"] * 5 + ["sad"] * 3 + ["zzz"] * 9
    found = score("fs", MAPS, gold, ["fear"] * 17)
    assert found.constant in {("happy",), ("happy", "sad")}
    assert found.constant_value == score("fs", MAPS, gold, [list(found.constant)] * 17).value
    assert (
        score("fs", MAPS, gold, gold, constant=["brave"]).constant_value
        == score("fs", MAPS, gold, ["brave"] * 17).value
    )


def test_the_statistic_of_all_rows_is_the_score_and_follows_the_rows() -> None:
    gold, predicted = ["happy", "sad", "brave"], ["happy", "happy", "brave, sad"]
    for metric in ("fs", "s1s2", "m-avg"):
        on = statistic(metric, MAPS, pair_counts(MAPS, gold, predicted))
        assert on(np.arange(3)) == score(metric, MAPS, gold, predicted).value
        rows = [0, 2, 2]
        assert on(np.array(rows)) == score(metric, MAPS, [gold[r] for r in rows], [predicted[r] for r in rows]).value


@given(answers, answers)
def test_the_reward_is_the_mean_f_of_the_wheels_that_have_gold(gold: object, predicted: object) -> None:
    means = pair_counts(MAPS, [gold], [predicted]).means()[:, [2, 4]]  # type: ignore[list-item]
    expected = means[0, means[3] > 0]
    found = sample_f(MAPS, gold, predicted)  # type: ignore[arg-type]
    assert found == (pytest.approx(expected.mean(), abs=1e-12) if expected.size else None)


def test_wrong_input_is_refused_all_at_once() -> None:
    with pytest.raises(EmoError, match="2 gold rows but 1"):
        score("fs", MAPS, ["happy", "sad"], ["happy"])
    with pytest.raises(EmoError) as caught:
        score("fs", MAPS, ["happy"] * 4, ["happy", 3, "[", ["sad", None]])  # type: ignore[list-item]
    assert all(
        part in str(caught.value) for part in ("3 label lists", "row 2: int 3", "row 3: a lone", "row 4: list item")
    )
    with pytest.raises(EmoError, match="no gold label is known"):
        score("fs", MAPS, ["zzz"], ["happy"])
    with pytest.raises(EmoError, match="no metric 'f1'"):
        score("f1", MAPS, ["happy"], ["happy"])
    with pytest.raises(EmoError, match="asks for wheels mer2025, not own-"):
        score("mer2025-fg", MAPS, ["happy"], ["happy"])


def test_maps_of_another_version_are_refused() -> None:
    MAPS.check(None, "gold.jsonl")
    MAPS.check(MAPS.version, "gold.jsonl")
    with pytest.raises(EmoError, match="made for wheels mer2026"):
        MAPS.check("mer2026", "gold.jsonl")


def test_our_own_wheels_read_robustly_and_say_so() -> None:
    maps = load_maps()
    found = score("fs", maps, ["very happy; sad"], ["HAPPINESS / sadness!"])
    assert found.value == 1 and found.maps_version == maps.version and asdict(found)["maps_sha256"] == maps.sha256
    # plutchik {joy, trust} against {trust}, ekman has no trust, the other four agree
    assert sample_f(maps, ["loving"], ["trust"]) == pytest.approx((2 / 3 + 0 + 4) / 6)


@needs_reference
@pytest.mark.parametrize(
    ("year", "expected", "wheels"),
    [
        ("2025", (0.553706, 0.559395, 0.548516), (0.56400, 0.57512, 0.55397, 0.54697, 0.52848)),
        ("2026", (0.554608, 0.560524, 0.549187), (0.56400, 0.57728, 0.55451, 0.54825, 0.52900)),
    ],
)
def test_the_published_case(year: str, expected: tuple[float, ...], wheels: tuple[float, ...]) -> None:
    def labels(name: str) -> dict[str, str]:
        with (REFERENCE / "mer2024_ov" / name).open(encoding="utf-8") as lines:
            return {row["name"]: row["openset"] for row in csv.DictReader(lines)}

    truth, guess = labels("check-openset.csv"), labels("predict-openset.csv")
    gold, predicted = list(truth.values()), [guess[name] for name in truth]
    maps = read_folder(REFERENCE / "mer_wheels" / year).compile()
    found = score("fs", maps, gold, predicted)
    assert tuple(found.values.values()) == pytest.approx(expected, abs=5e-7)
    level1 = [g for g in found.groupings if g.name.endswith("L1")]
    assert [g.f for g in level1] == pytest.approx(wheels, abs=5e-6)
    assert [g.n for g in level1] == [327, 328, 324, 327, 316]
    np.testing.assert_allclose(
        [g.f for g in found.groupings], by_definition(maps, gold, predicted)[0], rtol=0, atol=1e-12
    )
    assert score("fs", maps, gold, gold).value == 1
    assert found.pairs == 332 and found.maps_version == f"mer{year}"
    ranked = [name for name in METRICS if METRICS[name].wheels == maps.version]
    assert [score(name, maps, gold, predicted).metric for name in ranked] == [f"mer{year}-fg"]
