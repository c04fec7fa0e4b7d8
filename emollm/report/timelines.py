"""Valence and arousal over recordings whose windows were answered one by one (`emollm label talk.mp4 --window-s 10`).

The point of a window is the valence and arousal that its answer holds. Where it holds none, it is read off its labels: the mean of the
signs that our lexicon gives them on the circumplex (Russell 1980, https://doi.org/10.1037/h0077714), a direction without a strength. The
report says which. A window without labels, or with labels that the lexicon does not know, has no point: the line is broken there.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from emollm.records import Vad
from emollm.report.clips import Answered
from emollm.report.figures import Chart, Line
from emollm.report.page import Section
from emollm.rewards.circumplex import point

MOST = 12
_WINDOW = re.compile(r"(.+)#(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", re.DOTALL)  # as data/windows.py names them
_NAMES = ("valence", "arousal")
_OWN, _LABELS = "numbers of its own", "its labels"


class _Window(NamedTuple):
    start_s: float
    end_s: float
    clip: Answered


def timeline_sections(clips: Sequence[Answered]) -> Iterator[Section]:
    """Yield the section about recordings of which there are several windows, if there are some."""
    recordings: dict[tuple[str, str], list[_Window]] = defaultdict(list)
    for clip in clips:
        if found := _WINDOW.fullmatch(clip.prediction.id):
            recordings[clip.part, found[1]].append(_Window(float(found[2]), float(found[3]), clip))
    whole = {
        key: sorted(windows, key=lambda one: one[:2])
        for key, windows in recordings.items()
        if len({one[:2] for one in windows}) > 1
    }
    if not whole:
        return
    shown = sorted(whole, key=lambda key: -len(whole[key]))[:MOST]
    about = f"Recordings that were answered window by window: {len(whole):,}" + (
        f", of which the {MOST} with the most windows are shown." if len(whole) > MOST else "."
    )
    charts = [chart for part, name in shown if (chart := _chart(name, whole[part, name]))]
    texts = [(f"{name}: its windows", "\n".join(map(_told, whole[part, name]))) for part, name in shown]
    yield Section("Timelines", about, charts, texts=texts)


def _chart(name: str, windows: Sequence[_Window]) -> Chart | None:
    """Return valence and arousal over a recording, -1 to 1; None where no window has a point."""
    sources: dict[str, str] = {}
    lines = []
    for side in ("answer", "truth"):
        found = [_of(window.clip, side) for window in windows]
        known = {source for source, _ in found if source}
        if known:
            sources[side] = " or ".join(sorted(known))
            middles = [(window.start_s + window.end_s) / 2 for window in windows]
            for axis, axis_name in enumerate(_NAMES):
                points = [(at, there[axis]) for at, (_, there) in zip(middles, found, strict=True)]
                lines.append(Line(f"{axis_name}, {side}", points))
    if not lines:
        return None
    by = ", ".join(f"{side} by {source}" for side, source in sources.items())
    if any(_LABELS in source for source in sources.values()):
        by += " (their signs on the circumplex: a direction, no strength)"
    return Chart(
        f"Valence and arousal: {name}", f"{len(windows):,} windows, from -1 to 1; {by}.", "s", "", lines, height=200
    )


def _of(clip: Answered, side: str) -> tuple[str, tuple[float, float]]:
    """Return where a window's point comes from ("" where there is none), and the point."""
    record = clip.record
    vad = clip.prediction.vad if side == "answer" else record.targets.vad if record else None
    labels = clip.said if side == "answer" else clip.truth or ()
    if vad is not None and (own := _scaled(vad)) is not None:
        return _OWN, own
    read = point(labels)
    return (_LABELS, read) if read is not None else ("", (math.nan, math.nan))


def _scaled(vad: Vad) -> tuple[float, float] | None:
    """Return valence and arousal on a scale of -1 to 1."""
    if vad.valence is None or vad.arousal is None:
        return None
    low, high = vad.scale
    valence, arousal = (2 * (value - low) / (high - low) - 1 for value in (vad.valence, vad.arousal))
    return valence, arousal


def _told(window: _Window) -> str:
    clip = window.clip
    true = f" (truth: {', '.join(clip.truth)})" if clip.truth else ""
    return f"{window.start_s:g} to {window.end_s:g} s: {', '.join(clip.said) or 'no label'}{true}"
