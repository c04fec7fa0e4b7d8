"""What an ideal observer could reach on the synthetic clips, and three plain reference rows.

`predict` knows the generator, not the clip's truth: given the cues of the supplied modalities it computes the exact posterior over
states, draws what the withheld modalities may have shown, computes what the raters would then have perceived, draws their votes, and
answers with the set of families that maximises the expected F of the sample. Whether a withheld modality exists is taken as known.
The observer sees true parameters, not pixels or samples of sound: a model on the media cannot be better, and may be worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from emollm.metrics.open_vocabulary import SetScores, set_scores
from emollm.synth.causal import draw_face
from emollm.synth.effects import EVERYDAY, POPULATIONS, VOICE_GAINS, Population, rule_shares, voice_means, voice_sd
from emollm.synth.events import N_FAMILIES, N_STATES, events, state_tables
from emollm.synth.likelihood import (
    NO_WORDS,
    Evidence,
    evidence_of,
    face_log_likelihood,
    log_likelihood,
    posterior,
    text_log_likelihood,
    voice_log_likelihood,
    words_table,
)
from emollm.synth.raters import CONSERVATISM, LAPSE, draw_gold_sets
from emollm.synth.vocabulary import FAMILIES, families_by_word

SUBSETS = ("a", "v", "t", "av", "at", "vt", "avt")
CANDIDATE_FAMILIES, MAX_LABELS = 6, 4
BANK_SIZE = 16


@dataclass(frozen=True)
class Bank:
    """Cues drawn for every state: what the raters would make of them, log-likelihoods (states, BANK_SIZE, states)."""

    face: np.ndarray
    voice: np.ndarray


@cache
def bank(population: Population, seed: int = 0) -> Bank:
    """Draw faces and voices of a population for each state; likelihoods are those of everyday raters."""
    rng = np.random.default_rng(seed)
    rules = rng.choice(6, size=(N_STATES, BANK_SIZE), p=rule_shares(population))
    faces = np.array([[draw_face(state, rule, rng) for rule in row] for state, row in enumerate(rules)])
    gains = rng.choice(len(VOICE_GAINS), size=(N_STATES, BANK_SIZE), p=population.voice_gain_shares)
    means = voice_means()[gains, np.arange(N_STATES)[:, None]]  # (states, bank, values)
    voices = means + voice_sd() * rng.standard_normal(means.shape)
    shape = (N_STATES, BANK_SIZE, N_STATES)
    return Bank(
        face_log_likelihood(faces.reshape(N_STATES * BANK_SIZE, -1)).reshape(shape),
        voice_log_likelihood(voices.reshape(N_STATES * BANK_SIZE, -1)).reshape(shape),
    )


def _draw_columns(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one column for each row of a table of chances."""
    cumulative = np.cumsum(shares, axis=1)
    return (cumulative < rng.random((len(shares), 1)) * cumulative[:, -1:]).sum(axis=1)


def _withheld(
    modality: str, evidence: Evidence, row: int, states: np.ndarray, cues: Bank, rng: np.random.Generator
) -> np.ndarray | float:
    """Draw what a withheld modality showed, given each drawn state; return log-likelihoods (draws, states)."""
    pick = rng.integers(BANK_SIZE, size=len(states))
    if modality == "v":
        return cues.face[states, pick] if evidence.has_face[row] else 0.0
    if modality == "a":
        return cues.voice[states, pick] if evidence.has_voice[row] else 0.0
    if evidence.words[row] == NO_WORDS:
        return 0.0
    words = _draw_columns(words_table()[states], rng) - 1
    told = np.full(len(states), -1)
    if evidence.event[row] >= 0:
        told = _draw_columns(state_tables()[1].T[states], rng)
    return text_log_likelihood(words, told)


def best_set(gold_draws: np.ndarray) -> tuple[int, ...]:
    """Return the families that maximise the expected F of a sample, given draws of its gold (draws, families) as 0/1."""
    marginal = gold_draws.mean(axis=0)
    likely = np.argsort(-marginal, kind="stable")[:CANDIDATE_FAMILIES]
    candidates = [subset for size in range(1, MAX_LABELS + 1) for subset in combinations(likely.tolist(), size)]
    chosen = np.zeros((len(candidates), N_FAMILIES))
    for row, subset in enumerate(candidates):
        chosen[row, list(subset)] = 1
    hits = gold_draws @ chosen.T  # (draws, candidates)
    sizes = gold_draws.sum(axis=1)[:, None] + chosen.sum(axis=1)
    return candidates[int((2 * hits / sizes).mean(axis=0).argmax())]


