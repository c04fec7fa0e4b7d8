"""Draw one clip down the causal chain: event -> state -> facial actions, prosody and words -> script for the renderers.

The chain follows the component process model (Scherer 1986, https://doi.org/10.1037/0033-2909.99.2.143; 2001; 2003): appraisals of an
event bring about a blend of emotions, which shows only in part, differently from speaker to speaker. Every draw is seeded by
(seed, split, clip), so that a clip does not depend on how many others are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emollm.synth.effects import (
    FACE_GAINS,
    INTENSITY_CONCENTRATION,
    POPULATIONS,
    RULES,
    VOICE_GAINS,
    VOICE_OFFSET_SD,
    VOICE_SD,
    face_tables,
    voice_means,
)
from emollm.synth.events import STATES, events, state_tables
from emollm.synth.likelihood import words_table
from emollm.synth.script import (
    FACE_ACTIONS,
    PROSODY,
    Action,
    AudioState,
    ClipScript,
    Face,
    Speaker,
    VideoState,
    Voice,
)
from emollm.synth.vocabulary import FAMILIES

SPLITS = ("train", "dev", "test", "sealed")
SPEAKER_STREAM, CLIP_STREAM = 1, 2
PROSODY_LIMIT = 3.5  # what the renderer is asked for at most
INTENSITY_FLOOR = 0.02
AUDIO_STATES: tuple[AudioState, ...] = ("present", "silent", "absent")
VIDEO_STATES: tuple[VideoState, ...] = ("present", "black", "absent", "no_face")
FAULT = 0.03  # chance of each state but "present"
NOTHING_TO_PERCEIVE: tuple[tuple[AudioState, VideoState], ...] = (
    ("silent", "black"),
    ("absent", "black"),
    ("silent", "no_face"),
    ("silent", "absent"),
)
NO_TRANSCRIPT = 0.04
NOTHING = 0.01
TOLD_EVENT = 0.40


@dataclass(frozen=True)
class Truth:
    """Everything that is true of a clip; the lines of truth.jsonl. `face`: action -> intensity; `words`: family, "none" or null."""

    id: str
    split: str
    speaker: str
    primary: str
    secondary: str | None
    level: int
    event: int
    event_told: bool
    face: Mapping[str, float]
    prosody: Mapping[str, float]
    words: str | None
    audio_state: AudioState
    video_state: VideoState
    masking: bool
    face_gain: float
    voice_gain: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of this truth."""
        return asdict(self)


def draw_speaker(split: str, index: int, seed: int) -> Speaker:
    """Draw the `index`-th speaker of a split; display rules and voice follow the split's population."""
    rng = np.random.default_rng([seed, SPLITS.index(split), SPEAKER_STREAM, index])
    population = POPULATIONS[split]
    looks = [float(value) for value in rng.random(13)]
    hair_style = int(rng.integers(4))
    face = Face(*looks[:11], hair_style=hair_style, background=looks[11], glasses=looks[12] < 0.25)  # type: ignore[misc, arg-type]
    voice = Voice(
        f0_hz=float(population.f0_centre_hz * np.exp(population.f0_spread * rng.standard_normal())),
        formant_scale=float(np.clip(1 + 0.08 * rng.standard_normal(), 0.82, 1.2)),
        breathiness=float(rng.uniform(0.1, 0.4)),
        rate_syllables_s=float(np.clip(4.4 + 0.4 * rng.standard_normal(), 3.4, 5.4)),
    )
    return Speaker(
        id=f"{split}-{index:04d}",
        face=face,
        voice=voice,
        face_gain=FACE_GAINS[rng.choice(3, p=population.face_gain_shares)],
        voice_gain=VOICE_GAINS[rng.choice(3, p=population.voice_gain_shares)],
        masking=bool(rng.random() < population.masking_share),
        prosody_offset={name: float(VOICE_OFFSET_SD * rng.standard_normal()) for name in PROSODY},
    )


