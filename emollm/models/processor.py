"""EmoProcessor: templated text, waveforms and frames -> row-aligned tensors for the model.

Behind each marker (`<|audio|>`, `<|video|>`, `<|clip|>`) it writes one `<|av_pad|>` for each soft-prompt position, and
it raises when a row's text and media disagree. Text from outside must have been escaped before (emollm.prompts).
Sound is cut at the window; a log-mel extractor (Whisper) pads it to its own window, a waveform extractor (HuBERT) to the
longest row of the batch, and the mask tells what is real. Frames are stretched to the tower's size, bilinear with
antialiasing, and normalised; they are not cropped, because a face may stand anywhere. It does not open files, resample
sound or truncate text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import BatchFeature, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor
from transformers.processing_utils import ProcessorMixin

from emollm.errors import EmoError
from emollm.models.configuration import AUDIO_TOKEN, CLIP_TOKEN, MEDIA_TOKENS, PAD_TOKEN, VIDEO_TOKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase, SequenceFeatureExtractor

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class EmoProcessor(ProcessorMixin):
    """Turns rows of text, sound and frames into model inputs.

    Args:
        feature_extractor: Turns waveforms into the audio tower's inputs.
        tokenizer: The decoder's tokenizer with the media tokens added.
        chat_template: Jinja template of the decoder, with media blocks.
        num_frames: Frames per clip; longer clips are thinned evenly, shorter ones are padded and masked.
        frame_size: Height and width of a frame in pixels.
        frame_mean: Mean of each colour channel, in 0..1.
        frame_std: Standard deviation of each colour channel.
        audio_queries: Soft-prompt positions of sound.
        video_queries: Soft-prompt positions of picture.
        fusion_queries: Soft-prompt positions of both together.
        audio_window_s: Longest sound in seconds; longer sound is cut. None takes a log-mel extractor's own window.
    """

    def __init__(
        self,
        feature_extractor: SequenceFeatureExtractor,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | None = None,
        num_frames: int = 8,
        frame_size: int = 224,
        frame_mean: Sequence[float] = CLIP_MEAN,
        frame_std: Sequence[float] = CLIP_STD,
        audio_queries: int = 8,
        video_queries: int = 8,
        fusion_queries: int = 0,
        audio_window_s: float | None = None,
    ) -> None:
        self.num_frames, self.frame_size = num_frames, frame_size
        self.frame_mean, self.frame_std = list(frame_mean), list(frame_std)
        self.audio_queries, self.video_queries, self.fusion_queries = audio_queries, video_queries, fusion_queries
        missing = [token for token in MEDIA_TOKENS if token not in tokenizer.get_vocab()]
        if missing:
            raise EmoError(
                f"the tokenizer does not know {', '.join(missing)}",
                fix="add them with emollm.models.tokens.add_media_tokens",
            )
        self._takes_waveforms = isinstance(feature_extractor, Wav2Vec2FeatureExtractor)
        if audio_window_s is None:
            if not isinstance(feature_extractor, WhisperFeatureExtractor):
                raise EmoError("a waveform extractor has no window of its own", fix="give audio_window_s")
            audio_window_s = feature_extractor.chunk_length
        self.audio_window_s = float(audio_window_s)
        super().__init__(feature_extractor, tokenizer, chat_template=chat_template)

    @property
    def model_input_names(self) -> list[str]:
        """Names of the tensors that `__call__` can make."""
        media = ["input_features", "input_features_mask", "pixel_values_videos", "video_frame_mask"]
        return ["input_ids", "attention_mask", *media]

    def __call__(
        self,
        text: str | Sequence[str] | None = None,
        audio: Sequence[np.ndarray | None] | None = None,
        videos: Sequence[np.ndarray | None] | None = None,
        return_tensors: str = "pt",
        padding: bool | str = True,
        **text_options: Any,
    ) -> BatchFeature:
        """Make one batch.

        Args:
            text: Templated text of each row. None gives media tensors alone.
            audio: Mono float waveform at the extractor's rate, or None, for each row. None when no row has sound.
            videos: uint8 frames `(frames, height, width, 3)`, or None, for each row. None when no row has picture.
            return_tensors: Only "pt".
            padding: Passed to the tokenizer.
            text_options: Passed to the tokenizer (`padding_side`, ...); truncation is refused. Special tokens are not added: the template
                writes them, and some tokenizers (Llama's) would add a second beginning of text.

        Returns:
            `input_ids`, `attention_mask`, and where any row has the modality `input_features` `(batch, mels, steps)` or
            `(batch, samples)`, `input_features_mask` `(batch, steps or samples)`, `pixel_values_videos` `(batch, frames, 3, size, size)`,
            `video_frame_mask` `(batch, frames)`; zeros in rows without it.
        """
        if return_tensors != "pt" or text_options.get("truncation"):
            raise EmoError(
                "EmoProcessor makes PyTorch tensors and never truncates text", fix="drop return_tensors and truncation"
            )
        texts = [text] if isinstance(text, str) else text
        lengths = {len(rows) for rows in (texts, audio, videos) if rows is not None}
        if len(lengths) != 1:
            raise EmoError(
                f"text, audio and videos have {sorted(lengths)} rows",
                fix="give one entry for each row, None where a row lacks the modality",
            )
        rows = lengths.pop()
        audio, videos = audio or [None] * rows, videos or [None] * rows
        data: dict[str, Any] = {}
        if texts is not None:
            expanded = [
                self._expand(t, a is not None, v is not None, i)
                for i, (t, a, v) in enumerate(zip(texts, audio, videos, strict=True))
            ]
            text_options = {"return_token_type_ids": False, "add_special_tokens": False, **text_options}
            data.update(self.tokenizer(expanded, return_tensors="pt", padding=padding, **text_options))
        data.update(self._hear(audio))
        data.update(self._look(videos))
        return BatchFeature(data)

    def pads_for(self, audio: bool, video: bool) -> int:
        """Number of pad tokens behind the marker of a row with these modalities."""
        return self.audio_queries * audio + self.video_queries * video + self.fusion_queries * (audio and video)

    def _expand(self, text: str, audio: bool, video: bool, row: int) -> str:
        """Write the pads behind the marker of one row."""
        marker = {(True, True): CLIP_TOKEN, (True, False): AUDIO_TOKEN, (False, True): VIDEO_TOKEN}.get((audio, video))
        found = {token: text.count(token) for token in MEDIA_TOKENS if token in text}
        if found != ({marker: 1} if marker else {}):
            raise EmoError(
                f"row {row} needs {f'one {marker}' if marker else 'no media token'}, its text has "
                f"{', '.join(f'{count} x {token}' for token, count in found.items()) or 'none'}",
                fix="write one content block for each modality that the row has, and escape text from outside",
            )
        return text.replace(marker, marker + PAD_TOKEN * self.pads_for(audio, video)) if marker else text

    def _hear(self, audio: Sequence[np.ndarray | None]) -> dict[str, torch.Tensor]:
        """Features of the rows that have sound."""
        present = {row: wave for row, wave in enumerate(audio) if wave is not None}
        if not present:
            return {}
        for row, wave in present.items():
            if wave.ndim != 1 or not wave.size:
                raise EmoError(
                    f"the sound of row {row} has shape {wave.shape}",
                    fix="pass mono samples (samples,), or None for a row without sound",
                )
        extractor = self.feature_extractor
        longest = round(self.audio_window_s * extractor.sampling_rate)
        made = extractor(
            [np.asarray(wave[:longest], dtype=np.float32) for wave in present.values()],
            sampling_rate=extractor.sampling_rate,
            padding="longest" if self._takes_waveforms else "max_length",
            return_attention_mask=True,
            return_tensors="pt",
        )
        rows = list(present)
        return {
            # (batch, mels, steps) or (batch, samples)
            "input_features": _align(made[extractor.model_input_names[0]], rows, len(audio)),
            "input_features_mask": _align(made["attention_mask"].bool(), rows, len(audio)),  # (batch, steps or samples)
        }

    def _look(self, videos: Sequence[np.ndarray | None]) -> dict[str, torch.Tensor]:
        """Normalised frames of the rows that have picture."""
        present = {row: frames for row, frames in enumerate(videos) if frames is not None}
        if not present:
            return {}
        size = self.frame_size
        pixels = torch.zeros(len(videos), self.num_frames, 3, size, size)
        mask = torch.zeros(len(videos), self.num_frames, dtype=torch.bool)
        for row, frames in present.items():
            if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not len(frames):
                raise EmoError(
                    f"the frames of row {row} are {frames.dtype} {frames.shape}",
                    fix="pass uint8 (frames, height, width, 3), or None for a row without picture",
                )
            kept = frames
            if len(frames) > self.num_frames:
                kept = frames[np.linspace(0, len(frames) - 1, self.num_frames).round().astype(int)]
            pixels[row, : len(kept)] = self._normalise(kept)
            mask[row, : len(kept)] = True
        return {"pixel_values_videos": pixels, "video_frame_mask": mask}

    def _normalise(self, frames: np.ndarray) -> torch.Tensor:
        """Stretch and normalise: uint8 `(frames, height, width, 3)` -> float `(frames, 3, size, size)`."""
        pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
        if pixels.shape[2:] != (self.frame_size, self.frame_size):
            pixels = torch.nn.functional.interpolate(
                pixels, size=(self.frame_size, self.frame_size), mode="bilinear", antialias=True
            )
        mean = torch.tensor(self.frame_mean).view(3, 1, 1) * 255  # (3, 1, 1)
        std = torch.tensor(self.frame_std).view(3, 1, 1) * 255
        return (pixels - mean) / std


def _align(values: torch.Tensor, rows: list[int], batch: int) -> torch.Tensor:
    """Spread `(present rows, ...)` over `(batch, ...)`, zeros elsewhere."""
    aligned = values.new_zeros(batch, *values.shape[1:])
    aligned[rows] = values
    return aligned
