"""Every facial action must be visible in its own part of the face, grow with its intensity, and differ from the others."""

from dataclasses import replace

import numpy as np
import pytest

from emollm.synth.face import action_levels, draw_frames
from emollm.synth.script import FACE_ACTIONS, PROSODY, Action, ClipScript, Face, Speaker, Voice

BROWS, EYES, CHEEKS, NOSE, MOUTH, CHIN, HEAD = (20, 50), (34, 72), (40, 84), (40, 78), (68, 122), (80, 128), (0, 128)
REGIONS = {  # rows of the 128-pixel picture, top to bottom
    **dict.fromkeys(("au1", "au2", "au4"), BROWS),
    **dict.fromkeys(("au5", "au7", "au43", "gaze_down", "gaze_away"), EYES),
    **dict.fromkeys(("au12", "au14", "au15", "au20", "au23", "au26"), MOUTH),
    **dict.fromkeys(("head_down", "head_back", "head_tilt", "head_shake"), HEAD),
    "au6": CHEEKS,
    "au9": NOSE,
    "au10": (66, 110),
    "au17": CHIN,
}


def script(actions: tuple[Action, ...] = (), looks: int = 0, seed: int = 1) -> ClipScript:
    """A clip of 2 s without speech in its first half; `looks` chooses the speaker."""
    values = np.random.default_rng(looks).random(12)
    face = Face(*values[:11].tolist(), hair_style=looks % 4, background=float(values[11]), glasses=looks % 3 == 1)
    speaker = Speaker("x", face, Voice(140.0, 1.0, 0.25, 4.4), 1.0, 1.0, False, {})
    return ClipScript(seed, 2.0, speaker, actions, dict.fromkeys(PROSODY, 0.0), (1.5, 1.9), 3, "present", "present")


def steady(name: str, intensity: float) -> Action:
    return Action(name, intensity, 0.0, 0.01, 1.4, 1.45)


def change(name: str, intensity: float, looks: int = 0) -> np.ndarray:
    """What an action changes in the pictures of its apex, signed, (frames, rows, columns)."""
    calm, moved = draw_frames(script(looks=looks)), draw_frames(script((steady(name, intensity),), looks))
    return (moved.astype(float) - calm.astype(float))[:12].mean(axis=3)


@pytest.mark.parametrize("name", FACE_ACTIONS)
def test_an_action_shows_in_its_own_part_and_grows(name: str) -> None:
    top, bottom = REGIONS[name]
    sizes = []
    for intensity in (0.2, 0.5, 0.9):
        difference = np.abs(change(name, intensity))
        sizes.append(difference.mean())
        assert difference[:, top:bottom].sum() > 0.97 * difference.sum()
    assert 0 < sizes[0] < sizes[1] < sizes[2]


def test_actions_can_be_told_apart_across_speakers() -> None:
    """What an action changes on one face resembles what it changes on another face more than any other action does."""

    def fingerprints(looks: int) -> np.ndarray:
        rows = np.stack([change(name, 0.8, looks).mean(axis=0).ravel() for name in FACE_ACTIONS])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    alike = fingerprints(2) @ fingerprints(4).T  # (actions, actions)
    wrong = [FACE_ACTIONS[i] for i in range(len(FACE_ACTIONS)) if alike[i].argmax() != i]
    assert wrong == []


def test_an_action_rises_holds_and_falls() -> None:
    clip = script((Action("au12", 0.8, 0.4, 0.6, 1.0, 1.4),))
    levels = action_levels(clip, np.array([0.2, 0.5, 0.6, 0.8, 1.0, 1.2, 1.6]))
    assert levels["au12"] == pytest.approx([0, 0.4, 0.8, 0.8, 0.8, 0.4, 0])
    assert not levels["au4"].any()


def test_speech_opens_the_mouth_less_than_a_dropped_jaw() -> None:
    clip = script()
    still, speaking = draw_frames(replace(clip, speech=(1.9, 1.95))), draw_frames(replace(clip, speech=(0.1, 1.3)))
    spoken = np.abs(speaking.astype(float) - still)[:12]
    assert 0 < spoken.mean(axis=(1, 2, 3)).max() < np.abs(change("au26", 0.5)).mean()
    assert spoken[:, slice(*MOUTH)].sum() > 0.97 * spoken.sum()


@pytest.mark.parametrize(("size", "fps", "frames"), [(128, 10, 20), (64, 5, 10)])
def test_shape_and_determinism(size: int, fps: float, frames: int) -> None:
    clip = script((steady("au6", 0.5), steady("head_shake", 0.7)))
    pictures = draw_frames(clip, size=size, fps=fps)
    assert pictures.shape == (frames, size, size, 3) and pictures.dtype == np.uint8
    assert pictures.tobytes() == draw_frames(clip, size=size, fps=fps).tobytes()


def test_speakers_look_different() -> None:
    assert np.abs(draw_frames(script(looks=0)).astype(float) - draw_frames(script(looks=1))).mean() > 10


def test_black_and_empty_rooms_show_no_face() -> None:
    clip = script((steady("au26", 0.9),))
    black, empty = draw_frames(replace(clip, video_state="black")), draw_frames(replace(clip, video_state="no_face"))
    assert not black.any() and black.shape == (20, 128, 128, 3)
    assert (empty == empty[0]).all() and empty[0].std() > 10
    without = replace(clip, actions=(), video_state="no_face")
    assert (empty == draw_frames(without)).all()  # nothing of the face leaks into the room
