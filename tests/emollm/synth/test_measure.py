"""Measures on synthetic clips: what each must be for answers whose quality is known."""

import pytest

from emollm.records import Cue
from emollm.synth.measure import (
    cue_f,
    cue_keys,
    family_interval,
    family_scores,
    gold_words,
    normalised,
    swap_partners,
    usual_cue_answer,
    usual_cues,
    with_media_of,
)
from emollm.synth.record import build_clip
from emollm.synth.vocabulary import families_by_word


@pytest.fixture(scope="module")
def clips():
    return [build_clip("dev", index, 40, seed=5) for index in range(160)]


def test_true_words_score_one_and_foreign_words_nothing(clips):
    gold = [gold_words(clip.record) for clip in clips]
    assert family_scores(gold, gold).f == 1.0
    assert family_scores(gold, [("blorp",)] * len(gold)).f == 0.0
    interval = family_interval(gold, gold, [clip.truth.speaker for clip in clips], draws=50)
    assert (interval.low, interval.value, interval.high) == (1.0, 1.0, 1.0)


def test_interval_agrees_with_the_score(clips):
    gold = [gold_words(clip.record) for clip in clips]
    guess = [("happy", "sad")] * len(gold)
    interval = family_interval(gold, guess, [clip.truth.speaker for clip in clips], draws=200)
    assert interval.value == pytest.approx(family_scores(gold, guess).f)
    assert interval.low < interval.value < interval.high


def test_normalised():
    assert normalised(0.2, 0.2, 0.8) == 0.0
    assert normalised(0.8, 0.2, 0.8) == pytest.approx(1.0)


def test_donors_are_of_other_families_and_used_once(clips):
    families = families_by_word()
    partners = swap_partners([clip.record for clip in clips], [clip.truth.to_dict() for clip in clips])
    assert len(partners) > 100
    assert len(set(partners.values())) == len(partners)
    for recipient, donor in partners.items():
        ours, theirs = ({families[w] for w in gold_words(clips[row].record)} for row in (recipient, donor))
        assert not ours & theirs
        swapped = with_media_of(clips[recipient].record, clips[donor].record)
        assert swapped.media == clips[donor].record.media
        assert swapped.text == clips[recipient].record.text


def test_cue_f_counts_what_is_missed_and_what_is_made_up():
    a, b, c = (("audio", "voice is loud"), ("video", "jaw dropped"), ("text", "x"))
    assert cue_f([frozenset({a, b})], [frozenset({a, b})]) == 1.0
    assert cue_f([frozenset({a, b})], [frozenset({a})]) == pytest.approx(2 / 3)
    assert cue_f([frozenset({a})], [frozenset({a, c})]) == pytest.approx(2 / 3)
    assert cue_f([frozenset({a})], [frozenset()]) == 0.0
    assert cue_keys([Cue(modality="audio", text=" Voice is LOUD")]) == {a}
    assert cue_keys([Cue(modality="audio", text="x")], "video") == frozenset()


def test_usual_cues_are_the_common_ones_of_a_family(clips):
    usual = usual_cues([clip.record for clip in clips])
    assert set(usual) <= set(families_by_word().values())
    supporting = {
        key for clip in clips for key in cue_keys([c for c in clip.record.targets.cues if c.supports is not None])
    }
    assert {key for keys in usual.values() for key in keys} <= supporting
    answer = usual_cue_answer(["happy", "furious"], usual, 3)
    assert len(answer) <= 3
    assert answer <= set(usual["joy"]) | set(usual["anger"])
    assert usual_cue_answer([], usual, 3) == frozenset()
