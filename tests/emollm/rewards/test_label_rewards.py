"""Rewards of labels equal values worked out by hand on our own wheels."""

import math

import numpy as np
import pytest
from pytest import approx

from emollm.emotions.maps import load_maps
from emollm.errors import ConfigError, EmoError
from emollm.metrics.regression import regression_scores
from emollm.metrics.wheel import sample_f
from emollm.prompts import TASKS
from emollm.rewards import RewardItem, Rollout
from emollm.rewards.contrastive_wheel import ContrastiveWheel
from emollm.rewards.loading import load_rewards
from tests.emollm.rewards.conftest import answer, clip, grade, value

HAPPY, UNREADABLE = clip("happy"), "The person is happy."


@pytest.mark.parametrize(
    ("gold", "named", "f"),
    [
        (["happy"], ["joyful"], 1),
        (["happy"], ["calm"], 4 / 6),  # apart on willcox and in arousal, together on the four other wheels
        (["happy"], ["happy", "sad"], 2 / 3),
        (["happy", "sad"], ["happy"], 2 / 3),
        (["happy"], ["happy", "teapot"], 1),
        (["happy"], [], 0),
        (["neutral"], ["neutral"], 1),
        (["neutral"], ["happy"], 0),
        (["neutral"], ["neutral", "happy"], 2 / 3),
        ([], [], 1),
        ([], ["happy"], 0),
    ],
)
def test_wheel_f(gold, named, f):
    assert value("wheel", clip(*gold), answer(*named)) == approx(f)


def test_wheel_f_is_the_published_one_where_gold_has_a_sector():
    maps = load_maps()
    for gold, named in ((["furious"], ["angry", "afraid", "glad"]), (["calm", "proud"], ["content", "teapot"])):
        assert value("wheel", clip(*gold), answer(*named)) == approx(sample_f(maps, gold, named))


def test_no_answer_is_neither_an_empty_one_nor_a_class():
    assert value("wheel", clip(), "no words") == 0
    assert value("wheel", clip("neutral"), UNREADABLE) == 0


def test_a_clip_without_labels_that_wheels_know_is_not_graded_whatever_is_said():
    for text in (answer("happy"), answer(), UNREADABLE):
        for name in ("wheel", "hit"):
            assert value(name, clip("teapot"), text) is None
    assert grade("wheel", clip(name="happy"), answer("happy")).value == 1, "a class is a label, too"


@pytest.mark.parametrize(
    ("penalty", "gold", "named", "factor"),
    [
        ("p1", 2, 5, 1 / 4),
        ("p2", 2, 5, 2 / 5),
        ("p3", 2, 5, math.log(2) / math.log(5)),
        ("p3", 1, 4, math.log(2) / math.log(5)),
        ("p1", 3, 3, 1),
        ("p2", 3, 1, 1),
    ],
)
def test_length(penalty, gold, named, factor):
    words = ["happy", "joyful", "glad", "merry", "cheerful"]
    record, text = clip(*words[:gold]), answer(*words[:named])
    assert value("length", record, text, penalty=penalty) == approx(factor - 1)
    assert value("wheel", record, text, length=penalty) == approx(factor), "all are one sector, so F is 1"


def test_contrast_is_own_f_minus_the_mean_of_others():
    others = [clip("happy", id_="a"), clip("joyful", id_="b"), clip("sad", id_="c"), clip("neutral", id_="d")]
    found = grade("contrastive_wheel", HAPPY, answer("happy"), records=others)
    assert found == (approx(1 - 2 / 4), "wheel F 1.00, against other clips 0.50")
    assert value("contrastive_wheel", others[2], answer("happy"), records=others) == approx(0 - 2 / 3)
    assert value("contrastive_wheel", HAPPY, UNREADABLE, records=others) == 0