def _gold_draws(truths: Sequence[Mapping[str, Any]], modalities: str, n_draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield draws of each clip's gold, (n_draws, families) as 0/1, given the supplied modalities."""
    rng = np.random.default_rng([seed, SUBSETS.index(modalities)])
    population = POPULATIONS[truths[0]["split"]]
    evidence = evidence_of(truths)
    observer = posterior(log_likelihood(evidence, modalities, population))  # (n, states)
    raters_known = log_likelihood(evidence, modalities, EVERYDAY)  # (n, states)
    cues = bank(population)
    for row in range(len(truths)):
        states = rng.choice(N_STATES, size=n_draws, p=observer[row])
        heard = np.broadcast_to(raters_known[row], (n_draws, N_STATES))
        for modality in "avt":
            if modality not in modalities:
                heard = heard + _withheld(modality, evidence, row, states, cues, rng)
        yield draw_gold_sets(posterior(heard, CONSERVATISM, LAPSE), n_draws, rng).astype(float)


def _names(families: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(FAMILIES[family] for family in families)


def predict(
    truths: Sequence[Mapping[str, Any]], modalities: str = "avt", n_draws: int = 200, seed: int = 0
) -> list[tuple[str, ...]]:
    """Return the ideal observer's families for each clip.

    Args:
        truths: Rows of truth.jsonl, all of one population (sealed apart from the others).
        modalities: What the observer is given: one of SUBSETS.
        n_draws: Monte Carlo draws a clip.
        seed: Seed of the draws.
    """
    return [_names(best_set(gold)) for gold in _gold_draws(truths, modalities, n_draws, seed)]


def predict_halves(
    truths: Sequence[Mapping[str, Any]], modalities: str = "avt", n_draws: int = 200, seed: int = 0
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return two answers for each clip, each from half of the draws: their scores differ little when the draws suffice."""
    pairs = [
        (_names(best_set(gold[::2])), _names(best_set(gold[1::2])))
        for gold in _gold_draws(truths, modalities, n_draws, seed)
    ]
    return [first for first, _ in pairs], [second for _, second in pairs]


def oracle_scores(
    truths: Sequence[Mapping[str, Any]],
    gold: Sequence[Sequence[str]],
    subsets: Sequence[str] = SUBSETS,
    n_draws: int = 200,
    seed: int = 0,
) -> dict[str, SetScores]:
    """Score the ideal observer for each subset of modalities; clips without gold labels are left out."""
    kept = [(truth, labels) for truth, labels in zip(truths, gold, strict=True) if labels]
    rows, labels = [truth for truth, _ in kept], [label for _, label in kept]
    return {m: set_scores(labels, predict(rows, m, n_draws, seed), families_by_word()) for m in subsets}


def constant_list(train_gold: Sequence[Sequence[str]], dev_gold: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the families to answer always: the commonest of train, as many as score best on dev."""
    family_of = families_by_word()
    counts = dict.fromkeys(FAMILIES, 0)
    for labels in train_gold:
        for family in {family_of[label] for label in labels}:
            counts[family] += 1
    ranked = sorted(counts, key=lambda family: (-counts[family], family))
    lists = [tuple(ranked[:size]) for size in range(1, len(ranked) + 1)]
    return max(lists, key=lambda words: set_scores(dev_gold, [words] * len(dev_gold), family_of).f)


def features(truths: Sequence[Mapping[str, Any]], modalities: str = "avt") -> np.ndarray:
    """Return true parameters as features, (n, width): what a perfect reader of the media would hand to a classifier."""
    evidence = evidence_of(truths)
    parts = [np.ones((len(truths), 1))]
    if "v" in modalities:
        parts.append(np.column_stack([evidence.face * evidence.has_face[:, None], evidence.has_face]))
    if "a" in modalities:
        parts.append(np.column_stack([evidence.voice * evidence.has_voice[:, None], evidence.has_voice]))
    if "t" in modalities:
        parts.append(np.eye(2 + N_FAMILIES)[evidence.words + 2])
        parts.append(np.eye(1 + len(events()))[evidence.event + 1])
    return np.column_stack(parts).astype(float)


def probe(train_x: np.ndarray, train_gold: Sequence[Sequence[str]], l2: float = 1e-3, steps: int = 400) -> np.ndarray:
    """Fit multinomial logistic regression of gold families on features; return weights (width, families)."""
    family_of = families_by_word()
    kept = [row for row, labels in enumerate(train_gold) if labels]
    target = np.zeros((len(kept), N_FAMILIES))
    for row, source in enumerate(kept):
        for label in train_gold[source]:
            target[row, FAMILIES.index(family_of[label])] = 1
    target /= target.sum(axis=1, keepdims=True)
    x = train_x[kept]
    weights, momentum, scale = (np.zeros((x.shape[1], N_FAMILIES)) for _ in range(3))
    for step in range(1, steps + 1):  # Adam (Kingma & Ba 2015), full batch
        gradient = x.T @ (_softmax(x @ weights) - target) / len(x) + l2 * weights
        momentum += 0.1 * (gradient - momentum)
        scale += 0.01 * (gradient**2 - scale)
        weights -= 0.05 * (momentum / (1 - 0.9**step)) / (np.sqrt(scale / (1 - 0.99**step)) + 1e-8)
    return weights


def _softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def probe_families(weights: np.ndarray, x: np.ndarray, threshold: float) -> list[tuple[str, ...]]:
    """Return every family above `threshold`, or the likeliest alone."""
    shares = _softmax(x @ weights)
    keep = (shares >= threshold) | (shares == shares.max(axis=1, keepdims=True))
    return [tuple(FAMILIES[f] for f in np.flatnonzero(row)) for row in keep]
