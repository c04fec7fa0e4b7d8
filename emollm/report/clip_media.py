"""What a model saw and heard of a clip, for its card: the very pictures, the waveform and the voice's pitch.

Media are shown where the record's licence allows to pass them on, or where the user asks. Pictures of people are blurred as a whole unless
the user asks otherwise: no face finder is trusted to find every face. Clips that a generator drew show nobody.
"""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emollm.errors import MediaError
from emollm.records import MediaRef, Record

SIDE_PX, PARTS = 160, 200
VOICE_EVERY = 4  # frames of the pitch
VOICE_LEAST = 10  # frames: what is shorter is noise that was taken for a voice
JUMP = 0.1  # natural logarithm, from frame to frame: more is another voice, or an error
QUIET = 0.05  # of the loudest 40 ms (-26 dB): below, a pitch is not shown
BLUR = 12
"""Side of the picture through the radius of the blur: features of a face that fills the picture are gone."""


@dataclass(frozen=True)
class ClipMedia:
    """What is shown of a clip; times are seconds from its start.

    Attributes:
        frames: When each picture is shown, and its JPEG in base 64.
        peaks: Peak of each of equal parts of the sound, 0 to 1.
        voice: Times and frequencies in Hz of the voice.
        duration_s: Length of the clip.
        problems: What could not be decoded.
        blurred: The pictures are.
    """

    frames: tuple[tuple[float, str], ...]
    peaks: tuple[float, ...]
    voice: tuple[tuple[float, float], ...]
    duration_s: float
    problems: tuple[str, ...]
    blurred: bool


@dataclass(frozen=True)
class Showing:
    """Which media a report holds: those of all clips, or of those whose licence allows it; faces as they are, or blurred; or none."""

    all_media: bool = False
    faces: bool = False

    def allows(self, record: Record) -> bool:
        """Tell whether the clip's media may be shown."""
        return self.all_media or bool(record.license and record.license.redistributable)


def look_into(record: Record, frames: int, showing: Showing) -> ClipMedia:
    """Decode what a card shows.

    Args:
        record: The clip.
        frames: How many pictures the model saw; they are chosen as `decode` chooses for a model.
        showing: Whether faces are shown as they are.
    """
    try:
        from emollm.media import decode, part_of
    except ImportError:
        return ClipMedia((), (), (), 0.0, ("pictures and sound need decoders: pip install 'emollm[media]'",), False)
    media, problems, length_s = record.media, list[str](), 0.0
    drawn = record.provenance is not None and record.provenance.generator_sha256 is not None
    blurred = not (showing.faces or drawn)
    pictures: tuple[tuple[float, str], ...] = ()
    sound: NDArray[np.float32] | None = None
    rate_hz = 16000
    files: tuple[tuple[str, MediaRef | None], ...] = (("video", media.video), ("audio", media.audio))
    for kind, ref in files:
        if ref is None or (kind == "video" and not frames and media.audio is not None):
            continue
        try:
            clip = decode(
                ref.path,
                max(frames, 1),
                SIDE_PX,
                want_audio=kind == "audio" or media.audio is None,
                want_video=kind == "video" and frames > 0,
                **part_of(ref),
            )
        except MediaError as error:
            problems.append(f"{kind}: {error.what} ({error.code})")
            continue
        length_s = max(length_s, clip.duration_s)
        if clip.frames is not None:
            times = clip.frame_times_s.tolist()
            pictures = tuple((at, jpeg(one, blurred)) for at, one in zip(times, clip.frames, strict=True))
        if clip.audio is not None:
            sound, rate_hz = clip.audio, clip.sample_rate_hz
    peaks, voice = ((), ()) if sound is None else (_peaks(sound), _voice(sound, rate_hz))
    return ClipMedia(pictures, peaks, voice, length_s, tuple(problems), blurred and bool(pictures))


def jpeg(frame: NDArray[np.uint8], blurred: bool) -> str:
    """Return a picture uint8 (height, width, 3) as JPEG in base 64."""
    from PIL import Image, ImageFilter

    picture = Image.fromarray(frame)
    if blurred:
        picture = picture.filter(ImageFilter.GaussianBlur(max(picture.size) / BLUR))
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=80)
    return b64encode(file.getvalue()).decode()


def _peaks(sound: NDArray[np.float32]) -> tuple[float, ...]:
    parts = np.array_split(np.abs(sound), min(PARTS, max(len(sound), 1)))
    return tuple(min(float(part.max(initial=0.0)), 1.0) for part in parts)


def _voice(sound: NDArray[np.float32], rate_hz: int) -> tuple[tuple[float, float], ...]:
    """Return times and frequencies of the voice: nothing where the sound is quiet, and none of the stray frames that noise gives."""
    from emollm.media.pitch import HOP_S, track_f0

    f0_hz = track_f0(sound, rate_hz)
    loud = _loudness(sound, np.arange(len(f0_hz)) * HOP_S * rate_hz, 0.02 * rate_hz)
    voiced = (f0_hz > 0) & (loud >= QUIET * loud.max(initial=0.0))
    jumps = np.abs(np.diff(np.log(np.where(voiced, f0_hz, 1.0)))) > JUMP  # to or from no voice, too: no voice has 1 Hz
    runs = np.split(np.arange(len(f0_hz)), np.flatnonzero(jumps) + 1)
    kept = [run for run in runs if len(run) >= VOICE_LEAST and voiced[run[0]]]
    return tuple((at * HOP_S, float(f0_hz[at])) for run in kept for at in run[::VOICE_EVERY].tolist())


def _loudness(sound: NDArray[np.float32], middles: NDArray[Any], half: float) -> NDArray[np.float64]:
    """Return the root mean square of the sound around each sample of `middles`, `half` samples to each side, (middles,)."""
    total = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    starts, ends = (np.clip(middles + side * half, 0, len(sound)).astype(np.int64) for side in (-1, 1))
    return np.sqrt((total[ends] - total[starts]) / np.maximum(ends - starts, 1))
