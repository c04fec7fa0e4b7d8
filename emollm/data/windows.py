"""A long recording as a timeline: one record a window, each told whether somebody speaks in it.

    windows = window_records(record, window_s=10, hop_s=5)      # ids "talk.mp4#0-10", "talk.mp4#5-15", ...

The sound is read ten minutes at a time, so a recording may last for hours. A window in which nobody speaks has the flag
`no_speech` in its `quality`, and is kept: a face may speak, too. What is silent and black is answered with
`insufficient_evidence` like any other clip. Words, targets and context of the whole recording are not handed down: they
don't say where in it they belong.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.errors import ConfigError, MediaError
from emollm.records import Media, MediaRef, Quality, Record, RecordProvenance, Time

NO_SPEECH = "no_speech"
PART_S = 600.0
LEAST_SPEECH_S = 0.2


def window_records(record: Record, window_s: float, hop_s: float) -> list[Record]:
    """Return a record for each window of a recording, in order.

    Args:
        record: The recording.
        window_s: Length of a window; the last one ends with the recording.
        hop_s: From the start of a window to the start of the next.

    Raises:
        ConfigError: Parts of the recording would lie in no window.
        MediaError: The recording cannot be read.
    """
    if not 0 < hop_s <= window_s:
        what = f"windows of {window_s:g} s every {hop_s:g} s leave gaps"
        raise ConfigError(what, "--hop-s", "give 0 < hop <= window")
    ref = record.media.audio or record.media.video
    if ref is None:
        raise MediaError("no_streams", "the record names neither sound nor video", record.id, "give it a recording")
    length_s, speech = _listen(ref)
    return [
        _window(record, start_s, end_s, _overlap_s(speech, start_s, end_s) >= LEAST_SPEECH_S)
        for start_s, end_s in windows(length_s, window_s, hop_s)
    ]


def windows(length_s: float, window_s: float, hop_s: float) -> Iterator[tuple[float, float]]:
    """Yield start and end of each window.

    >>> list(windows(12, 10, 5))
    [(0.0, 10.0), (5.0, 12.0)]
    """
    number = 0
    while True:
        start_s = float(number * hop_s)
        end_s = min(start_s + window_s, float(length_s))
        yield start_s, end_s
        if end_s >= length_s:
            return
        number += 1


def _listen(ref: MediaRef) -> tuple[float, list[tuple[float, float]]]:
    """Return how long a recording is, and where somebody speaks, in seconds from its start."""
    from emollm.media import decode
    from emollm.media.speech import find_speech

    first_s, last_s = ref.start_s or 0.0, ref.end_s
    speech: list[tuple[float, float]] = []
    at_s = first_s
    while last_s is None or at_s < last_s:
        end_s = at_s + PART_S if last_s is None else min(at_s + PART_S, last_s)
        try:
            clip = decode(ref.path, frames=1, max_side_px=16, start_s=at_s, end_s=end_s, want_video=_has_no_sound(ref))
        except MediaError as error:
            if error.code == "empty_span" and at_s > first_s:
                break
            raise
        if clip.audio is not None:
            found = find_speech(clip.audio, clip.sample_rate_hz)
            speech += [(at_s - first_s + start_s, at_s - first_s + stop_s) for start_s, stop_s in found]
        at_s += clip.duration_s
        if clip.duration_s < PART_S - 1:
            break
    return at_s - first_s, speech


def _has_no_sound(ref: MediaRef) -> bool:
    """Tell whether the length has to be taken from the pictures."""
    from emollm.media import probe

    return probe(ref.path).audio is None


def _overlap_s(speech: list[tuple[float, float]], start_s: float, end_s: float) -> float:
    return sum(max(0.0, min(end_s, stop_s) - max(start_s, first_s)) for first_s, stop_s in speech)


def _window(record: Record, start_s: float, end_s: float, has_speech: bool) -> Record:
    def part(ref: MediaRef | None) -> MediaRef | None:
        first_s = (ref.start_s or 0.0) if ref else 0.0
        return ref and ref.model_copy(update={"start_s": first_s + start_s, "end_s": first_s + end_s})

    flags = record.quality.flags if record.quality else ()
    return Record(
        id=f"{record.id}#{start_s:g}-{end_s:g}",
        dataset=record.dataset,
        split=record.split,
        subject_id=record.subject_id,
        media=Media(video=part(record.media.video), audio=part(record.media.audio)),
        time=Time(start_s=start_s, end_s=end_s, clock="source"),
        speaker=record.speaker,
        quality=Quality(flags=flags if has_speech else (*flags, NO_SPEECH)),
        license=record.license,
        consent=record.consent,
        provenance=RecordProvenance(source=record.provenance and record.provenance.source, parents=(record.id,)),
    )
