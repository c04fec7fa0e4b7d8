"""The causal chain, its likelihoods, raters and records; no media are drawn here."""

import json

import numpy as np
import pytest

from emollm.jsonl import to_line
from emollm.synth import causal, effects, events, explain, language, likelihood, raters, record, wording
from emollm.synth.script import FACE_ACTIONS, PROSODY
from emollm.synth.vocabulary import FAMILIES, LEVELS, VALENCE_SIGN, families_by_word, vad_centre, vocabulary, words


@pytest.fixture(scope="module")
def clips():
    return [record.build_clip("dev", index, 40, seed=3) for index in range(300)]


def test_vocabulary_is_large_and_without_doubles():
    every = [word for family in FAMILIES for level in LEVELS for word in words(family, level)]
    assert len(every) == len(set(every)) == len(vocabulary()) >= 126
    assert all(family in FAMILIES for family in families_by_word().values())
    for family, sign in VALENCE_SIGN.items():
        valence = [vad_centre(family, level)[0] - 3 for level in LEVELS]
        assert all(v * sign > 0 for v in valence) if sign else max(map(abs, valence)) <= 0.25


def test_states_and_events_form_proper_tables():
    prior, given_event = events.state_tables()
    assert len(events.events()) >= 30
    assert prior.sum() == pytest.approx(1)
    assert given_event.sum(axis=1) == pytest.approx(np.ones(len(given_event)))
    assert given_event.mean(axis=0) == pytest.approx(prior)
    shares = prior @ events.family_matrix()
    assert shares.min() > 0.05 and shares.max() < 0.12
    assert likelihood.words_table().sum(axis=1) == pytest.approx(np.ones(events.N_STATES))


def test_same_seed_same_clip_and_another_seed_another():
    first, again, other = (record.build_clip("train", 7, 40, seed) for seed in (5, 5, 6))
    assert to_line(first.record) == to_line(again.record)
    assert first.script == again.script
    assert to_line(first.record) != to_line(other.record)


def test_face_likelihood_equals_its_definition():
    rng = np.random.default_rng(0)
    face = causal.draw_face(100, 3, rng)
    chance, mean = effects.face_tables()
    a, b = mean * effects.INTENSITY_CONCENTRATION, (1 - mean) * effects.INTENSITY_CONCENTRATION
    grid = np.linspace(1e-4, 1 - 1e-4, 20001)
    state, total = 250, 0.0
    for rule, weight in enumerate(effects.rule_shares(effects.EVERYDAY)):
        product = weight
        for k in range(len(FACE_ACTIONS)):
            p = chance[rule, state, k]
            if face[k] == 0:
                product *= 1 - p
                continue
            shape = grid ** (a[rule, state, k] - 1) * (1 - grid) ** (b[rule, state, k] - 1)
            value = face[k] ** (a[rule, state, k] - 1) * (1 - face[k]) ** (b[rule, state, k] - 1)
            product *= p * value / (shape.mean() * (grid[-1] - grid[0]))
        total += product
    assert likelihood.face_log_likelihood(face[None])[0, state] == pytest.approx(np.log(total), rel=1e-3)


def test_posterior_matches_brute_force_sampling():
    """Draw (state, words, energy band) from the generator; among draws that agree with a clip, states follow the posterior."""
    rng = np.random.default_rng(1)
    prior, given_event = events.state_tables()
    event, told_words = 21, FAMILIES.index("anger")
    states = rng.choice(events.N_STATES, size=400_000, p=given_event[event])
    agree = rng.random(len(states)) < likelihood.words_table()[states, 1 + told_words]
    brute = np.bincount(events.PRIMARY[states[agree]], minlength=12) / agree.sum()
    log_lik = likelihood.text_log_likelihood(np.array([told_words]), np.array([event]))
    exact = likelihood.posterior(log_lik)[0]
    assert exact.sum() == pytest.approx(1)
    assert exact @ events.family_matrix() == pytest.approx(brute, abs=0.006)
    assert prior.shape == exact.shape


