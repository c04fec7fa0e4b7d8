"""The processor's half that is ours: a row of text, sound and frames at a time, then one batch.

Frames go through qwen-vl-utils, which brings them to their size and to an even number (https://github.com/QwenLM/Qwen2-VL, folder
qwen-vl-utils); files are opened by emollm.media alone. Version 0.0.14 first brings each frame of a list to multiples of two merged
patches, then to multiples of one; sizes here are multiples of two, so that a frame is resampled once. Each row is made apart, as the
library's processors take frame rate and `use_audio_in_video` for a whole batch, and a batch here mixes clips of all lengths and kinds.
Media of all rows that have them are then joined in the order of the rows, as the models take them (`split` gives them back by row).

How a clip is looked at (`num_frames`, `max_pixels`, `audio_window_s`) is saved beside the processor's own files. Does not: open files,
resample sound or truncate text.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from transformers import BatchFeature

from emollm.errors import ConfigError, EmoError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    class _Library:
        """What the library's half of each family's processor brings."""

        tokenizer: Any
        feature_extractor: Any
        video_processor: Any

else:
    _Library = object

LOOK_FILE = "emollm_look.json"
SAMPLE_RATE_HZ, STEPS_PER_S = 16000, 100  # of all families: sound, and mel steps
SHORTEST = SAMPLE_RATE_HZ // 10  # samples: of less, towers make no token; it is filled up with silence
MEDIA_KEYS = (
    "input_features",
    "feature_attention_mask",
    "pixel_values_videos",
    "video_grid_thw",
    "video_grid_ms",
)
_IDS = ("input_ids", "attention_mask")


@dataclass(frozen=True)
class Look:
    """How a clip is looked at: frames of it, pixels of a frame at most, and seconds of sound; longer sound is cut."""

    num_frames: int = 16
    max_pixels: int = 100_352  # 128 merged patches of 28 x 28, the least that Qwen2.5-Omni was made for
    audio_window_s: float = 30.0


class OmniProcessor(_Library):
    """The half of a family's processor that is ours; the other half is transformers' class of the same name.

    Its methods ask for less than the library's: hence an ignored type error where a family joins the two.

    Attributes:
        modalities: What the family takes besides words.
        look: How a clip is looked at.
        frame_size: None: frames keep their shape.
    """

    modalities: ClassVar[tuple[Literal["audio", "video"], ...]]
    look = Look()
    frame_size = None

    @property
    def num_frames(self) -> int:
        """Frames of a clip."""
        return self.look.num_frames

    @property
    def audio_window_s(self) -> float:
        """Longest sound in seconds."""
        return self.look.audio_window_s

    @classmethod
    def from_pretrained(cls, path: str | Path, *args: Any, **kwargs: Any) -> Any:
        """Open a folder or hub name; how clips are looked at comes along where emollm saved it."""
        processor = super().from_pretrained(str(path), *args, **kwargs)  # type: ignore[misc]
        file = Path(path) / LOOK_FILE
        if file.is_file():
            processor.look = Look(**json.loads(file.read_text(encoding="utf-8")))
        return processor

    def save_pretrained(self, folder: str | Path, *args: Any, **kwargs: Any) -> Any:
        """Save all files of the processor, and how clips are looked at."""
        saved = super().save_pretrained(str(folder), *args, **kwargs)  # type: ignore[misc]
        (Path(folder) / LOOK_FILE).write_text(json.dumps(asdict(self.look)), encoding="utf-8")
        return saved

    def apply_chat_template(self, conversation: list[dict[str, Any]], *args: Any, **kwargs: Any) -> Any:
        """Write messages in the checkpoint's own template.

        A clip with sound and picture is written as one video, whose sound the processor puts in between its frames.

        Raises:
            ConfigError: A message has a kind of media that the family does not take.
        """
        messages = []
        for message in conversation:
            content = message["content"]
            if not isinstance(content, str):
                kinds = [part["type"] for part in content]
                lacking = [kind for kind in ("audio", "video") if kind in kinds and kind not in self.modalities]
                if lacking:
                    raise ConfigError(
                        f"this model takes no {' and no '.join(lacking)}",
                        fix=f"it takes words and {' and '.join(self.modalities)}",
                    )
                content = [part for part in content if part["type"] != "audio" or "video" not in kinds]
            messages.append({**message, "content": content})
        return super().apply_chat_template(messages, *args, **kwargs)  # type: ignore[misc]

    def __call__(
        self,
        text: Sequence[str],
        audio: Sequence[NDArray[np.float32] | None] | None = None,
        videos: Sequence[NDArray[np.uint8] | None] | None = None,
        seconds: Sequence[float] | None = None,
        padding_side: Literal["left", "right"] = "right",
    ) -> BatchFeature:
        """Make one batch.

        Args:
            text: Templated text of each row.
            audio: Mono waveform at 16 kHz, or None, for each row.
            videos: uint8 frames `(frames, height, width, 3)`, or None, for each row.
            seconds: How long each row's frames last; needed where there are any.
            padding_side: Where short rows are filled up.

        Returns:
            `input_ids`, `attention_mask` `(batch, length)`, and of the n rows that have sound `input_features` `(n, mels, steps)` and
            `feature_attention_mask` `(n, steps)`, of the m rows that have picture `pixel_values_videos` `(patches of all, values)`,
            `video_grid_thw` `(m, 3)` in patches and `video_grid_ms` `(m,)`, the milliseconds of one step of the grid (whole numbers, so
            that no change of the number format moves them).
        """
        nothing: list[Any] = [None] * len(text)
        rows = [
            self.row(*row)
            for row in zip(text, audio or nothing, videos or nothing, seconds or [0.0] * len(text), strict=True)
        ]
        return BatchFeature(self.join(rows, padding_side))

    def row(
        self, text: str, audio: NDArray[np.float32] | None, frames: NDArray[np.uint8] | None, seconds: float
    ) -> dict[str, torch.Tensor]:
        """Return the tensors of one row; see `__call__`."""
        media: dict[str, Any] = {}
        if audio is not None:
            if audio.ndim != 1 or not audio.size:
                raise EmoError(
                    f"the sound has shape {audio.shape}", fix="pass mono samples (samples,), or None without sound"
                )
            longest = round(self.audio_window_s * SAMPLE_RATE_HZ)
            heard = np.pad(audio[:longest], (0, max(0, SHORTEST - len(audio))))
            media |= {"audio": [heard], "audio_kwargs": {"sampling_rate": SAMPLE_RATE_HZ}}
        step_s = None
        if frames is not None:
            picture = self._fit(frames)  # (frames, 3, height, width)
            fps = len(picture) / seconds if seconds > 0 else 2.0
            step_s = self.video_processor.temporal_patch_size / fps
            media |= {"videos": [picture], "videos_kwargs": self.video_options(fps, audio is not None)}
        made = super().__call__(text=[text], return_tensors="pt", **media)  # type: ignore[misc]
        out = {key: made[key] for key in (*_IDS, *MEDIA_KEYS) if key in made}
        if audio is not None:
            steps = self.steps(out["feature_attention_mask"])
            out |= {
                "input_features": out["input_features"][..., :steps],
                "feature_attention_mask": out["feature_attention_mask"][..., :steps],
            }
        if step_s is not None:
            out["video_grid_ms"] = torch.tensor([round(step_s * 1000)])
        return out

    def join(self, rows: Sequence[dict[str, torch.Tensor]], padding_side: str) -> dict[str, torch.Tensor]:
        """Join rows: ids are padded, media laid one behind the other."""
        filling = {"input_ids": self.tokenizer.pad_token_id}
        out = {
            key: _pad([row[key] for row in rows], filling.get(key, 0), padding_side) for key in _IDS if key in rows[0]
        }
        for key in MEDIA_KEYS:
            parts = [row[key] for row in rows if key in row]
            if parts:
                out[key] = (
                    _pad(parts, 0, "right") if key.startswith(("input_features", "feature")) else torch.cat(parts)
                )
        return out

    def steps(self, mask: torch.Tensor) -> int:
        """Return how many mel steps of a sound `(1, steps)` the model needs; the rest is padding."""
        return int(mask.sum())

    def audio_tokens(self, steps: int) -> int:
        """Return the placeholders of a sound of so many mel steps (100 a second)."""
        raise NotImplementedError

    def video_options(self, fps: float, with_sound: bool) -> dict[str, Any]:
        """Return the library's settings for one video; qwen-vl-utils has chosen and resized its frames already."""
        return {"fps": fps, "use_audio_in_video": with_sound, "do_resize": False, "do_sample_frames": False}

    def pads_for(self, audio: bool, video: bool) -> int:
        """Return the most placeholders that a row with these modalities can have: of a whole window and of frames of full size."""
        pads = 0
        if audio and "audio" in self.modalities:
            pads += self.audio_tokens(round(self.audio_window_s * STEPS_PER_S)) + 2
        if video and "video" in self.modalities:
            steps = -(-self.num_frames // self.video_processor.temporal_patch_size)
            pads += steps * (self.look.max_pixels // self._merged_px**2) + 2
        return pads

    @property
    def _merged_px(self) -> int:
        """Side in pixels of the square that becomes one token."""
        side: int = self.video_processor.patch_size * self.video_processor.merge_size
        return side

    def _fit(self, frames: NDArray[np.uint8]) -> torch.Tensor:
        """Bring frames `(n, height, width, 3)` to an even number and a size that the patches divide: `(n, 3, height, width)`."""
        from PIL import Image
        from qwen_vl_utils import process_vision_info, smart_resize

        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not len(frames):
            raise EmoError(f"the frames are {frames.dtype} {frames.shape}", fix="pass uint8 (frames, height, width, 3)")
        most, side = self.look.max_pixels, 2 * self._merged_px
        least = min(most, 128 * self._merged_px**2)
        height, width = (max(size, side) for size in smart_resize(*frames.shape[1:3], side, least, most))
        if height * width > most:  # a narrow strip
            height, width = (min(size, most // side // side * side) for size in (height, width))
        video = {
            "type": "video",
            "video": [Image.fromarray(frame) for frame in frames],
            "resized_height": height,
            "resized_width": width,
        }
        _, fitted = process_vision_info(
            [{"role": "user", "content": [video]}], image_patch_size=self.video_processor.patch_size
        )
        picture: torch.Tensor = fitted[0]
        return picture


def split(
    inputs: dict[str, torch.Tensor], audio: Sequence[bool], video: Sequence[bool]
) -> list[dict[str, torch.Tensor]]:
    """Return the media tensors of a batch row by row.

    Args:
        inputs: What `OmniProcessor` made.
        audio: Which rows have sound.
        video: Which rows have picture.
    """
    rows, sound, picture, patch = [], 0, 0, 0
    for hears, sees in zip(audio, video, strict=True):
        row: dict[str, torch.Tensor] = {}
        if hears:
            row |= {key: inputs[key][sound : sound + 1] for key in MEDIA_KEYS[:2]}
        if sees:
            count = int(inputs["video_grid_thw"][picture].prod())
            row["pixel_values_videos"] = inputs["pixel_values_videos"][patch : patch + count]
            row |= {key: inputs[key][picture : picture + 1] for key in MEDIA_KEYS[3:]}
            patch += count
        sound, picture = sound + hears, picture + sees
        rows.append(row)
    return rows


def _pad(parts: Sequence[torch.Tensor], value: int, side: str) -> torch.Tensor:
    """Fill tensors `(rows, ..., length)` up to the longest and join them."""
    longest = max(part.shape[-1] for part in parts)
    widths = [longest - part.shape[-1] for part in parts]
    return torch.cat(
        [
            torch.nn.functional.pad(part, (width, 0) if side == "left" else (0, width), value=value)
            for part, width in zip(parts, widths, strict=True)
        ]
    )
