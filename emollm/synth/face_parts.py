"""The parts of the drawn face, each as polygons over time: how every facial action shows in brows, eyes, cheeks, nose, mouth and chin.

Face units: x to the right, y downwards, the head about 1.4 wide and 1.9 high, its middle at 0. Levels are 0..1, one a frame. The
descriptions of the actions follow the Facial Action Coding System (Ekman, Friesen & Hager 2002); sizes are exaggerated on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emollm.synth.script import Face
from emollm.synth.shapes import Complexes, Floats, Number, Shape, arc, between, blend, ellipse, stroke

Levels = dict[str, Floats]

FAINTEST = 0.03  # a wrinkle below this level is not drawn
EYE_Y, MOUTH_Y, NOSE_Y = -0.12, 0.50, 0.15
SKINS = np.array([[250, 222, 198], [236, 196, 164], [206, 156, 122], [166, 118, 90]], dtype=float)
HAIRS = np.array([[34, 28, 28], [92, 56, 34], [150, 90, 40], [190, 150, 80], [150, 150, 156]], dtype=float)
SHIRTS = np.array([[60, 80, 120], [130, 50, 60], [50, 100, 80], [110, 100, 90]], dtype=float)
IRISES = np.array([[60, 40, 26], [50, 84, 70], [56, 84, 130]], dtype=float)
WHITE, DARK, CAVITY, TONGUE, BLUSH, LIP_RED = (
    np.array(colour, dtype=float)
    for colour in ([248, 248, 244], [24, 18, 20], [64, 14, 22], [206, 92, 100], [226, 92, 84], [176, 60, 66])
)


@dataclass(frozen=True)
class Look:
    """Colours of one speaker, and which side one-sided actions take in this clip (-1 left, 1 right in the picture)."""

    skin: Floats
    shade: Floats  # the skin in its folds
    hair: Floats
    brow: Floats
    iris: Floats
    lips: Floats
    shirt: Floats
    corner_side: int
    tilt_side: int


def palette(colours: Floats, position: float) -> Floats:
    """Return the colour at `position` (0..1) of a row of colours (n, 3)."""
    return np.array(
        [np.interp(position * (len(colours) - 1), np.arange(len(colours)), channel) for channel in colours.T]
    )


def look_of(face: Face, rng: np.random.Generator) -> Look:
    """Choose the colours of a speaker and the sides of this clip's one-sided actions."""
    skin, hair = palette(SKINS, face.skin), palette(HAIRS, face.hair)
    corner_side, tilt_side = (int(side) for side in rng.choice([-1, 1], size=2))
    return Look(
        skin=skin,
        shade=skin * 0.4,
        hair=hair,
        brow=hair * 0.45,
        iris=palette(IRISES, 1 - face.skin),
        lips=blend(skin * 0.8, LIP_RED, 0.6)[0],
        shirt=palette(SHIRTS, rng.random()),
        corner_side=corner_side,
        tilt_side=tilt_side,
    )


def head_parts(face: Face, look: Look, levels: Levels, opening: Floats, blink: Floats) -> list[Shape]:
    """Return all shapes of the head in drawing order.

    Args:
        face: The speaker's geometry.
        look: The speaker's colours and the clip's sides.
        levels: Level of each facial action, (frames,) each.
        opening: How far speech opens the mouth, 0..1, (frames,).
        blink: How far blinking closes the lids, 0..1, (frames,).
    """
    jaw = 0.15 * levels["au26"] + 0.03 * opening
    return [
        *_skull(face, look, levels, jaw),
        *_cheeks(look, levels),
        *_eyes(face, look, levels, blink),
        *_brows(face, look, levels),
        *_chin(face, look, levels, jaw),
        *_nose(face, look, levels),
        *_mouth(face, look, levels, opening),
    ]