def test_voice_likelihood_integrates_to_one_over_one_value():
    grid = np.linspace(-9, 9, 1801)
    voice = np.zeros((len(grid), len(PROSODY)))
    voice[:, 3] = grid
    rest = likelihood.voice_log_likelihood(voice)[:, 30]
    # With a single gain level the other eight values are a constant factor; over all three, the sum of three such factors.
    means, sd = effects.voice_means()[:, 30], effects.voice_sd()
    others = np.delete(means, 3, axis=1)
    factor = (np.exp(-0.5 * (others / sd) ** 2) / (sd * np.sqrt(2 * np.pi))).prod(axis=1)
    expected = factor @ np.array(effects.EVERYDAY.voice_gain_shares)
    assert np.exp(rest).sum() * (grid[1] - grid[0]) == pytest.approx(expected, rel=1e-4)


def test_drawn_parameters_have_the_frequencies_of_the_tables():
    rng = np.random.default_rng(2)
    faces = np.array([causal.draw_face(200, 2, rng) for _ in range(3000)])
    assert (faces > 0).mean(axis=0) == pytest.approx(effects.face_tables()[0][2, 200], abs=0.04)


def test_full_prototypes_are_the_minority():
    chance, _ = effects.face_tables()
    for family in FAMILIES[:-1]:
        states = (FAMILIES.index(family) == events.PRIMARY) & (events.SECONDARY == -1)
        actions = [FACE_ACTIONS.index(name) for name in effects.FACE_PROTOTYPES[family]]
        assert chance[:, states][..., actions].prod(axis=-1).mean() < 0.5


def test_sentences_of_the_splits_are_disjoint():
    frames = [frame for split in causal.SPLITS for frame in language.frames(split)]
    assert len(frames) == len(set(frames))
    assert len(language.frames("train")) >= 25 and all(len(language.frames(s)) >= 8 for s in causal.SPLITS)
    assert all(len(language.clauses(family)) >= 8 for family in FAMILIES)
    said = {}
    for split in causal.SPLITS:
        rng = np.random.default_rng(0)
        said[split] = {language.draw_sentence(split, family, rng) for family in (*FAMILIES, "none") for _ in range(60)}
        said[split] |= {
            line.text for e in range(36) for _ in range(8) for line in language.draw_dialogue(split, e, rng)
        }
    for a in causal.SPLITS:
        for b in causal.SPLITS:
            assert a == b or not said[a] & said[b]


def test_a_dialogue_tells_its_event_once():
    for seed in range(30):
        lines = language.draw_dialogue("dev", seed, np.random.default_rng(seed))
        assert 1 <= len(lines) <= 3
        assert [events.events()[seed].text in line.text for line in lines].count(True) == 1
        assert all((line.emotion is None) == (line.who == "speaker") for line in lines)


def test_gold_follows_the_votes():
    vad = np.zeros((10, 3))
    ballot = raters.Ballot(
        (
            ("angry",),
            ("mad",),
            ("angry", "sad"),
            ("sad",),
            ("unhappy",),
            *[("happy",)] * 2,
            *[("calm",)] * 2,
            ("proud",),
        ),
        vad,
    )
    assert raters.gold_labels(ballot) == ("angry", "sad")  # three raters each; ties by the alphabet of families
    split = raters.Ballot(
        (
            ("angry",),
            ("sad",),
            ("sad",),
            ("happy",),
            ("happy",),
            *[(w,) for w in ("calm", "proud", "alert", "afraid", "ashamed")],
        ),
        vad,
    )
    assert raters.gold_labels(split) == ("happy",)  # nobody reached three: the most voted alone
    assert raters.vote_shares(ballot)["angry"] == 0.2


def test_quick_votes_agree_with_written_ones():
    rng = np.random.default_rng(4)
    perceived = likelihood.posterior(
        likelihood.text_log_likelihood(np.array([7]), np.array([21])), raters.CONSERVATISM, raters.LAPSE
    )
    quick = raters.draw_gold_sets(perceived, 4000, rng).mean(axis=0)
    slow = np.zeros(12)
    for _ in range(1500):
        for family in raters.gold_families(raters.gold_labels(raters.vote(perceived[0], rng))):
            slow[FAMILIES.index(family)] += 1 / 1500
    assert quick == pytest.approx(slow, abs=0.05)


