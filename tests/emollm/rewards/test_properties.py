"""Whatever a completion says: bounds hold, nothing breaks, order does not matter, and silence escapes no reward."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emollm.prompts import TASKS
from emollm.rewards import RewardItem, Rollout
from emollm.rewards.loading import REWARDS, load_rewards
from tests.emollm.rewards.conftest import CHEEKS, LIPS, LOUD, answer, clip

BOUNDS = {
    "action_units": (0, 1),
    "affective_tree": (0, 1),
    "alignment": (0, 1),
    "brier": (-1, 1),
    "contrastive_wheel": (-1, 1),
    "cue_grounding": (0, 1),
    "dual": (0, 1),
    "emotion_words": (-1, 0),
    "exact": (0, 1),
    "format": (0, 1),
    "hit": (0, 1),
    "length": (-1, 0),
    "log_score": (-math.inf, 2),
    "overlong": (-1, 0),
    "repetition": (-1, 0),
    "vad_ccc": (-math.inf, 1),
    "vad_distance": (0, 1),
    "valence": (-1, 1),
    "wheel": (0, 1),
}
CLIPS = [
    clip("happy", id_="a", cues=(LIPS, CHEEKS, LOUD), vad=(4, 4)),
    clip("sad", "angry", id_="b", vad=(2, 3)),
    clip("neutral", id_="c", cues=(LOUD,)),
    clip(id_="d"),
    clip("teapot", id_="e", cues=()),
]
BARE = clip(id_="bare").model_copy(update={"targets": clip(name="happy").targets.model_copy(update={"label": None})})
ITEMS = [
    RewardItem(name=name, options={"most": 100, "grace": 50} if name == "overlong" else {}) for name in sorted(REWARDS)
]
REWARD = load_rewards(ITEMS, CLIPS)
ASKED = [*(TASKS[name] for name in ("labels", "cues", "explain", "full")), replace(TASKS["full"], style="think")]

words = st.sampled_from(["happy", "sad", "neutral", "calm", "table", "xkqzvv", "very angry", "AU12", "", "开心"])
labels = st.lists(words, max_size=12)
cues = st.lists(
    st.tuples(st.sampled_from(["audio", "video", "text"]), words.filter(str.strip) | st.just("voice is loud")),
    max_size=12,
)
answers = st.builds(
    lambda labels, cues, explanation, confidence, task: answer(
        *labels, cues=cues, explanation=explanation, confidence=confidence, task=task
    ),
    labels,
    cues,
    st.text(max_size=40) | labels.map(" ".join),
    st.floats(0, 1) | st.sampled_from([None, 2, "sure"]),
    st.sampled_from(["labels", "cues", "explain", "full"]),
)
spoilt = st.builds(lambda text, cut: text[:cut], answers, st.integers(0, 80))
texts = st.text(max_size=60) | answers | spoilt | answers.map(lambda text: f"<think>She is happy.</think>{text}")
asked = st.sampled_from(ASKED)


def test_all_rewards_have_bounds():
    assert set(BOUNDS) == set(REWARDS)


@given(texts, asked, st.sampled_from([*CLIPS, BARE]), st.integers(0, 200), st.booleans())
@example('{"labels":[["a"],{}]}', TASKS["labels"], CLIPS[0], 0, False)
@example('{"labels":["\\ud800"]}', TASKS["labels"], CLIPS[0], 0, False)
@example('{"labels":"happy"}', TASKS["labels"], CLIPS[0], 0, False)
@example('{"labels":["happy"],"cues":{"a":1}}', TASKS["cues"], CLIPS[0], 0, False)
@example(
    '{"labels":["happy"],"cues":[{"modality":"audio","text":"x"}],"explanation":null}', ASKED[2], CLIPS[0], 0, True
)
def test_any_text_is_graded_within_bounds(text, task, record, tokens, truncated):
    grades = REWARD.grade([Rollout(text, record, task, tokens, truncated)])
    for name, value, reason in zip(REWARD.names, grades.values[0], grades.reasons[0], strict=True):
        low, high = BOUNDS[name]
        assert math.isnan(value) or low - 1e-9 <= value <= high + 1e-9, name
        assert reason
    assert json.dumps(grades.row(0), ensure_ascii=False, allow_nan=False).encode(), "a row can be written"
    silent = REWARD.grade([Rollout("", record, task)])
    np.testing.assert_array_equal(
        np.isnan(grades.values), np.isnan(silent.values), "what applies is the record's to say"
    )


@settings(max_examples=60)
@given(labels, cues, st.sampled_from(ASKED[:4]), st.sampled_from(CLIPS), st.randoms())
def test_the_order_of_labels_and_cues_does_not_matter(labels, cues, task, record, rng):
    def graded(labels, cues):
        text = answer(*labels, cues=cues, explanation="So it is.", task=task.name)
        return REWARD.grade([Rollout(text, record, task)]).values

    shuffled = graded(rng.sample(labels, len(labels)), rng.sample(cues, len(cues)))
    np.testing.assert_allclose(graded(labels, cues), shuffled, atol=1e-12)


@settings(max_examples=40)
@given(st.lists(st.tuples(texts, asked, st.sampled_from(CLIPS)), min_size=1, max_size=6), st.randoms())
def test_the_order_of_a_batch_does_not_matter(batch, rng):
    order = rng.sample(range(len(batch)), len(batch))
    rollouts = [Rollout(text, record, task) for text, task, record in batch]
    values = REWARD.grade(rollouts).values
    shuffled = REWARD.grade([rollouts[place] for place in order]).values
    np.testing.assert_allclose(shuffled, values[order], atol=1e-12)


@pytest.mark.parametrize("name", ["wheel", "contrastive_wheel", "exact", "hit", "dual", "cue_grounding"])
def test_nothing_earns_more_than_the_truth(name):
    truth = answer("happy", cues=[("video", LIPS.text), ("video", CHEEKS.text)], explanation="Happy.", task="full")
    column = REWARD.names.index(name)
    texts = [
        truth,
        *(answer(*some, explanation=" ".join(some), task="full") for some in (["sad"], ["happy", "sad"], [])),
    ]
    values = REWARD.grade([Rollout(text, CLIPS[0], TASKS["full"]) for text in texts]).values[:, column]
    assert values[0] == values.max() > values[1]