def shoulders(look: Look) -> list[Shape]:
    """Return neck and shirt, which do not turn with the head."""
    shirt = np.array([[-1.2 + 1.3j, -1.0 + 0.98j, -0.3 + 0.86j, 0.3 + 0.86j, 1.0 + 0.98j, 1.2 + 1.3j]])
    neck = np.array([[-0.3 + 0.5j, 0.3 + 0.5j, 0.34 + 1.0j, 0.0 + 1.1j, -0.34 + 1.0j]])
    return [Shape(shirt, look.shirt, 0), Shape(neck, look.skin * 0.72, 0)]


def _fold(look: Look, path: Complexes, level: Floats, width: Number, depth: float) -> Shape:
    """Return a wrinkle that darkens and widens with its level."""
    width = np.asarray(width) * (0.5 + 0.5 * level)
    return Shape(stroke(path, width), blend(look.skin, look.shade, 0.25 + 0.9 * level), depth, level > FAINTEST)


def _skull(face: Face, look: Look, levels: Levels, jaw: Floats) -> list[Shape]:
    """Return back hair, ears, the outline with the jaw, and the front of the hair."""
    half_width = 0.62 + 0.12 * face.width
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    taper = 1 - (0.26 - 0.14 * face.chin) * np.clip(np.sin(angles), 0, 1) ** 2
    outline = half_width * np.cos(angles) * taper + 0.9j * np.sin(angles)  # (40,)
    lower = np.clip(np.sin(angles), 0, 1) ** 2
    skin_outline = outline[None] + 1j * (jaw[:, None] + 0.06 * (face.chin - 0.5)) * lower[None]  # (frames, 40)
    shapes = []
    if face.hair_style == 1:  # long
        shapes.append(Shape(ellipse(0.06j, half_width + 0.17, 1.0), look.hair * 0.8, 0))
    elif face.hair_style == 3:  # a knot on top
        shapes.append(Shape(ellipse(-0.98j, 0.24, 0.2), look.hair * 0.8, 0))
    shapes += [Shape(ellipse(side * half_width - 0.04j, 0.09, 0.16), look.skin * 0.86, 0) for side in (-1, 1)]
    under_jaw = Shape(skin_outline, look.skin * 0.8, 0)
    front = Shape(skin_outline * 0.985, look.skin, 0.06)
    upper = outline[np.sin(angles) <= -0.34]
    crown = upper[np.argsort(upper.real)] * 1.04  # (corners,), left to right
    line_y = (-0.66, -0.72, -0.8, -0.6)[face.hair_style]
    hairline = np.linspace(crown[0].real, crown[-1].real, 9)
    droop = (np.abs(hairline) / half_width) ** 2 * (0.3 if face.hair_style != 2 else 0.42)
    fringe = hairline + 1j * (line_y + droop)
    slide = 0.16j * (levels["head_down"] - 0.6 * levels["head_back"])  # the top of the head comes into view, or goes
    cap = between(np.broadcast_to(crown, (len(jaw), len(crown))), fringe[None] + slide[:, None])
    return [*shapes, under_jaw, front, Shape(cap, look.hair, 0)]


def _cheeks(look: Look, levels: Levels) -> list[Shape]:
    """Return the raised cheeks (au6) with the lines at the outer eye corners, and the folds beside the nose (au10)."""
    raised, lip = levels["au6"], levels["au10"]
    blush = blend(look.skin, BLUSH, 0.15 + 0.5 * raised)
    shapes = []
    for side in (-1, 1):
        bulge = ellipse(side * 0.4 + 1j * (0.2 - 0.04 * raised), 0.1 + 0.08 * raised, 0.06 + 0.07 * raised)
        shapes.append(Shape(bulge, blush, 0.5, raised > FAINTEST))
        pouch = arc(side * 0.2 + 0.08j, side * 0.38 + 1j * (0.14 - 0.07 * raised), side * 0.54 + 0.07j)
        shapes.append(_fold(look, pouch, raised, 0.045, 0.5))
        for rise in (-0.08, 0.0, 0.08):
            ray = np.array(
                [0.54 + 1j * (EYE_Y + rise), 0.59 + 1j * (EYE_Y + 1.4 * rise), 0.64 + 1j * (EYE_Y + 2 * rise)]
            )
            ray = side * ray.real + 1j * ray.imag
            shapes.append(_fold(look, ray[None], raised, 0.035, 0.3))
        fold = arc(side * 0.16 + 0.12j, side * (0.34 + 0.04 * lip) + 0.22j, side * (0.4 + 0.04 * lip) + 0.5j)
        shapes.append(_fold(look, fold, lip, 0.06, 0.7))
    return shapes