def test_records_are_whole(clips):
    for clip in clips:
        rec, truth = clip.record, clip.truth
        json.loads(to_line(rec))
        labels = [label.text for label in rec.targets.labels_ov]
        assert (labels == []) == (record.supplied(truth) == "")
        cues = rec.targets.cues
        assert sum(cue.supports is not None for cue in cues) <= explain.MAX_CUES
        assert {cue.supports for cue in cues} <= {*labels, None}
        assert {cue.modality for cue in cues} <= {
            {"a": "audio", "v": "video", "t": "text"}[m] for m in record.supplied(truth)
        }
        assert all(cue.start_s is None or 0 <= cue.start_s < cue.end_s <= clip.script.duration_s + 0.05 for cue in cues)
        supporting = [cue for cue in cues if cue.supports is not None]
        assert rec.targets.description[0].text == wording.explanation(labels, supporting)
        assert 1 <= len(rec.targets.qa) <= 2
        assert (rec.media.video is None) == (truth.video_state == "absent")
        assert bool(rec.targets.cause) == truth.event_told == bool(rec.context)
        for cause in rec.targets.cause or ():
            told = next(turn.text for turn in rec.context if turn.id == cause.utterance)
            assert told[slice(*cause.span)] == cause.text


def test_conflict_clips_keep_a_gold_per_modality(clips):
    conflicts = [clip for clip in clips if "conflict" in clip.record.quality.flags]
    assert 0.15 < len(conflicts) / len(clips) < 0.5
    for clip in conflicts:
        given = {d.modality for d in clip.record.targets.distribution}
        assert given == {record.supplied(clip.truth), *record.supplied(clip.truth)}
    assert all(len(c.record.targets.distribution) <= 1 for c in clips if c not in conflicts)


def test_every_modality_state_occurs_and_something_always_exists():
    rng = np.random.default_rng(0)
    drawn = [causal.draw_modality_states(rng) for _ in range(4000)]
    assert {a for a, _, _ in drawn} == {"present", "silent", "absent"}
    assert {v for _, v, _ in drawn} == {"present", "black", "absent", "no_face"}
    assert ("absent", "absent") not in {(a, v) for a, v, _ in drawn}
    nothing = [1 for a, v, t in drawn if a != "present" and v != "present" and not t]
    assert 0.004 < len(nothing) / len(drawn) < 0.02


def test_apexes_are_seen_by_eight_even_frames(clips):
    for clip in clips:
        times = (np.arange(8) + 0.5) * clip.script.duration_s / 8
        for action in clip.script.actions:
            assert (
                0
                <= action.onset_s
                <= action.apex_start_s
                < action.apex_end_s
                <= action.offset_s
                <= clip.script.duration_s
            )
            assert ((times >= action.apex_start_s) & (times <= action.apex_end_s)).sum() >= 1


def test_sealed_speakers_hide_more_and_sound_otherwise():
    plain = [causal.draw_speaker("test", i, 0) for i in range(200)]
    sealed = [causal.draw_speaker("sealed", i, 0) for i in range(200)]
    assert {s.id for s in plain}.isdisjoint(s.id for s in sealed)
    assert np.mean([s.masking for s in sealed]) > np.mean([s.masking for s in plain]) + 0.05
    assert np.mean([s.face_gain for s in sealed]) < np.mean([s.face_gain for s in plain]) - 0.03
    assert np.mean([s.voice.f0_hz for s in sealed]) > np.mean([s.voice.f0_hz for s in plain]) + 10


def test_explanations_and_answers_name_only_the_cues_given(clips):
    cues = next(clip.record.targets.cues for clip in clips if len({c.modality for c in clip.record.targets.cues}) == 3)
    audio = [cue for cue in cues if cue.modality == "audio"]
    answer = wording.answer_question("audio", ["angry"], cues)
    assert all(cue.text in answer for cue in audio)
    assert not any(cue.text in answer for cue in cues if cue.modality == "video")
    assert wording.answer_question("video", ["angry"], audio) == "The face shows nothing clear."
    assert wording.explanation([], cues) == wording.NO_EVIDENCE
    assert wording.explanation(["angry", "sad"], audio[:1]) == f"The person appears angry and sad: {audio[0].text}."
    assert set(wording.ACTION_PHRASES) == set(FACE_ACTIONS) and set(wording.PROSODY_PHRASES) == set(PROSODY)
