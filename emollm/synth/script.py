"""What one synthetic clip shows and says: the hand-over from the causal model to the renderers.

A `ClipScript` holds every parameter that the drawn face (face.py) and the source-filter voice (voice.py) need. Face actions follow the
Facial Action Coding System (Ekman, Friesen & Hager 2002, https://www.paulekman.com/facial-action-coding-system/) with a trapezoid time
course; prosody values follow the parameter families of Banse & Scherer (1996, https://doi.org/10.1037/0022-3514.70.3.614) as z-like
deviations from the speaker's own baseline. This file draws nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FACE_ACTIONS: tuple[str, ...] = (
    "au1",  # inner brows raised
    "au2",  # outer brows raised
    "au4",  # brows drawn together and lowered
    "au5",  # upper lids raised, eyes wide
    "au6",  # cheeks raised
    "au7",  # lids tightened
    "au9",  # nose wrinkled
    "au10",  # upper lip raised
    "au12",  # lip corners pulled up
    "au14",  # one lip corner tightened
    "au15",  # lip corners down
    "au17",  # chin raised
    "au20",  # lips stretched sideways
    "au23",  # lips pressed thin
    "au26",  # jaw dropped, clearly more than in speech
    "au43",  # eyes closed or drooping
    "gaze_down",
    "gaze_away",
    "head_down",
    "head_back",
    "head_tilt",
    "head_shake",
)

PROSODY: tuple[str, ...] = (
    "f0_level",
    "f0_range",
    "f0_slope",
    "energy",
    "rate",
    "pauses",
    "tremor",
    "breathiness",
    "tension",
)

AudioState = Literal["present", "silent", "absent"]
VideoState = Literal["present", "black", "absent", "no_face"]


@dataclass(frozen=True)
class Face:
    """Geometry of one speaker's face; every number lies in 0..1 with 0.5 as the average."""

    width: float
    eye_distance: float
    eye_size: float
    brow_height: float
    brow_thickness: float
    nose_length: float
    mouth_width: float
    lip_thickness: float
    chin: float
    skin: float
    hair: float
    hair_style: int  # 0..3
    background: float
    glasses: bool


@dataclass(frozen=True)
class Voice:
    """Baseline of one speaker's voice, from which prosody values deviate."""

    f0_hz: float
    formant_scale: float
    breathiness: float
    rate_syllables_s: float


@dataclass(frozen=True)
class Speaker:
    """One invented person: looks, voice baseline and display rules."""

    id: str
    face: Face
    voice: Voice
    face_gain: float
    voice_gain: float
    masking: bool
    prosody_offset: Mapping[str, float]  # small personal shift of each prosody value


@dataclass(frozen=True)
class Action:
    """One facial action: rises from onset_s to apex_start_s, holds to apex_end_s, falls to offset_s."""

    name: str  # one of FACE_ACTIONS
    intensity: float  # 0..1 at the apex
    onset_s: float
    apex_start_s: float
    apex_end_s: float
    offset_s: float


@dataclass(frozen=True)
class ClipScript:
    """Everything that the renderers need for one clip."""

    seed: int
    duration_s: float
    speaker: Speaker
    actions: tuple[Action, ...]
    prosody: Mapping[str, float]  # keys: PROSODY; about -3..3, 0 is the speaker's neutral; offsets are already added
    speech: tuple[float, float]  # start_s, end_s
    n_syllables: int
    audio_state: AudioState
    video_state: VideoState