def _eyes(face: Face, look: Look, levels: Levels, blink: Floats) -> list[Shape]:
    """Return both eyes: the white and the iris, covered by lids that au5, au6, au7, au43, gaze and blinks move."""
    half_width, size = 0.17 + 0.03 * face.eye_size, 0.9 + 0.2 * face.eye_size
    closed = np.maximum(0.95 * levels["au43"], blink)
    bottom = 0.11 * size * (1 + 0.3 * levels["au5"]) * (1 - 0.85 * levels["au7"]) * (1 - 0.25 * levels["au6"])
    top = 0.125 * size * (1 + 0.9 * levels["au5"]) * (1 - 0.3 * levels["au7"]) * (1 - 0.15 * levels["gaze_down"])
    top = top * (1 - closed) - 0.8 * bottom * closed
    gaze = 0.11 * levels["gaze_away"] - 0.015j + 0.12j * levels["gaze_down"]
    shrink = 1 - 0.25 * levels["au5"]  # leaves a white ring around the iris
    lid = look.skin * 0.86
    shapes = []
    for side in (-1, 1):
        middle = side * (0.29 + 0.06 * (face.eye_distance - 0.5)) + 1j * EYE_Y
        outer, inner = middle + side * half_width, middle - side * half_width
        upper, lower = arc(outer, middle - 1j * top, inner), arc(outer, middle + 1j * bottom, inner)
        roof = arc(outer + side * 0.03, middle - 0.31j, inner - side * 0.03)
        floor = arc(outer + side * 0.03, middle + 0.27j, inner - side * 0.03)
        iris, pupil = ellipse(middle + gaze, 0.085 * shrink, 0.1 * shrink), ellipse(middle + gaze, 0.04, 0.048)
        shapes += [
            Shape(between(upper, lower), WHITE, 0.7),
            Shape(iris, look.iris, 0.7),
            Shape(pupil, DARK, 0.7),
            Shape(between(roof, upper), lid, 0.7),
            Shape(between(lower, floor), look.skin * 0.98, 0.7),
            Shape(stroke(upper, 0.045, 0.4), DARK, 0.7),
            Shape(stroke(lower, 0.02 + 0.035 * levels["au7"], 0.5), look.shade, 0.7),
        ]
        pouch = arc(outer + 0.03j, middle + 1j * (bottom + 0.07), inner + 0.03j)
        shapes.append(_fold(look, pouch, levels["au7"], 0.04, 0.7))
        if face.glasses:
            rim = ellipse(middle + 0.02j, half_width + 0.06, 0.21)
            rim = np.concatenate([rim, rim[:, :1]], axis=1)
            shapes.append(Shape(stroke(rim, 0.025, 1.0), DARK + 40, 0.75))
    return shapes


def _brows(face: Face, look: Look, levels: Levels) -> list[Shape]:
    """Return brows (au1, au2, au4) with the lines that they press into the forehead and between them."""
    inner_up, outer_up, drawn = levels["au1"], levels["au2"], levels["au4"]
    rest_y = -0.45 - 0.05 * (face.brow_height - 0.5)
    width = 0.06 + 0.035 * face.brow_thickness
    shapes = []
    for side in (-1, 1):
        inner = side * (0.14 - 0.075 * drawn) + 1j * (rest_y - 0.16 * inner_up + 0.02 * outer_up + 0.16 * drawn)
        middle = side * 0.3 + 1j * (rest_y - 0.05 - 0.05 * inner_up - 0.1 * outer_up + 0.09 * drawn)
        outer = side * 0.5 + 1j * (rest_y + 0.03 + 0.02 * inner_up - 0.17 * outer_up + 0.03 * drawn)
        shapes.append(Shape(stroke(arc(inner, middle, outer), width, 0.6), look.brow, 0.65))
        for rise in (0.1, 0.19):
            lift = rest_y - rise - 0.12 * outer_up
            line = arc(side * 0.3 + 1j * lift, side * 0.42 + 1j * (lift - 0.04), side * 0.54 + 1j * (lift + 0.04))
            shapes.append(_fold(look, line, outer_up, 0.035, 0.6))
        crease = arc(
            side * 0.035 + 1j * (rest_y - 0.06), side * 0.05 + 1j * (rest_y + 0.04), side * 0.03 + 1j * (rest_y + 0.14)
        )
        shapes.append(_fold(look, crease, drawn, 0.05, 0.65))
    for rise in (0.07, 0.15):
        lift = rest_y - rise - 0.1 * inner_up
        shapes.append(_fold(look, arc(-0.17 + 1j * lift, 1j * (lift + 0.05), 0.17 + 1j * lift), inner_up, 0.04, 0.65))
    return shapes


