"""The time line of a clip: waveform and pitch where they may be shown, and the cues that answer and truth name, at their seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from emollm.records import Cue
from emollm.report.clip_media import ClipMedia
from emollm.report.figures import WIDTH, drawing, short, ticks
from emollm.report.markup import tag

MODALITIES = ("video", "audio", "text")
_LEFT, _RIGHT = 52, 8
_WAVE, _VOICE, _LANE = 34, 38, 20
_CHARS = 34


def timed(cue: Cue) -> bool:
    """Tell whether a cue has a place in time."""
    return cue.start_s is not None and cue.end_s is not None


def time_line(anchor: str, answer: Sequence[Cue], truth: Sequence[Cue], media: ClipMedia | None) -> Markup | None:
    """Return the drawing, or None where nothing has a time.

    Args:
        anchor: Id of the card; the bar of the answer's cue `n` (from 1) is `anchor-n`.
        answer: Cues of the answer, times from the clip's start.
        truth: True cues, the same.
        media: What is shown of the media.
    """
    ends = [cue.end_s for cue in (*answer, *truth) if cue.end_s is not None and cue.start_s is not None]
    length_s = max([*ends, media.duration_s if media else 0.0], default=0.0)
    if length_s <= 0:
        return None

    def place(time_s: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * min(time_s / length_s, 1.0)

    parts: list[Markup] = []
    y = 4.0
    if media is not None and media.peaks:
        parts += [_lane("sound", y, _WAVE), _wave(media, place(0), place(media.duration_s), y)]
        y += _WAVE + 6
        if media.voice:
            highest, lowest = max(hz for _, hz in media.voice), min(hz for _, hz in media.voice)
            parts += [_lane(f"{lowest:.0f}-{highest:.0f} Hz", y, _VOICE)]
            for at, hz in media.voice:
                up = (hz - lowest) / max(highest - lowest, 1.0)
                parts.append(tag("circle", cx=place(at), cy=y + _VOICE - 3 - up * (_VOICE - 6), r=1.4, class_="voice"))
            y += _VOICE + 6
    for modality in MODALITIES:
        rows = [("said", number, cue) for number, cue in enumerate(answer, 1) if cue.modality == modality]
        rows += [("true", number, cue) for number, cue in enumerate(truth, 1) if cue.modality == modality]
        rows = [row for row in rows if timed(row[2])]
        if not rows:
            continue
        parts.append(tag("text", modality, x=0, y=y + 14, class_="name"))
        for kind, number, cue in rows:
            parts.append(_bar(f"{anchor}-{number}" if kind == "said" else None, number, cue, kind, place, y))
            y += _LANE
        y += 4
    if media is not None:
        marks = [tag("path", d=f"M{place(at):.1f} {y + 1:.1f}l4 7h-8z", class_="seen") for at, _ in media.frames]
        parts += [tag("text", "pictures", x=0, y=y + 10), *marks] if marks else []
        y += 12 if marks else 0
    for time_s in ticks(0.0, length_s, 6):
        parts.insert(0, tag("line", x1=place(time_s), x2=place(time_s), y1=2, y2=y, class_="grid"))
        parts.append(tag("text", f"{time_s:g} s", x=place(time_s), y=y + 14, text_anchor="middle"))
    about = f"{length_s:.1f} seconds; {len(answer)} cues of the answer, {len(truth)} true ones."
    return drawing("Time line", about, y + 20, parts)


def _lane(name: str, y: float, height: float) -> Markup:
    return tag("text", name, x=0, y=y + height / 2 + 4)


def _wave(media: ClipMedia, left: float, right: float, y: float) -> Markup:
    """Return the waveform as one shape, scaled to its loudest part."""
    step, middle, loudest = (right - left) / len(media.peaks), y + _WAVE / 2, max(max(media.peaks), 1e-3)
    heights = [max(peak / loudest * _WAVE / 2, 0.4) for peak in media.peaks]
    upper = [f"{left + step * at:.1f} {middle - height:.1f}" for at, height in enumerate(heights)]
    lower = [f"{left + step * at:.1f} {middle + height:.1f}" for at, height in enumerate(heights)]
    return tag("path", d=f"M{'L'.join([*upper, *reversed(lower)])}Z", class_="wave")


def _bar(id_: str | None, number: int, cue: Cue, kind: str, place: Callable[[float], float], y: float) -> Markup:
    start, end = place(cue.start_s or 0.0), place(cue.end_s or 0.0)
    told = f"{'answer' if kind == 'said' else 'truth'}: {cue.text}, {cue.start_s:.1f} to {cue.end_s:.1f} s"
    bar = tag("rect", x=start, y=y + 2, width=max(end - start, 3.0), height=_LANE - 4, rx=3, class_=f"bar {kind}")
    late = kind == "true" and start > WIDTH / 2
    x, side = (end - 5, "end") if late else (start + 5, "start")
    name = str(number) if kind == "said" else short(cue.text, _CHARS)
    text = tag("text", name, x=x, y=y + 14, text_anchor=side, class_=f"bar-text {kind}")
    return tag("g", tag("title", told), bar, text, id=id_)
