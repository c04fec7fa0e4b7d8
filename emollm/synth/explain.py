"""True cues of a clip with their times, and how much each speaks for a family.

The salience of a cue is its weight of evidence (Good 1950): the log of its chance given the family, against its chance given any other
family, in nats. Cues that are visible or audible but speak for no gold label are kept with `supports=None`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from emollm.records import Cue
from emollm.synth.causal import Truth
from emollm.synth.effects import EVERYDAY, face_tables, rule_shares, voice_means, voice_sd
from emollm.synth.events import N_FAMILIES, events, family_matrix, state_tables
from emollm.synth.likelihood import words_table
from emollm.synth.script import FACE_ACTIONS, PROSODY, ClipScript
from emollm.synth.vocabulary import FAMILIES, families_by_word
from emollm.synth.wording import ACTION_PHRASES, EVIDENT, PROSODY_PHRASES, TOLD

VISIBLE_INTENSITY = 0.25
AUDIBLE_Z = 0.9
MAX_CUES = 4


@cache
def _family_weights() -> np.ndarray:
    """Return P(state | family), (states, families)."""
    weights = state_tables()[0][:, None] * family_matrix()
    return weights / weights.sum(axis=0)


def _weight_of_evidence(by_state: np.ndarray) -> np.ndarray:
    """Return log P(cue | family) - log P(cue | another family), (families,), from P(cue | state), (states,)."""
    by_family = by_state @ _family_weights()  # (families,)
    others = (by_family.sum() - by_family) / (N_FAMILIES - 1)
    return np.log(by_family) - np.log(others)


@cache
def _presence() -> np.ndarray:
    """Return the chance of each action by state over everyday display rules, (states, actions)."""
    return np.tensordot(rule_shares(EVERYDAY), face_tables()[0], axes=1)


def _prosody_density(value: float, index: int) -> np.ndarray:
    means = voice_means()[:, :, index]  # (gains, states)
    density = np.exp(-0.5 * ((value - means) / voice_sd()) ** 2)
    return np.array(EVERYDAY.voice_gain_shares) @ density  # (states,)


def _candidates(truth: Truth, script: ClipScript) -> list[tuple[Cue, np.ndarray]]:
    """Return every perceivable cue with its weights of evidence (families,)."""
    found: list[tuple[Cue, np.ndarray]] = []
    if truth.video_state == "present":
        for action in (a for a in script.actions if a.intensity >= VISIBLE_INTENSITY):
            au = action.name.upper() if action.name.startswith("au") else None
            times = {"start_s": round(action.onset_s, 1), "end_s": round(action.offset_s, 1)}
            cue = Cue(modality="video", text=ACTION_PHRASES[action.name], au=au, **times)
            found.append((cue, _weight_of_evidence(_presence()[:, FACE_ACTIONS.index(action.name)])))
    start_s, end_s = (round(t, 1) for t in script.speech)
    if truth.audio_state == "present":
        for index, name in enumerate(PROSODY):
            value = truth.prosody[name]
            if abs(value) >= AUDIBLE_Z:
                cue = Cue(modality="audio", text=PROSODY_PHRASES[name][value > 0], start_s=start_s, end_s=end_s)
                found.append((cue, _weight_of_evidence(_prosody_density(value, index))))
    if truth.words is not None and truth.words != "none":
        column = 1 + FAMILIES.index(truth.words)
        found.append(
            (Cue(modality="text", text=EVIDENT.format(truth.words)), _weight_of_evidence(words_table()[:, column]))
        )
    if truth.event_told:
        prior, given_event = state_tables()
        likelihood = given_event[truth.event] / prior
        found.append(
            (Cue(modality="text", text=TOLD.format(events()[truth.event].text)), _weight_of_evidence(likelihood))
        )
    return found


def true_cues(truth: Truth, script: ClipScript, labels: Sequence[str]) -> tuple[Cue, ...]:
    """Return all true cues of a clip.

    First come up to MAX_CUES cues that speak for a gold label (`supports`), the most salient first; then the rest, `supports` null.
    """
    families = [FAMILIES.index(families_by_word()[label]) for label in labels]
    ranked: list[tuple[float, int, Cue]] = []
    rest: list[Cue] = []
    for order, (cue, weights) in enumerate(_candidates(truth, script)):
        best = max(range(len(families)), key=lambda i: weights[families[i]], default=None)
        if best is not None and weights[families[best]] > 0:
            ranked.append((-float(weights[families[best]]), order, cue.model_copy(update={"supports": labels[best]})))
        else:
            rest.append(cue)
    ranked.sort(key=lambda item: item[:2])
    supporting = [cue for _, _, cue in ranked]
    spare = [cue.model_copy(update={"supports": None}) for cue in supporting[MAX_CUES:]]
    return (*supporting[:MAX_CUES], *spare, *rest)