def _nose(face: Face, look: Look, levels: Levels) -> list[Shape]:
    """Return the nose, which au9 shortens and wrinkles; a head held back shows the nostrils."""
    wrinkle, back = levels["au9"], levels["head_back"]
    tip_y = NOSE_Y + 0.07 * (face.nose_length - 0.5) - 0.08 * wrinkle
    bridge = arc(0.05 - 0.12j, 0.07 + 1j * (tip_y - 0.12), 0.1 + 1j * (tip_y + 0.02))
    base = arc(-0.11 - 0.03 * wrinkle + 1j * tip_y, 1j * (tip_y + 0.05), 0.11 + 0.03 * wrinkle + 1j * tip_y)
    shapes = [
        Shape(stroke(bridge, 0.03, 0.3), look.skin * 0.72, 0.9),
        Shape(stroke(base, 0.04), look.skin * 0.58, 1.0),
    ]
    for side in (-1, 1):
        nostril = ellipse(side * 0.05 + 1j * (tip_y + 0.015), 0.03, 0.014 + 0.028 * back)
        shapes.append(Shape(nostril, look.shade, 1.0))
        wing_x = 0.12 + 0.03 * wrinkle
        wing = arc(
            side * (wing_x - 0.02) + 1j * (tip_y - 0.1),
            side * (wing_x + 0.04) + 1j * (tip_y - 0.03),
            side * wing_x + 1j * tip_y,
        )
        shapes.append(_fold(look, wing, wrinkle, 0.045, 0.9))
    for y in (-0.2, -0.12, -0.04):
        line = arc(-0.1 + 1j * (y - 0.02), 1j * (y + 0.03), 0.1 + 1j * (y - 0.02))
        shapes.append(_fold(look, line, wrinkle, 0.045, 0.85))
    return shapes


