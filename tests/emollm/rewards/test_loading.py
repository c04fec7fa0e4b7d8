"""A recipe's list becomes rewards, ours and the user's; what is wrong with it is told at once."""

import math

import numpy as np
import pytest
from pydantic import ValidationError
from pytest import approx

from emollm.errors import ConfigError, EmoError
from emollm.prompts import TASKS
from emollm.rewards import DEFAULT, RewardItem, Rollout
from emollm.rewards.loading import REWARDS, check_rewards, load_rewards
from tests.emollm.rewards.conftest import LIPS, answer, clip

CLIPS = [clip("happy", id_="a", cues=(LIPS,)), clip("sad", id_="b")]
OWN = """
from emollm.rewards import Grade

def brevity(rollouts, most=8):
    return [Grade(float(len(r.answer.labels) <= most), f"at most {most}") for r in rollouts]

def odd(rollouts):
    return [0.5, None, float("nan")][: len(rollouts)]

def short(rollouts):
    return [1.0]

class Seen:
    def __init__(self, bonus: float) -> None:
        self.bonus = bonus

    def learn(self, records):
        self.ids = {record.id for record in records}
        return self

    def __call__(self, rollouts):
        return [self.bonus if r.record.id in self.ids else None for r in rollouts]

number = 3
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return lambda name, **fields: RewardItem(name=f"{path}:{name}", **fields)


def rollouts(*records):
    return [Rollout(answer("happy"), record, TASKS["labels"]) for record in records]


def test_total_is_the_weighted_sum_of_what_applies(own):
    items = [RewardItem(name="exact", weight=2.0), own("brevity", weight=-1.0), RewardItem(name="action_units")]
    grades = load_rewards(items, CLIPS).grade(rollouts(*CLIPS))
    assert grades.names == ("exact", "brevity", "action_units")
    np.testing.assert_array_equal(grades.values, [[1, 1, 0], [0, 1, math.nan]])
    np.testing.assert_array_equal(grades.total, [1, -1])
    assert grades.row(1) == {
        "reward": -1.0,
        "rewards": {"exact": 0.0, "brevity": 1.0, "action_units": None},
        "reasons": {"exact": "other labels than gold", "brevity": "at most 8", "action_units": "no gold action units"},
    }
    assert grades.means() == {
        "reward": 0.0,
        "reward_std": 1.0,
        "rewards/exact": 0.5,
        "rewards/brevity": 1.0,
        "rewards/action_units": 0.0,
        "labels": 1.0,
        "parse/ok": 1.0,
    }
    assert "rewards/action_units" not in load_rewards(items, CLIPS).grade(rollouts(CLIPS[1])).means()


def test_rewards_of_ones_own_get_options_and_training_records(own):
    items = [own("brevity", options={"most": 0}), own("Seen", options={"bonus": 0.25})]
    grades = load_rewards(items, CLIPS).grade(rollouts(CLIPS[0], clip("happy", id_="elsewhere")))
    np.testing.assert_array_equal(grades.values, [[0, 0.25], [0, math.nan]])


def test_all_that_is_wrong_is_told_at_once(own, tmp_path):
    items = [
        RewardItem(name="contrastive_weel"),
        RewardItem(name="wheel", options={"wheels": "mer1999", "lenght": "p1"}),
        RewardItem(name="hit", options={"wheels": "mer1999"}),
        RewardItem(name="overlong", options={"most": 10, "grace": 20}),
        RewardItem(name="format"),
        RewardItem(name="format", weight=0.5),
        RewardItem(name=f"{tmp_path}/none.py:f"),
        own("brevty"),
        own("number"),
        own("brevity", options={"least": 1}),
        own("Seen"),
    ]
    with pytest.raises(ConfigError) as error:
        load_rewards(items, CLIPS)
    told = str(error.value)
    for part in (
        "10 problem(s)",
        "did you mean `contrastive_wheel`?",
        "lenght: Extra inputs",
        "its options: wheels, length",
        "no wheels of version 'mer1999'",
        "`grace` 20 is more than `most` 10",
        "reward format: stands twice",
        "no such Python file",
        "no 'brevty'",
        "int is no function",
        "unexpected keyword argument 'least'",
        "missing a required argument: 'bonus'",
    ):
        assert part in told
    assert len(check_rewards(items)) == 10
    assert check_rewards(DEFAULT) == []


@pytest.mark.parametrize(
    ("name", "records", "message"),
    [
        ("odd", [*CLIPS, CLIPS[0]], "reward odd: gave nan for a"),
        ("short", CLIPS, "reward short: gave 1 for 2 rollouts"),
    ],
)
def test_a_reward_must_give_one_number_for_each_rollout(own, name, records, message):
    with pytest.raises(EmoError, match=message):
        load_rewards([own(name)], CLIPS).grade(rollouts(*records))


def test_items_are_read_strictly():
    for fields in (
        {},
        {"name": ""},
        {"name": "wheel", "weight": "1"},
        {"name": "wheel", "weight": math.inf},
        {"name": 3},
    ):
        with pytest.raises(ValidationError):
            RewardItem(**fields)
    with pytest.raises(ValidationError, match="wieght"):
        RewardItem(name="wheel", wieght=1.0)


def test_citations_of_the_methods_stand_once():
    items = [RewardItem(name=name) for name in ("wheel", "dual", "alignment", "exact", "valence")]
    found = load_rewards(items, CLIPS).citations
    assert [text.split(",")[0] for text in found] == ["@article{lian2025affectgptr1", "@article{zhao2025r1omni"]


def test_every_reward_is_documented_with_its_source():
    for name, kind in REWARDS.items():
        module = __import__(kind.__module__, fromlist=["__doc__"])
        assert kind.__module__ == f"emollm.rewards.{name}", "a reward is the file of its name"
        assert "http" in module.__doc__ or "Ours" in module.__doc__, name
        assert not kind.citation or kind.citation.startswith("@")


def test_default_grades_every_task():
    rewards = load_rewards(DEFAULT, CLIPS)
    for task in ("labels", "cues", "explain", "full"):
        text = answer("happy", cues=[("video", LIPS.text)], confidence=0.5, task=task)
        good = Rollout(text, CLIPS[0], TASKS[task])
        grades = rewards.grade([good, Rollout("", CLIPS[0], TASKS[task])])
        assert grades.total[0] > 0.5 > 0 > grades.total[1]
        assert np.isnan(grades.values[0, rewards.names.index("cue_grounding")]) == (task == "labels")
    assert grades.total[0] == approx(1 + 1 + 0.2), "own F 1, the other clip's 0; all cues; form"
