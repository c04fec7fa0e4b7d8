"""Rewards of cues, reasoning, confidence and form equal values worked out by hand."""

import math
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from emollm.errors import EmoError
from emollm.prompts import TASKS
from emollm.prompts.answers import MAX_LABELS
from emollm.records import Cue
from emollm.rewards.affective_tree import Node, edit_distance
from emollm.rewards.reasoning import labels_in
from tests.emollm.rewards.conftest import CHEEKS, LIPS, LOUD, answer, clip, value

SMILE = clip("happy", cues=(LIPS, CHEEKS, LOUD))
THINK = replace(TASKS["labels"], style="think")


@pytest.mark.parametrize(
    ("named", "f"),
    [
        ([("video", "lip corners pulled up"), ("video", "cheeks raised")], 1),
        ([("video", "Cheeks are raised")], 2 * 1 * 0.5 / 1.5),
        ([("video", "cheeks raised"), ("audio", "voice is loud")], 2 * 1 * 0.5 / 1.5),  # true, but not asked for
        ([("video", "cheeks raised"), ("audio", "voice is low")], 0.5),  # made up
        ([("video", "cheeks raised"), ("video", "cheeks raised")], 0.5),
        ([("audio", "cheeks raised")], 0),
        ([("audio", "voice is loud")], 0),
        ([], 0),
    ],
)
def test_cue_grounding(named, f):
    assert value("cue_grounding", SMILE, answer("happy", cues=named, task="cues"), task="cues") == approx(f)


def test_cue_grounding_in_time():
    named = [("video", "cheeks raised", 0, 2), ("video", "lip corners pulled up", 0, 2)]
    text = answer("happy", cues=named, task="cues")
    assert value("cue_grounding", SMILE, text, task="cues", min_overlap=0.5) == 1
    assert value("cue_grounding", SMILE, text, task="cues", min_overlap=0.6) == approx(0.5)


def test_cues_are_graded_only_where_they_are_asked_for_and_known():
    assert value("cue_grounding", SMILE, answer("happy")) is None
    assert value("cue_grounding", clip("happy"), answer("happy", task="cues"), task="cues") is None
    assert value("cue_grounding", SMILE, "unreadable", task="cues") == 0


def test_action_units():
    told = answer("happy", explanation="AU6 and AU12 and AU04_r are there", task="explain")
    assert value("action_units", SMILE, told, task="explain") == approx(2 * 2 / (2 + 3))
    assert value("action_units", SMILE, answer("happy", task="explain"), task="explain") == 0
    assert value("action_units", clip("happy", cues=(LOUD,)), told, task="explain") is None
    wrong = clip("happy", id_="odd", cues=(Cue(modality="video", text="frowns", au="brow"),))
    with pytest.raises(EmoError, match="odd: 'brow' names no action unit"):
        value("action_units", wrong, told, task="explain")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("She is not happy but very sad, then terrified; sad again.", ("sad", "terrified")),
        ("He seems over the moon.", ("over the moon",)),
        ("The table is red.", ()),
        ("", ()),
    ],
)
def test_labels_in_running_text(text, labels):
    assert labels_in(text) == labels


def test_words_of_a_named_cue_are_no_labels():
    assert labels_in("She is sad: Voice is tense.", ("voice is tense",)) == ("sad",)
    assert labels_in("She is sad: voice is tense.") == ("sad", "tense")


def test_alignment_and_dual_look_at_the_reasoning():
    gold = clip("sad")
    thought = "<think>The person seems happy.</think>"
    for name, of_sad, of_happy in (("alignment", 0, 1), ("dual", 0, 0)):
        assert value(name, gold, thought + answer("sad"), task=THINK) == of_sad
        assert value(name, gold, thought + answer("happy"), task=THINK) == of_happy
    both = answer("sad", explanation="Sad and happy.", task="explain")
    assert value("alignment", gold, both, task="explain") == approx(1 / 2)
    assert value("dual", gold, both, task="explain") == approx(2 / 3)
    assert value("dual", gold, both, task="explain", length="p2") == approx(2 / 3 * 1 / 2)
    for name in ("alignment", "dual"):
        assert value(name, gold, answer("sad", explanation="So it is.", task="explain"), task="explain") == 0
        assert value(name, gold, answer("sad")) is None


@pytest.mark.parametrize(("named", "right"), [("joyful", 1), ("sad", 0), ("calm", 4 / 6)])
def test_confidence(named, right):
    text = answer(named, confidence=0.8, task="full")
    log = 1 + right + 2 * (right * math.log(0.8) + (1 - right) * math.log(0.2))
    assert value("log_score", SMILE, text, task="full") == approx(log)
    assert value("brier", SMILE, text, task="full") == approx(right - (0.8 - right) ** 2)