def _mouth(face: Face, look: Look, levels: Levels, opening: Floats) -> list[Shape]:
    """Return lips, teeth and tongue: au10, au12, au14, au15, au17, au20, au23, au26 and speech move them."""
    smile, sag, stretch, press = levels["au12"], levels["au15"], levels["au20"], levels["au23"]
    raised, jaw, chin_up, one_sided = levels["au10"], levels["au26"], levels["au17"], levels["au14"]
    spoken = 0.075 * opening * (1 - 0.85 * press) * (1 - 0.5 * chin_up)
    half = (0.22 + 0.06 * face.mouth_width) * (1 + 0.15 * smile + 0.55 * stretch - 0.22 * press - 0.16 * jaw)
    middle_y = MOUTH_Y + 0.07 * smile - 0.07 * sag - 0.07 * chin_up
    corner_y = MOUTH_Y - 0.24 * smile + 0.2 * sag + 0.03 * chin_up + 0.06 * jaw
    corners = []
    for side in (-1, 1):
        tightened = one_sided * (side == look.corner_side)
        corners.append(side * (half + 0.13 * tightened) + 1j * (corner_y - 0.14 * tightened))
    left, right = corners
    gap_top = middle_y - 0.11 * raised - 0.04 * jaw - 0.3 * spoken
    gap_bottom = middle_y + 0.34 * jaw + 0.7 * spoken
    fullness = (0.045 + 0.035 * face.lip_thickness) * (1 - 0.88 * press) * (1 - 0.45 * stretch)
    gap_upper, gap_lower = arc(left, 1j * gap_top, right), arc(left, 1j * gap_bottom, right)
    lips = between(arc(left, 1j * (gap_top - fullness), right), arc(left, 1j * (gap_bottom + 1.25 * fullness), right))
    gap = gap_bottom - gap_top
    teeth = between(gap_upper, arc(left, 1j * (gap_top + np.minimum(0.75 * gap, 0.1)), right))
    tongue = ellipse(1j * (gap_bottom - 0.06), 0.5 * half, 0.2 * gap)
    colour = blend(look.lips, look.shade, 0.7 * press)
    shapes = [
        Shape(stroke(arc(left, 1j * middle_y, right), 0.06), look.shade, 0.8),
        Shape(lips, colour, 0.8),
        Shape(between(gap_upper, gap_lower), CAVITY, 0.8, gap > 0.01),
        Shape(tongue, TONGUE, 0.8, jaw > 0.15),
        Shape(teeth, WHITE, 0.8, gap > 0.05),
        Shape(stroke(gap_upper, 0.022 + 0.02 * press), DARK + 30, 0.8),
    ]
    return shapes + _mouth_folds(look, levels, left, right)


def _mouth_folds(look: Look, levels: Levels, left: Complexes, right: Complexes) -> list[Shape]:
    """Return the lines beside the mouth: au14 one deep corner, au20 stretched cheeks, au23 pressed lips, au15 and au12 at both."""
    shapes = []
    for side, corner in ((-1, left), (1, right)):
        if side == look.corner_side:
            level = levels["au14"]
            dimple = arc(corner + side * 0.02 - 0.18j, corner + side * 0.12, corner + side * 0.01 + 0.18j)
            shapes += [
                _fold(look, dimple, level, 0.12, 0.75),
                _fold(look, ellipse(corner, 0.04, 0.04), level, 0.08, 0.78),
            ]
        for step in (0.07, 0.15):
            bracket = arc(corner + side * step - 0.12j, corner + side * (step + 0.03), corner + side * step + 0.12j)
            shapes.append(_fold(look, bracket, levels["au20"], 0.05, 0.7))
        sag = arc(corner + side * 0.02 + 0.02j, corner + side * 0.05 + 0.07j, corner + side * 0.03 + 0.15j)
        shapes.append(_fold(look, sag, levels["au15"], 0.045, 0.75))
    for x in (-0.13, -0.045, 0.045, 0.13):
        for start, end in ((MOUTH_Y - 0.11, MOUTH_Y - 0.05), (MOUTH_Y + 0.05, MOUTH_Y + 0.11)):
            line = np.linspace(x + 1j * start, x + 1j * end, 3)[None]
            shapes.append(_fold(look, line, levels["au23"], 0.035, 0.8))
    return shapes


def _chin(face: Face, look: Look, levels: Levels, jaw: Floats) -> list[Shape]:
    """Return the chin: au17 makes it bulge and pucker."""
    raised = levels["au17"]
    y = 0.76 + 0.04 * (face.chin - 0.5) - 0.03 * raised + jaw
    knob = ellipse(1j * y, 0.13 + 0.07 * raised, 0.06 + 0.05 * raised)
    shapes = [
        Shape(knob, blend(look.skin, look.skin * 0.78, 0.3 + 0.7 * raised), 0.7),
        _fold(look, arc(-0.2 + 1j * (y - 0.06), 1j * (y - 0.13), 0.2 + 1j * (y - 0.06)), raised, 0.05, 0.7),
    ]
    for x, rise in ((-0.1, 0.0), (0.0, -0.04), (0.1, 0.0), (-0.05, 0.05), (0.05, 0.05)):
        shapes.append(
            Shape(
                ellipse(x + 1j * (y + rise), 0.022, 0.02), blend(look.skin, look.shade, raised), 0.7, raised > FAINTEST
            )
        )
    return shapes
