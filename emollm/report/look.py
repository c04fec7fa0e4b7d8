"""Records as they are looked at before training: pictures, sound, words, truth and tokens, for a terminal and as one HTML file.

The file needs no network: pictures are inside it, and its content policy allows nothing else. Text of records is shown as text. A clip that
cannot be decoded is told in its place.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from emollm.errors import MediaError
from emollm.media import Clip, decode, part_of
from emollm.prompts import TASKS, render
from emollm.records import MediaRef, Record
from emollm.report.scores import plain_lines
from emollm.report.show import record_text

FRAMES, SIDE_PX, COLUMNS = 8, 160, 72
_BARS = "▁▂▃▄▅▆▇█"
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
article { border-top: 1px solid #8886; padding: 1rem 0; }
.frames { display: flex; flex-wrap: wrap; gap: 4px; }
figure { margin: 0; } figcaption { font-size: 12px; opacity: .7; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
svg { display: block; height: 48px; margin: .5rem 0; width: 100%; }
.token { background: #8882; border-radius: 3px; margin-right: 2px; padding: 0 2px; white-space: pre-wrap; }
"""
Split = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Look:
    """A record, decoded.

    Attributes:
        record: The record.
        frames: uint8 (n, height, width, 3), or None.
        times_s: When each frame is shown.
        loudness: Peak of each part of the sound (columns,), 0 to 1, or None.
        problems: What could not be decoded.
        tokens: Those of the prompt's words, or None.
    """

    record: Record
    frames: NDArray[np.uint8] | None
    times_s: NDArray[np.float64]
    loudness: NDArray[np.float32] | None
    problems: tuple[str, ...]
    tokens: tuple[str, ...] | None


def look_at(record: Record, split: Split | None = None) -> Look:
    """Decode what a record names.

    Args:
        record: The record.
        split: Splits text into tokens; None leaves them out.
    """
    media, problems = record.media, list[str]()
    frames, times_s, sound = None, np.zeros(0), None
    try:
        if media.video is not None:
            clip = _decode(media.video, want_audio=media.audio is None)
            frames, times_s, sound = clip.frames, clip.frame_times_s, clip.audio
    except MediaError as error:
        problems.append(f"video: {error.what} ({error.code})")
    try:
        if media.audio is not None:
            sound = _decode(media.audio, want_video=False).audio
    except MediaError as error:
        problems.append(f"audio: {error.what} ({error.code})")
    tokens = None
    if split is not None:
        (message,) = render(record, TASKS["labels"], audio=False, video=False)
        tokens = tuple(split(message["content"][-1]["text"]))
    return Look(record, frames, times_s, None if sound is None else _peaks(sound), tuple(problems), tokens)


def look_text(look: Look, *, colour: bool) -> str:
    """Return a record for a terminal.

    Args:
        look: The decoded record.
        colour: The terminal shows 24-bit colours: show the frames, too.
    """
    lines = [plain_lines(record_text(look.record))]
    if look.frames is not None:
        lines.append(f"  {'frames':<12}{', '.join(f'{time_s:.1f}' for time_s in look.times_s)} s")
        lines += _blocks(look.frames) if colour else []
    if look.loudness is not None:
        bars = "".join(_BARS[min(int(peak * len(_BARS)), len(_BARS) - 1)] for peak in look.loudness)
        lines.append(f"  {'sound':<12}{bars}")
    lines += [plain_lines(f"  {'problem':<12}{problem}") for problem in look.problems]
    if look.tokens is not None:
        lines.append(plain_lines(f"  {'tokens':<12}{len(look.tokens)}: {'|'.join(look.tokens)}"))
    return "\n".join(lines)


def look_page(looks: Iterable[Look]) -> Iterator[str]:
    """Yield an HTML page piece by piece."""
    yield (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Records</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<style>{_STYLE}</style></head><body>\n'
    )
    for look in looks:
        yield f"<article><h2>{escape(look.record.id)}</h2>\n{''.join(_parts(look))}</article>\n"
    yield "</body></html>\n"


def _parts(look: Look) -> Iterator[str]:
    if look.frames is not None:
        figures = (
            f'<figure><img alt="" src="data:image/jpeg;base64,{_jpeg(frame)}"><figcaption>{time_s:.2f} s</figcaption></figure>'
            for frame, time_s in zip(look.frames, look.times_s, strict=True)
        )
        yield f'<div class="frames">{"".join(figures)}</div>\n'
    if look.loudness is not None:
        bars = (
            f'<rect x="{place}" y="{24 - 24 * peak:.1f}" width=".8" height="{max(48 * peak, 0.5):.1f}"/>'
            for place, peak in enumerate(look.loudness)
        )
        view = f"0 0 {len(look.loudness)} 48"
        yield f'<svg viewBox="{view}" preserveAspectRatio="none" fill="currentColor">{"".join(bars)}</svg>\n'
    yield from (f"<p>{escape(problem)}</p>\n" for problem in look.problems)
    yield f"<pre>{escape(record_text(look.record))}</pre>\n"
    if look.tokens is not None:
        spans = "".join(f'<span class="token">{escape(token)}</span>' for token in look.tokens)
        yield f"<p>{len(look.tokens)} tokens: {spans}</p>\n"


def _decode(ref: MediaRef, *, want_audio: bool = True, want_video: bool = True) -> Clip:
    return decode(ref.path, FRAMES, SIDE_PX, want_audio=want_audio, want_video=want_video, **part_of(ref))


def _peaks(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the peak of each of `COLUMNS` equal parts of sound (samples,)."""
    parts = np.array_split(np.abs(sound), min(COLUMNS, len(sound)))
    return np.clip(np.array([part.max() for part in parts], dtype=np.float32), 0, 1)


def _blocks(frames: NDArray[np.uint8]) -> list[str]:
    """Return frames side by side, two pixels a character (upper half block, colours of ECMA-48)."""
    width, height = COLUMNS // len(frames), 0
    small = []
    for frame in frames:
        height = max(2, round(width * frame.shape[0] / frame.shape[1] / 2) * 2)
        rows = np.linspace(0, frame.shape[0] - 1, height).round().astype(int)
        columns = np.linspace(0, frame.shape[1] - 1, width).round().astype(int)
        small.append(frame[rows][:, columns])  # (height, width, 3)
    strip = np.concatenate(small, axis=1)  # (height, frames * width, 3)
    lines = []
    for upper, lower in zip(strip[::2], strip[1::2], strict=True):
        cells = (
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]};48;2;{b[0]};{b[1]};{b[2]}m▀" for a, b in zip(upper, lower, strict=True)
        )
        lines.append(f"  {'':<12}{''.join(cells)}\x1b[0m")
    return lines


def _jpeg(frame: NDArray[np.uint8]) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(frame).save(file, "jpeg", quality=85)
    return base64.b64encode(file.getvalue()).decode()