def draw_face(state: int, rule: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the intensity of each facial action, (actions,), 0 where it is absent."""
    chance, mean = (table[rule, state] for table in face_tables())
    intensity = rng.beta(mean * INTENSITY_CONCENTRATION, (1 - mean) * INTENSITY_CONCENTRATION)
    return np.where(rng.random(len(chance)) < chance, np.clip(intensity, INTENSITY_FLOOR, 1 - INTENSITY_FLOOR), 0.0)


def draw_voice(state: int, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Draw the prosody values, (values,)."""
    offset = np.array([speaker.prosody_offset[name] for name in PROSODY])
    mean = voice_means()[VOICE_GAINS.index(speaker.voice_gain), state]
    return mean + offset + VOICE_SD * rng.standard_normal(len(PROSODY))


def draw_modality_states(rng: np.random.Generator) -> tuple[AudioState, VideoState, bool]:
    """Draw the state of sound and picture and whether there is a transcript; at least one file always exists."""
    if rng.random() < NOTHING:
        audio, video = NOTHING_TO_PERCEIVE[rng.integers(len(NOTHING_TO_PERCEIVE))]
        return audio, video, False
    n_faulty_audio, n_faulty_video = len(AUDIO_STATES) - 1, len(VIDEO_STATES) - 1
    while True:
        audio = AUDIO_STATES[rng.choice(len(AUDIO_STATES), p=[1 - n_faulty_audio * FAULT, *[FAULT] * n_faulty_audio])]
        video = VIDEO_STATES[rng.choice(len(VIDEO_STATES), p=[1 - n_faulty_video * FAULT, *[FAULT] * n_faulty_video])]
        transcript = rng.random() >= NO_TRANSCRIPT
        if (audio, video) != ("absent", "absent") and (audio == "present" or video == "present" or transcript):
            return audio, video, transcript


def _course(name: str, intensity: float, duration_s: float, rng: np.random.Generator) -> Action:
    """Place an action in the clip; its apex is held long enough that eight evenly spaced frames meet it twice."""
    hold_s = rng.uniform(0.9, 0.55 * duration_s)
    apex_start_s = rng.uniform(0.25, duration_s - hold_s - 0.25)
    apex_end_s = apex_start_s + hold_s
    onset_s = max(0.0, apex_start_s - rng.uniform(0.15, 0.5))
    offset_s = min(duration_s, apex_end_s + rng.uniform(0.2, 0.6))
    return Action(name, intensity, *(round(float(t), 3) for t in (onset_s, apex_start_s, apex_end_s, offset_s)))


def _syllables(speaker: Speaker, prosody: np.ndarray, speech_s: float) -> int:
    rate, pauses = prosody[PROSODY.index("rate")], prosody[PROSODY.index("pauses")]
    pause_share = 0.6 / (1 + np.exp(1.6 - 0.9 * pauses))
    return max(3, round(speaker.voice.rate_syllables_s * 2 ** (0.28 * rate) * speech_s * (1 - pause_share)))


def draw_clip(
    record_id: str, split: str, index: int, speaker: Speaker, seed: int
) -> tuple[Truth, ClipScript, np.random.Generator]:
    """Draw one clip.

    Args:
        record_id: Id of the record to be.
        split: One of SPLITS.
        index: Number of the clip within its split.
        speaker: Who is seen and heard.
        seed: Seed of the whole set.

    Returns:
        The truth, the script for the renderers, and the generator of random numbers for the later steps (words, raters).
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), CLIP_STREAM, index])
    event = int(rng.integers(len(events())))
    state = int(rng.choice(len(STATES), p=state_tables()[1][event]))
    primary, secondary, level = STATES[state]
    rule = RULES.index((FACE_GAINS.index(speaker.face_gain), speaker.masking))
    face = draw_face(state, rule, rng)
    prosody = draw_voice(state, speaker, rng)
    audio_state, video_state, transcript = draw_modality_states(rng)
    words = int(rng.choice(1 + len(FAMILIES), p=words_table()[state])) - 1
    told = bool(transcript and rng.random() < TOLD_EVENT)
    truth = Truth(
        id=record_id,
        split=split,
        speaker=speaker.id,
        primary=FAMILIES[primary],
        secondary=FAMILIES[secondary] if secondary >= 0 else None,
        level=int(level),
        event=event,
        event_told=told,
        face={name: round(float(v), 4) for name, v in zip(FACE_ACTIONS, face, strict=True) if v > 0},
        prosody={name: round(float(v), 4) for name, v in zip(PROSODY, prosody, strict=True)},
        words=None if not transcript else "none" if words < 0 else FAMILIES[words],
        audio_state=audio_state,
        video_state=video_state,
        masking=speaker.masking,
        face_gain=speaker.face_gain,
        voice_gain=speaker.voice_gain,
    )
    return truth, draw_script(truth, speaker, rng), rng


def draw_script(truth: Truth, speaker: Speaker, rng: np.random.Generator) -> ClipScript:
    """Add what carries no emotion: durations, times of actions and speech, the renderer's own seed."""
    duration_s = round(float(rng.uniform(3.0, 4.0)), 1)
    speech = (round(float(rng.uniform(0.15, 0.35)), 2), round(duration_s - float(rng.uniform(0.15, 0.35)), 2))
    values = np.clip([truth.prosody[name] for name in PROSODY], -PROSODY_LIMIT, PROSODY_LIMIT)
    return ClipScript(
        seed=int(rng.integers(2**31)),
        duration_s=duration_s,
        speaker=speaker,
        actions=tuple(_course(name, value, duration_s, rng) for name, value in truth.face.items()),
        prosody={name: float(value) for name, value in zip(PROSODY, values, strict=True)},
        speech=speech,
        n_syllables=_syllables(speaker, values, speech[1] - speech[0]),
        audio_state=truth.audio_state,
        video_state=truth.video_state,
    )
