"""Decoded clips for training: each file is decoded once, brought to the tower's size, and kept in memory as long as there is room.

Pictures are kept as uint8 at the size the video tower takes, sound as int16 up to the audio tower's window: some 0.35 MB for a clip of
four seconds and eight frames of 96 pixels. When the memory is full, further clips are decoded anew in every epoch: a loop through the data
gives no clip a second use before all others, so evicting would help none.

A clip that cannot be decoded is never replaced by another one: it is left out, remembered with its reason, and training stops when
there are many of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from emollm.errors import EmoError, MediaError
from emollm.media import decode, part_of
from emollm.media.faces import faces_of
from emollm.records import Media, MediaRef, Record

MAX_BAD_SHARE = 0.05
_PEAK = 32767  # int16


@dataclass(frozen=True)
class StoredClip:
    """What is kept of a clip.

    Attributes:
        frames: uint8 (n, height, width, 3), or None without picture.
        sound: int16 (samples,), or None without sound.
        silent: There is a sound track, and nothing to hear.
        black: There are pictures, and nothing to see.
        seconds: How long the pictures last.
    """

    frames: NDArray[np.uint8] | None
    sound: NDArray[np.int16] | None
    silent: bool
    black: bool
    seconds: float = 0.0

    @property
    def audio(self) -> NDArray[np.float32] | None:
        """The waveform, float32 (samples,) in -1..1."""
        return None if self.sound is None else self.sound.astype(np.float32) / np.float32(_PEAK)

    @property
    def n_bytes(self) -> int:
        """Memory that the arrays take."""
        return sum(part.nbytes for part in (self.frames, self.sound) if part is not None)


@dataclass(frozen=True)
class ClipReader:
    """Turns a record's media into a `StoredClip`; can be sent to other processes.

    Attributes:
        frames: Pictures of a clip.
        max_side_px: Longer side of the pictures when decoded; None keeps their size.
        window_s: Seconds of sound that the audio tower takes.
        sample_rate_hz: Of the sound.
        frame_size: Height and width that pictures are stretched to, as the processor would; None keeps them.
        face: Which faces take the place of the pictures (`media.face` of a recipe).
        videos_as_sound: Files of sound are videos, too, and may have none (models that hear and do not see).
    """

    frames: int
    max_side_px: int | None
    window_s: float
    sample_rate_hz: int
    frame_size: int | None = None
    face: Literal["none", "crop", "file"] = "none"
    videos_as_sound: bool = False

    def __call__(self, media: Media) -> StoredClip:
        """Decode the clip's picture and sound.

        Raises:
            MediaError: A file cannot be used.
        """
        frames, sound = None, None
        silent = black = False
        seconds = 0.0
        both_in_video = media.video is not None and media.audio is None and media.video.has_audio is not False
        if media.video is not None:
            clip = decode(
                media.video.path,
                frames=self.frames,
                max_side_px=self.max_side_px,
                **part_of(media.video),
                want_audio=both_in_video,
                sample_rate_hz=self.sample_rate_hz,
            )
            frames, sound, seconds = clip.frames, clip.audio, clip.duration_s
            silent, black = clip.states["audio"] == "silent", clip.states["video"] == "black"
        if media.audio is not None:
            sound, silent = self._hear(media.audio)
        if frames is not None and self.face != "none":
            frames = faces_of(self.face, frames, media.face)
        if frames is not None and self.frame_size is not None:
            frames = stretch(frames, self.frame_size)
        return StoredClip(frames, None if sound is None else self._store(sound), silent, black, seconds)

    def _hear(self, ref: MediaRef) -> tuple[NDArray[np.float32] | None, bool]:
        """Decode a file's sound, and tell whether there is nothing to hear."""
        try:
            clip = decode(ref.path, want_video=False, sample_rate_hz=self.sample_rate_hz, **part_of(ref))
        except MediaError as error:
            if self.videos_as_sound and error.code == "no_streams":
                return None, False
            raise
        return clip.audio, clip.states["audio"] == "silent"

    def _store(self, sound: NDArray[np.float32]) -> NDArray[np.int16]:
        """Cut the sound to the tower's window and store it as int16."""
        samples = sound[: round(self.window_s * self.sample_rate_hz)]
        return np.round(np.clip(samples, -1, 1) * _PEAK).astype(np.int16)


class ClipMemory:
    """Clips of a list of records, by index; see the header of this file.

    Args:
        records: The clips.
        reader: How they are decoded.
        memory_gb: Room for decoded clips.
    """

    def __init__(self, records: Sequence[Record], reader: ClipReader, memory_gb: float) -> None:
        self.records, self.reader = records, reader
        self.bad: dict[str, MediaError] = {}
        self._room_bytes = int(memory_gb * 1e9)
        self._kept: dict[int, StoredClip] = {}

    def __getitem__(self, index: int) -> StoredClip | None:
        """Return a clip, decoded if need be; None when it cannot be decoded (see `bad`)."""
        if index in self._kept:
            return self._kept[index]
        record = self.records[index]
        if record.id in self.bad:
            return None
        return self._keep(index, _read(self.reader, record.media))

    def fill(self, indices: Iterable[int], workers: int) -> None:
        """Decode clips ahead with a pool of processes, as far as there is room."""
        wanted = [index for index in dict.fromkeys(indices) if index not in self._kept]
        if workers < 1 or not wanted:
            return
        media = [self.records[index].media for index in wanted]
        with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
            clips = pool.map(partial(_read, self.reader), media, chunksize=8)
            for index, clip in zip(wanted, clips, strict=True):
                self._keep(index, clip)
                if self._room_bytes <= 0:
                    pool.shutdown(cancel_futures=True)
                    return

    def _keep(self, index: int, clip: StoredClip | MediaError) -> StoredClip | None:
        """Remember a clip, or why there is none."""
        if isinstance(clip, MediaError):
            self.bad[self.records[index].id] = clip
            self._check_bad()
            return None
        if clip.n_bytes <= self._room_bytes:
            self._room_bytes -= clip.n_bytes
            self._kept[index] = clip
        return clip

    def _check_bad(self) -> None:
        """Stop when so many clips are unusable that the data, or a path, must be wrong."""
        if len(self.bad) > max(1, MAX_BAD_SHARE * len(self.records)):
            record_id, error = next(iter(self.bad.items()))
            raise EmoError(
                f"{len(self.bad)} of {len(self.records)} clips cannot be decoded; the first is {record_id}: {error.what}",
                error.where,
                "run `emollm validate` on the recipe, and take bad clips out of the records",
            )


def stretch(frames: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Stretch pictures (n, height, width, 3) to (n, size, size, 3), bilinear with antialiasing."""
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float()  # (n, 3, height, width)
    small = torch.nn.functional.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True)
    return np.ascontiguousarray(small.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())


def _read(reader: ClipReader, media: Media) -> StoredClip | MediaError:
    """Decode a clip; the error is a value here, so that it can cross processes beside good clips."""
    try:
        return reader(media)
    except MediaError as error:
        return error