def test_confidence_that_is_missing_or_certain():
    without = '{"labels":["happy"],"cues":[],"explanation":""}'
    assert value("log_score", SMILE, without, task="full") == -5
    assert value("brier", SMILE, without, task="full") == -1
    certain = answer("happy", confidence=1.0, task="full")
    assert value("log_score", SMILE, certain, task="full") == -5
    assert value("brier", SMILE, certain, task="full") == 1
    for name in ("log_score", "brier"):
        assert value(name, SMILE, answer("happy")) is None


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_honest_confidence_earns_most(belief, told):
    def expected(name, confidence):
        right, wrong = (
            value(name, SMILE, answer(w, confidence=confidence, task="full"), "full") for w in ("happy", "sad")
        )
        return belief * right + (1 - belief) * wrong

    for name in ("log_score", "brier"):
        assert expected(name, belief) >= expected(name, told) - 1e-9


@pytest.mark.parametrize(
    ("text", "task", "right"),
    [
        (answer("happy"), "labels", 1),
        (answer(), "labels", 1),
        ("Sure! " + answer("happy"), "labels", 0),
        (answer("happy", task="cues"), "labels", 0),
        (answer(*(f"word{i}" for i in range(MAX_LABELS + 1))), "labels", 0),
        (answer("a very long label " * 10), "labels", 0),
        (answer("happy"), THINK, 0),
        ("<think> </think>" + answer("happy"), THINK, 0),
        ("<think>Smiles.</think>" + answer("happy"), THINK, 1),
        ("<think>Smiles.</think>" + answer("happy"), "labels", 0),
        ("", "labels", 0),
    ],
)
def test_format(text, task, right):
    assert value("format", SMILE, text, task=task) == right


def test_repetition():
    assert value("repetition", SMILE, answer("happy", "glad")) == 0
    assert value("repetition", SMILE, answer("happy", "happy", "glad", "happy")) == approx(-2 / 4)
    twice = answer("happy", explanation="she smiles at him she smiles at him", task="explain")
    assert value("repetition", SMILE, twice, task="explain") == approx(-1 / 6), "5 runs and a label, one run again"
    cues = [("video", "lip corners pulled up")]
    told = answer("happy", cues=cues, explanation="Happy: lip corners pulled up.", task="explain")
    assert value("repetition", SMILE, told, task="explain") == 0, "an explanation repeats its cues"
    assert value("repetition", SMILE, "so " * 103) == approx(-99 / 100)


@pytest.mark.parametrize(("tokens", "penalty"), [(0, 0), (80, 0), (90, -0.5), (100, -1), (500, -1)])
def test_overlong(tokens, penalty):
    assert value("overlong", SMILE, answer("happy"), tokens=tokens, most=100, grace=20) == approx(penalty)


def test_a_completion_that_was_cut_off_is_overlong():
    assert value("overlong", SMILE, answer("happy"), tokens=3, truncated=True, most=100, grace=20) == -1


def test_affective_tree():
    named = [("video", "lip corners pulled up")]
    right = answer("joyful", cues=[*named, ("video", "cheeks raised")], task="cues")
    assert value("affective_tree", SMILE, right, task="cues") == 1, "a word of the same concept"
    off = answer("sad", cues=named, task="cues")
    assert value("affective_tree", SMILE, off, task="cues", decay=0.5) == approx(math.exp(-1)), "rename one, delete one"
    assert value("affective_tree", SMILE, answer("happy")) == 1, "no cues were asked for"
    much = answer(*(f"word {i}" for i in range(3000)))
    assert value("affective_tree", SMILE, much) == approx(0, abs=1e-9)


def test_edit_distance_of_the_paper_on_it():
    """Zhang & Shasha's example: f(d(a c(b)) e) and f(c(d(a b)) e) are two edits apart."""
    a, b, e = Node("a"), Node("b"), Node("e")
    one = Node("f", (Node("d", (a, Node("c", (b,)))), e))
    other = Node("f", (Node("c", (Node("d", (a, b)),)), e))
    assert edit_distance(one, other) == 2


names = st.sampled_from("ab")
branches = st.lists(names.map(Node), max_size=2).map(tuple)
trees = st.builds(Node, names, st.lists(st.builds(Node, names, branches), max_size=2).map(tuple))


@cache
def one_edit_less(forest):
    """All forests that lack one node of a forest, its branches moved up."""
    found = set()
    for place, node in enumerate(forest):
        before, after = forest[:place], forest[place + 1 :]
        found.add((*before, *node.branches, *after))
        found |= {(*before, Node(node.name, less), *after) for less in one_edit_less(node.branches)}
    return found


@settings(max_examples=20)
@given(trees, trees)
def test_edit_distance_is_a_distance(one, other):
    assert edit_distance(one, one) == 0
    assert edit_distance(one, other) == edit_distance(other, one)
    assert (edit_distance(one, other) == 0) == (one == other)
    for less in one_edit_less((one,)):
        if len(less) == 1:
            assert edit_distance(one, less[0]) == 1
            assert abs(edit_distance(less[0], other) - edit_distance(one, other)) <= 1
