"""What a model is given of one clip: its pictures, its sound and its words, and in which state each of them is.

A modality that was switched off is `absent` and flagged (`audio_off`, `video_off`, `transcript_off`). Sound that is longer than the
model's window is cut to it and flagged (`audio_window`). Silence and black pictures are passed on as they are, and named.

A model that was trained with faces in place of pictures, or with a recogniser's words, is given the same here (config_media.py). A clip in
which no face is found has the state `no_face`.

Does not: replace a clip that cannot be decoded (that raises), or read image lists (flagged `images_unused`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emollm.engines import Request
from emollm.errors import MediaError
from emollm.media import Clip, decode, part_of
from emollm.media.faces import faces_of
from emollm.media.transcribe import transcribe, whisper, with_words, without_words
from emollm.records import MediaRef, Record, Seen

NO_SPEECH = "no_speech"  # a window of a longer recording in which nobody speaks (emollm/data/windows.py)


@dataclass(frozen=True)
class MediaSettings:
    """How clips are decoded for a model: pictures of a clip, longer side in pixels, seconds of sound, sample rate, `MediaChoice`."""

    frames: int
    max_side_px: int
    audio_window_s: float
    sample_rate_hz: int
    transcript: Literal["file", "asr", "none"] = "file"
    recogniser: str | None = None
    face: Literal["none", "crop", "file"] = "none"


@dataclass(frozen=True)
class Evidence:
    """What the model is given.

    Attributes:
        frames: uint8 (n, height, width, 3), or None.
        audio: Waveform, float32 (samples,), or None.
        seen: The same as predictions tell it.
        has_words: There is a transcript or a dialogue around the clip.
        picture_s: How long the pictures last, in seconds.
        record: With the words that the model is given; None: as it was asked about.
    """

    frames: NDArray[np.uint8] | None
    audio: NDArray[np.float32] | None
    seen: Seen
    has_words: bool
    picture_s: float = 0.0
    record: Record | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see, to hear or to read: an answer could only be guessed."""
        return not self.has_words and "present" not in self.seen.states.values()


def gather(request: Request, settings: MediaSettings, read: Callable[..., Clip] = decode) -> Evidence:
    """Decode what a request lets the model see, unless that was done ahead.

    Args:
        request: What is asked.
        settings: How clips are decoded.
        read: What decodes: `decode`, or the same of a cache.

    Raises:
        MediaError: A file of the clip cannot be used.
    """
    if isinstance(request.evidence, MediaError):
        raise request.evidence
    if request.evidence is not None:
        return request.evidence
    media = request.record.media
    audio_in_video = media.audio is None and media.video is not None and media.video.has_audio is not False
    listens = request.audio or (request.transcript and settings.transcript == "asr")
    picture = sound = None
    if media.video is not None and (request.video or (listens and audio_in_video)):
        picture = _decode(read, media.video, settings, audio=listens and audio_in_video, video=request.video)
        sound = picture if audio_in_video else None
    if media.audio is not None and listens:
        sound = _decode(read, media.audio, settings, audio=True, video=False)
    record = _worded(request, settings, sound)
    sound = sound if request.audio else None
    frames = picture.frames if picture else None
    no_face = False
    if frames is not None and settings.face != "none":
        frames = faces_of(settings.face, frames, media.face)
        no_face = frames is None
    audio, flags = (sound.audio if sound else None), _flags(request, picture, sound)
    window = round(settings.audio_window_s * settings.sample_rate_hz)
    if audio is not None and len(audio) > window:
        audio = audio[:window]
        flags.add("audio_window")
    line = record.transcript if request.transcript else None
    words = line is not None and bool(line.text.strip())
    seen = Seen(
        frames=0 if frames is None else len(frames),
        audio_s=0.0 if audio is None else len(audio) / settings.sample_rate_hz,
        transcript="none" if line is None or not words else "asr" if line.kind == "asr" else "given",
        states={
            "audio": sound.states["audio"] if sound else "absent",
            "video": "no_face" if no_face else picture.states["video"] if picture else "absent",
        },
        flags=tuple(sorted(flags)),
    )
    picture_s = picture.duration_s if picture else 0.0
    has_words = words or (request.transcript and bool(record.context))
    return Evidence(frames, audio, seen, has_words, picture_s, None if record is request.record else record)


def _worded(request: Request, settings: MediaSettings, sound: Clip | None) -> Record:
    """Return the record with the words that the model is given."""
    if settings.transcript == "none":
        return without_words(request.record)
    if settings.recogniser is None or not request.transcript:
        return request.record
    heard = None
    if sound is not None and sound.audio is not None:
        heard = transcribe(sound.audio, sound.sample_rate_hz, whisper(settings.recogniser))
    return with_words(request.record, heard)


def _decode(read: Callable[..., Clip], ref: MediaRef, settings: MediaSettings, *, audio: bool, video: bool) -> Clip:
    return read(
        ref.path,
        frames=settings.frames,
        max_side_px=settings.max_side_px,
        **part_of(ref),
        want_audio=audio,
        want_video=video,
        sample_rate_hz=settings.sample_rate_hz,
    )


def _flags(request: Request, picture: Clip | None, sound: Clip | None) -> set[str]:
    """Return the decoder's flags, what was switched off, and what this model cannot use."""
    flags = {flag for clip in (picture, sound) if clip for flag in clip.flags}
    flags |= {
        f"{name}_off"
        for name, on in (("audio", request.audio), ("video", request.video), ("transcript", request.transcript))
        if not on
    }
    quality = request.record.quality
    if quality is not None and NO_SPEECH in quality.flags:
        flags.add(NO_SPEECH)
    return flags | ({"images_unused"} if request.record.media.images else set())