def test_over_the_training_clips_no_constant_answer_earns_anything():
    noise = np.random.default_rng(0)
    words = ["happy", "sad", "furious", "neutral", "proud", "calm", "afraid"]
    clips = [
        clip(*noise.choice(words, noise.integers(1, 4), p=[0.5, 0.2, 0.1, 0.1, 0.04, 0.03, 0.03]), id_=f"{i}")
        for i in range(90)
    ]
    rewards = load_rewards([RewardItem(name="contrastive_wheel"), RewardItem(name="wheel", weight=0)], clips)
    for labels in (["happy"], ["happy", "sad"], ["neutral"], words, []):
        text = answer(*labels)
        grades = rewards.grade([Rollout(text, one, TASKS["labels"]) for one in clips])
        assert grades.total.mean() == approx(0, abs=1e-12)
        assert grades.values[:, 1].mean() > 0.1 or not labels, "plain F pays for it"


def test_contrast_needs_training_clips():
    with pytest.raises(ConfigError, match="only 1 training clips"):
        load_rewards([RewardItem(name="contrastive_wheel")], [HAPPY])
    with pytest.raises(EmoError, match="has not seen"):
        ContrastiveWheel().grade(Rollout(answer("happy"), HAPPY, TASKS["labels"]))


def test_exact_and_hit():
    gold = clip("Happy", "sad")
    assert value("exact", gold, answer("sad", "happy")) == 1
    assert value("exact", gold, answer("sad", "joyful")) == value("exact", gold, answer("sad")) == 0
    assert value("exact", clip(), UNREADABLE) == 0
    assert value("hit", HAPPY, answer("calm", "sad", "afraid")) == approx(4 / 6)
    assert value("hit", HAPPY, answer("sad")) == 0


def test_emotion_words_charges_what_is_surely_none():
    assert value("emotion_words", HAPPY, answer("happy", "table", "xkqzvv", "coquettish")) == approx(-2 / 4)
    assert value("emotion_words", HAPPY, answer("happy, table")) == approx(-1 / 2), "one text may hold several"
    assert value("emotion_words", HAPPY, answer("table"), records=[clip("Table")]) == 0, "a training label is one"
    assert value("emotion_words", HAPPY, answer()) == 0
    assert value("emotion_words", HAPPY, UNREADABLE) == -1


@pytest.mark.parametrize(
    ("gold", "named", "sign"),
    [
        (["happy"], ["proud", "surprised"], 1),
        (["happy"], ["sad"], -1),
        (["happy"], ["happy", "sad"], 0),
        (["happy"], ["teapot"], 0),
        (["sad", "angry"], ["afraid"], 1),
        (["surprised"], ["happy"], None),
        (["neutral"], ["neutral"], None),
        (["happy", "sad"], ["happy"], None),
    ],
)
def test_valence(gold, named, sign):
    assert value("valence", clip(*gold), answer(*named)) == sign


def test_vad_distance():
    gold = clip("happy", vad=(5, 5))  # (1, 1) on -1..1
    assert value("vad_distance", gold, answer("happy")) == 1  # joy + +
    assert value("vad_distance", gold, answer("happy", "calm")) == approx(1 - 1 / math.dist((-1, -1), (1, 1)))
    assert value("vad_distance", gold, answer("gloomy")) == 0  # sadness - -
    assert value("vad_distance", gold, answer("teapot")) == 0
    assert value("vad_distance", HAPPY, answer("happy")) is None


def test_vad_ccc_adds_up_to_the_ccc():
    places = [("happy", (4, 5)), ("sad", (2, 3)), ("calm", (3, 1)), ("furious", (1, 5))]
    rollouts = [Rollout(answer(word), clip(vad=vad), TASKS["labels"]) for word, vad in places]
    rewards = load_rewards([RewardItem(name="vad_ccc")], [])
    found = rewards.grade([*rollouts, Rollout(answer("happy"), HAPPY, TASKS["labels"])]).values[:, 0]
    named = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])
    gold = np.array([vad for _, vad in places]) / 2 - 1.5
    expected = np.mean([regression_scores(gold[:, axis], named[:, axis]).ccc for axis in (0, 1)])
    assert found[:4].mean() == approx(expected)
    assert np.isnan(found[4])
    constant = [Rollout(answer("happy"), rollout.record, rollout.task) for rollout in rollouts]
    assert rewards.grade(constant).total.mean() == approx(0)
