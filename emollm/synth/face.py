"""A drawn talking face whose every facial action can be seen: `draw_frames(script)` -> uint8 pictures.

Each of the 22 actions moves its own part of the face, in the manner that the Facial Action Coding System describes (Ekman, Friesen & Hager
2002, https://www.paulekman.com/facial-action-coding-system/), drawn larger than life so that a small vision tower reads it at 96 pixels.
Speech opens the mouth in time with the syllables of voice.py; speakers differ in geometry and colours; eyes blink and heads sway a little.
The parts of the face are in face_parts.py; here are the time course, the room, the movement of the head, and the painting.
It is a cartoon: it makes no claim to look like a person, and nothing that is measured on it is evidence about real faces.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from emollm.synth.face_parts import WHITE, Look, head_parts, look_of, palette, shoulders
from emollm.synth.script import FACE_ACTIONS, ClipScript, Face
from emollm.synth.shapes import Complexes, Floats, Shape
from emollm.synth.voice import mouth_opening

OVERSAMPLING = 2
FACE_SCALE = 0.86  # half pictures per face unit: the head fills most of the picture
FACE_STRETCH = 1.12  # broader than real, which gives the parts more room
BLINK_S = 0.2
SHAKE_HZ = 1.3
TILT_RADIANS = 0.42  # of a head_tilt at level 1
WALLS = np.array([[120, 150, 176], [168, 178, 150], [184, 164, 150], [140, 136, 164], [110, 118, 122]], dtype=float)
GLASS, SHELF, BOOKS = (np.array(colour, dtype=float) for colour in ([150, 196, 230], [112, 78, 50], [74, 48, 30]))


def action_levels(script: ClipScript, times_s: Floats) -> dict[str, Floats]:
    """Return how strong each facial action is at each moment.

    Args:
        script: The clip; every action rises, holds and falls in straight lines.
        times_s: Moments in seconds, (frames,).

    Returns:
        For each name of FACE_ACTIONS its level in 0..1, (frames,).
    """
    levels: dict[str, Floats] = {name: np.zeros(len(times_s)) for name in FACE_ACTIONS}
    for action in script.actions:
        corners_s = [action.onset_s, action.apex_start_s, action.apex_end_s, action.offset_s]
        course = np.interp(times_s, corners_s, [0.0, 1.0, 1.0, 0.0])
        levels[action.name] = np.maximum(levels[action.name], action.intensity * course)
    return levels


def draw_frames(script: ClipScript, size: int = 128, fps: float = 10) -> np.ndarray:
    """Draw the pictures of a clip.

    Args:
        script: What the face does; `video_state` "black" gives zeros, "no_face" an empty room.
        size: Height and width in pixels.
        fps: Frames per second.

    Returns:
        RGB, uint8, (frames, size, size, 3).
    """
    n_frames = max(1, round(script.duration_s * fps))
    if script.video_state == "black":
        return np.zeros((n_frames, size, size, 3), dtype=np.uint8)
    rng = np.random.default_rng([script.seed, 1])
    room = _draw_room(script.speaker.face, size * OVERSAMPLING, script.video_state == "no_face", rng)
    if script.video_state == "no_face":
        return np.repeat(np.asarray(room.reduce(OVERSAMPLING))[None], n_frames, axis=0)
    shapes = _lay_out(script, (np.arange(n_frames) + 0.5) / fps, size * OVERSAMPLING, rng)
    frames = np.empty((n_frames, size, size, 3), dtype=np.uint8)
    for index, frame in enumerate(frames):
        picture = room.copy()
        polygon = ImageDraw.Draw(picture).polygon
        for corners, colours, visible in shapes:
            if visible[index]:
                polygon(corners[index], fill=colours[index])
        frame[:] = np.asarray(picture.reduce(OVERSAMPLING))
    return frames


def _draw_room(face: Face, pixels: int, furnished: bool, rng: np.random.Generator) -> Image.Image:
    """Draw the wall and floor, and for an empty room a window and a shelf at random places."""
    wall = palette(WALLS, face.background)
    room = Image.new("RGB", (pixels, pixels), _rgb(wall))
    paint = ImageDraw.Draw(room)

    def box(left: float, top: float, width: float, height: float, colour: Floats) -> None:
        paint.rectangle([pixels * v for v in (left, top, left + width, top + height)], fill=_rgb(colour))

    box(0, rng.uniform(0.84, 0.9), 1, 1, wall * 0.72)
    if furnished:
        left, top, shelf = rng.uniform(0.05, 0.4), rng.uniform(0.08, 0.2), rng.uniform(0.3, 0.6)
        box(left, top, 0.36, 0.34, WHITE)
        box(left + 0.02, top + 0.02, 0.15, 0.3, GLASS)
        box(left + 0.19, top + 0.02, 0.15, 0.3, GLASS)
        box(shelf, 0.62, 0.36, 0.28, SHELF)
        box(shelf + 0.03, 0.66, 0.3, 0.08, BOOKS)
    return room


def _rgb(colour: Floats) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in colour)
    return red, green, blue


def _lay_out(
    script: ClipScript, times_s: Floats, pixels: int, rng: np.random.Generator
) -> list[tuple[list[list[float]], list[tuple[int, ...]], list[bool]]]:
    """Place every shape of every frame on the canvas: corners as flat x, y lists, fill colours, visibility; in drawing order."""
    face, levels = script.speaker.face, action_levels(script, times_s)
    look = look_of(face, rng)
    blink = _blinks(script.duration_s, times_s, rng)
    parts = head_parts(face, look, levels, mouth_opening(script, times_s), blink)
    scale, shift, turn = _pose(levels, look, times_s, rng)
    laid_out = []
    for part in shoulders(look):
        laid_out.append(_as_lists(part, part.points + 0.4 * shift[:, None], pixels))
    for part in parts:
        laid_out.append(
            _as_lists(
                part, scale[:, None] * (_stretch(part.points) + part.depth * turn[:, None]) + shift[:, None], pixels
            )
        )
    return laid_out


def _pose(
    levels: dict[str, Floats], look: Look, times_s: Floats, rng: np.random.Generator
) -> tuple[Complexes, Complexes, Complexes]:
    """Return how the head moves: scale and rotation, shift, and by how much its front slides as it turns; each (frames,)."""
    phase = rng.uniform(0, 2 * np.pi, size=4)
    sway = [
        np.sin(2 * np.pi * hz * times_s + start) for hz, start in zip((0.31, 0.23, 0.27, SHAKE_HZ), phase, strict=True)
    ]
    shake = levels["head_shake"] * np.tanh(2.5 * sway[3])
    nod = levels["head_down"] - levels["head_back"]
    angle = TILT_RADIANS * look.tilt_side * levels["head_tilt"] + 0.02 * sway[2]
    scale = (1 - 0.08 * levels["head_back"] + 0.03 * levels["head_down"]) * np.exp(1j * angle)
    shift = 0.014 * (sway[0] + 1j * sway[1]) + 0.10 * shake + 1j * (0.13 * nod + 0.02)
    turn = 0.26 * shake + 0.24j * nod
    return scale, shift, turn


def _blinks(duration_s: float, times_s: Floats, rng: np.random.Generator) -> Floats:
    """Return how closed the lids are by blinking, 0..1, (frames,): about one blink every four seconds."""
    starts_s = rng.uniform(0, duration_s, size=rng.poisson(duration_s / 4))
    closed = np.zeros(len(times_s))
    for start_s in starts_s:
        closed = np.maximum(closed, np.clip(1.4 - np.abs(times_s - start_s) / (0.5 * BLINK_S), 0, 1))
    return closed


def _stretch(points: Complexes) -> Complexes:
    return FACE_STRETCH * points.real + 1j * points.imag


def _as_lists(
    shape: Shape, points: Complexes, pixels: int
) -> tuple[list[list[float]], list[tuple[int, ...]], list[bool]]:
    """Turn face units into canvas pixels, and arrays into the lists that Pillow takes fastest."""
    canvas = (points * FACE_SCALE + (1 + 0.98j)) * (pixels / 2)  # (frames, corners)
    n_frames = len(canvas)
    corners = np.ascontiguousarray(canvas).view(np.float64).round(1).tolist()  # (frames, 2 * corners)
    colours = np.broadcast_to(np.clip(shape.colour, 0, 255).astype(int), (n_frames, 3)).tolist()
    visible = [True] * n_frames if shape.visible is None else np.broadcast_to(shape.visible, n_frames).tolist()
    return corners, [tuple(colour) for colour in colours], visible
