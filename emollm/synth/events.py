"""From an event over its appraisals to an emotion blend, and the exact tables that follow from it.

An event has mean appraisals (novelty, pleasantness, goal conduciveness, control, norm: the component process model of Scherer 2001,
"Appraisal considered as a process of multilevel sequential checking"); a person's own appraisals scatter around them. The nearer they
lie to a family's prototype, the likelier that family is felt. A state is (primary family, secondary family or none, level).

P(state | event) has no closed form, so that it is tabulated by a Monte Carlo run with a fixed seed; clips are drawn from these very
tables, which makes every later posterior exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from emollm.synth.vocabulary import FAMILIES, LEVELS

APPRAISALS = ("novelty", "pleasantness", "conduciveness", "control", "norm")
NEUTRAL = FAMILIES.index("neutral")
N_FAMILIES = len(FAMILIES)
# Prototype appraisals of the families, in the order of FAMILIES; after table 5.4 of Scherer (2001), numbers ours.
PROTOTYPES = np.array(
    [
        [0.2, 0.9, 0.8, 0.2, 0.2],
        [-0.8, 0.6, 0.4, 0.5, 0.3],
        [0.0, 0.6, 0.8, 0.9, 0.8],
        [0.7, 0.3, 0.2, 0.3, 0.0],
        [1.0, 0.0, 0.0, -0.4, 0.0],
        [-0.2, -0.7, -0.8, -0.8, 0.0],
        [0.7, -0.8, -0.7, -0.8, 0.0],
        [0.3, -0.7, -0.8, 0.5, -0.7],
        [0.2, -1.0, -0.2, 0.1, -0.5],
        [-0.4, -0.5, -0.1, 0.7, -0.8],
        [0.1, -0.6, -0.6, -0.3, -0.9],
        [-0.5, 0.0, 0.0, 0.2, 0.1],
    ]
)  # (families, appraisals)
SHARPNESS = 3.0
APPRAISAL_SD = 0.40
SECONDARY_SHARE = 0.35
LEVEL_EDGES = (0.53, 0.70)
LEVEL_SD = 0.12
DRAWS_PER_EVENT = 12_000
SMOOTHING = 0.02
TABLE_SEED = 20_010


@dataclass(frozen=True)
class Event:
    """One kind of event: the clause that tells it and its mean appraisals."""

    text: str
    appraisals: tuple[float, ...]


@cache
def events() -> tuple[Event, ...]:
    """Return all kinds of events; each is equally likely."""
    rows = yaml.safe_load(Path(__file__).with_name("events.yaml").read_text(encoding="utf-8"))
    return tuple(Event(row["text"], tuple(row["appraisals"])) for row in rows)


def _all_states() -> np.ndarray:
    triples = [
        (primary, secondary, level)
        for primary in range(N_FAMILIES)
        for secondary in (-1, *(f for f in range(N_FAMILIES) if f not in (primary, NEUTRAL)))
        for level in LEVELS
    ]
    return np.array(triples)


STATES = _all_states()  # (states, 3): primary, secondary (-1: none), level
PRIMARY, SECONDARY, LEVEL = STATES.T  # each (states,)
N_STATES = len(STATES)


def _state_index() -> np.ndarray:
    index = np.full((N_FAMILIES, N_FAMILIES + 1, len(LEVELS) + 1), -1)
    index[PRIMARY, SECONDARY, LEVEL] = np.arange(N_STATES)  # secondary -1 lands in the last column
    return index


def _pick(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one column per row in proportion to exp(logits) (Gumbel maximum)."""
    return (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def _even_intercepts(logits: np.ndarray) -> np.ndarray:
    """Return intercepts that make all families about equally frequent (iterative scaling)."""
    intercepts = np.zeros(N_FAMILIES)
    for _ in range(12):
        shares = np.exp(logits + intercepts)
        shares /= shares.sum(axis=1, keepdims=True)
        intercepts -= np.log(shares.mean(axis=0) * N_FAMILIES)
    return intercepts


@cache
def state_tables() -> tuple[np.ndarray, np.ndarray]:
    """Return P(state), shape (states,), and P(state | event), shape (events, states)."""
    rng = np.random.default_rng(TABLE_SEED)
    means = np.repeat(np.array([event.appraisals for event in events()]), DRAWS_PER_EVENT, axis=0)
    appraisals = means + APPRAISAL_SD * rng.standard_normal(means.shape)  # (draws, appraisals)
    logits = -SHARPNESS * ((appraisals[:, None] - PROTOTYPES[None]) ** 2).sum(axis=2)  # (draws, families)
    logits += _even_intercepts(logits[:: DRAWS_PER_EVENT // 1_000])
    primary = _pick(logits, rng)
    rest = logits.copy()
    rest[np.arange(len(rest)), primary] = -np.inf
    rest[:, NEUTRAL] = -np.inf
    secondary = np.where(rng.random(len(rest)) < SECONDARY_SHARE, _pick(rest, rng), -1)
    extremity = np.sqrt((appraisals**2).mean(axis=1)) + LEVEL_SD * rng.standard_normal(len(rest))
    level = 1 + np.digitize(extremity, LEVEL_EDGES)
    state = _state_index()[primary, secondary, level].reshape(len(events()), DRAWS_PER_EVENT)
    counts = np.stack([np.bincount(row, minlength=N_STATES) for row in state])  # (events, states)
    given_event = counts / DRAWS_PER_EVENT
    overall = given_event.mean(axis=0)
    overall = (1 - SMOOTHING) * overall + SMOOTHING / N_STATES
    given_event = (1 - SMOOTHING) * given_event + SMOOTHING * overall
    return given_event.mean(axis=0), given_event


def family_matrix() -> np.ndarray:
    """Return the 0/1 matrix (states, families) that adds states up to their primary family."""
    return np.eye(N_FAMILIES)[PRIMARY]
