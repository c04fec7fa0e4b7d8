"""Analytic likelihood of what a clip shows, says and tells under each state, and the posterior that follows.

Faces: present or absent by Bernoulli, intensities by Beta, marginalised over display rules. Voices: normal, marginalised over gains.
Words: the chances that language.py draws from. Events: P(state | event) of events.py. Given the state, the modalities are independent.
Nothing here is approximated, save that prosody beyond the renderer's range is drawn clipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import lgamma
from typing import Any

import numpy as np

from emollm.synth.effects import (
    EVERYDAY,
    INTENSITY_CONCENTRATION,
    Population,
    face_tables,
    rule_shares,
    voice_means,
    voice_sd,
)
from emollm.synth.events import N_FAMILIES, N_STATES, PRIMARY, SECONDARY, state_tables
from emollm.synth.script import FACE_ACTIONS, PROSODY
from emollm.synth.vocabulary import FAMILIES, VALENCE_SIGN

UNINFORMATIVE, CONGRUENT, INCONGRUENT = 1 / 3, 1 / 3, 1 / 3
SLIP = 0.03  # share of evident words that fit no plan: any family
CONGRUENT_SECONDARY = 0.2  # a congruent speaker voices the secondary emotion, where there is one
NO_WORDS = -2  # code of "no transcript"; -1 is a transcript without evidence, 0.. is a family
TINY = 1e-6


@dataclass(frozen=True)
class Evidence:
    """What can be perceived in n clips; each row of `face`, `voice`, `words` counts only where its `has_` flag is set."""

    face: np.ndarray  # (n, actions) intensity, 0 where the action is absent
    voice: np.ndarray  # (n, values)
    words: np.ndarray  # (n,) NO_WORDS, -1 or family
    event: np.ndarray  # (n,) -1 or the event that is told
    has_face: np.ndarray  # (n,) bool
    has_voice: np.ndarray  # (n,) bool


@cache
def words_table() -> np.ndarray:
    """Return P(words | state), (states, 1 + families): column 0 is "no evidence", then one column per family."""
    sign = np.array([VALENCE_SIGN[family] for family in FAMILIES])
    table = np.zeros((N_STATES, 1 + N_FAMILIES))
    table[:, 0] = UNINFORMATIVE
    for state, (primary, secondary) in enumerate(zip(PRIMARY, SECONDARY, strict=True)):
        congruent = np.eye(N_FAMILIES)[primary]
        if secondary >= 0:
            congruent = (1 - CONGRUENT_SECONDARY) * congruent + CONGRUENT_SECONDARY * np.eye(N_FAMILIES)[secondary]
        other = (sign != sign[primary]) / (sign != sign[primary]).sum()
        plan = CONGRUENT * congruent + INCONGRUENT * other
        table[state, 1:] = (1 - SLIP) * plan + SLIP * (1 - UNINFORMATIVE) / N_FAMILIES
    return table


def _log_sum_exp(values: np.ndarray, axis: int) -> np.ndarray:
    top = values.max(axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.exp(values - top).sum(axis=axis))


@cache
def _face_weights() -> tuple[np.ndarray, np.ndarray]:
    """Return the linear form of the face's log-likelihood: weights (3 * actions, rules * states) and constant (rules * states,)."""
    chance, mean = face_tables()  # (rules, states, actions)
    a, b = mean * INTENSITY_CONCENTRATION, (1 - mean) * INTENSITY_CONCENTRATION
    log_beta = np.vectorize(lgamma)(a) + np.vectorize(lgamma)(b) - lgamma(INTENSITY_CONCENTRATION)
    weights = np.concatenate([np.log(chance / (1 - chance)) - log_beta, a - 1, b - 1], axis=2)
    return weights.reshape(-1, weights.shape[2]).T, np.log(1 - chance).sum(axis=2).ravel()


def face_log_likelihood(face: np.ndarray, population: Population = EVERYDAY) -> np.ndarray:
    """Return log p(face | state), (n, states), for intensities (n, actions) with 0 for absent actions."""
    weights, constant = _face_weights()
    present = (face > 0).astype(float)
    safe = np.clip(face, TINY, 1 - TINY)
    features = np.concatenate([present, present * np.log(safe), present * np.log1p(-safe)], axis=1)  # (n, 3 * actions)
    by_rule = (features @ weights + constant).reshape(len(face), -1, N_STATES)  # (n, rules, states)
    return _log_sum_exp(by_rule + np.log(rule_shares(population))[None, :, None], axis=1)


def voice_log_likelihood(voice: np.ndarray, population: Population = EVERYDAY) -> np.ndarray:
    """Return log p(voice | state), (n, states), for prosody values (n, values)."""
    means = voice_means().reshape(-1, len(PROSODY))  # (gains * states, values)
    variance = voice_sd() ** 2
    squared = (voice**2).sum(axis=1)[:, None] - 2 * voice @ means.T + (means**2).sum(axis=1)  # (n, gains * states)
    constant = -0.5 * len(PROSODY) * np.log(2 * np.pi * variance)
    by_gain = (constant - 0.5 * squared / variance).reshape(len(voice), -1, N_STATES)
    return _log_sum_exp(by_gain + np.log(population.voice_gain_shares)[None, :, None], axis=1)


def text_log_likelihood(words: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Return log p(words, told event | state), (n, states), up to a constant per row."""
    prior, given_event = state_tables()
    log_words = np.concatenate([np.log(words_table().T), np.zeros((1, N_STATES))])  # last row: no transcript
    log_event = np.concatenate([np.log(given_event / prior), np.zeros((1, N_STATES))])  # last row: no event told
    return log_words[np.where(words == NO_WORDS, len(log_words) - 1, words + 1)] + log_event[event]


def log_likelihood(evidence: Evidence, modalities: str = "avt", population: Population = EVERYDAY) -> np.ndarray:
    """Return log p(evidence | state), (n, states), of the given modalities (letters out of `avt`)."""
    total = np.zeros((len(evidence.words), N_STATES))
    if "v" in modalities:
        total += np.where(evidence.has_face[:, None], face_log_likelihood(evidence.face, population), 0.0)
    if "a" in modalities:
        total += np.where(evidence.has_voice[:, None], voice_log_likelihood(evidence.voice, population), 0.0)
    if "t" in modalities:
        total += text_log_likelihood(evidence.words, evidence.event)
    return total


def posterior(log_lik: np.ndarray, power: float = 1.0, lapse: float = 0.0) -> np.ndarray:
    """Return P(state | evidence)^power, normalised, mixed with `lapse` parts of the prior; (n, states)."""
    prior, _ = state_tables()
    logits = power * (log_lik + np.log(prior))
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return (1 - lapse) * shares + lapse * prior


def evidence_of(truths: Sequence[Mapping[str, Any]]) -> Evidence:
    """Gather the perceivable evidence of clips from their truth rows (see causal.Truth.to_dict)."""
    return Evidence(
        face=np.array([[row["face"].get(name, 0.0) for name in FACE_ACTIONS] for row in truths]),
        voice=np.array([[row["prosody"][name] for name in PROSODY] for row in truths]),
        words=np.array(
            [
                NO_WORDS if row["words"] is None else -1 if row["words"] == "none" else FAMILIES.index(row["words"])
                for row in truths
            ]
        ),
        event=np.array([row["event"] if row["event_told"] else -1 for row in truths]),
        has_face=np.array([row["video_state"] == "present" for row in truths]),
        has_voice=np.array([row["audio_state"] == "present" for row in truths]),
    )
