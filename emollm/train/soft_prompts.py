"""Soft prompts that are made once a clip, for stages that leave the whole encoder frozen.

    example -> clip -> media -> encoder, the first time -> memory -> soft prompt of the modalities that the example shows

Sound and picture are encoded apart from each other, and a row apart from its batch, so the soft prompt of a clip without its picture is a
part of the clip's own. A stage of eight epochs encodes a clip once.

Does not: keep them on disk, or serve a stage that changes the encoder (there they would be stale, silently: the trainer refuses).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from emollm.errors import EmoError
from emollm.models.encoder import is_frozen
from emollm.models.modeling import MEDIA_KEYS, SOFT_PROMPTS, EmoForConditionalGeneration
from emollm.train.clips import StoredClip
from emollm.train.collate import Collator, Pair
from emollm.train.examples import Example

Key = tuple[int, str, str]  # record, state of the sound, state of the picture
BATCH = 32  # clips that are encoded together


class SoftPromptCollator:
    """The usual batch with `soft_prompts` `(batch, longest, width)` in place of the media.

    Args:
        collator: Makes the usual batch.
        model: The model whose encoder is frozen.
        memory_gb: Room for soft prompts; clips that find none are encoded each time.

    Raises:
        EmoError: A block of the encoder is trained.
    """

    def __init__(self, collator: Collator, model: EmoForConditionalGeneration, memory_gb: float) -> None:
        if not is_frozen(model.model.av_encoder):
            raise EmoError(
                "soft prompts cannot be kept while the encoder learns",
                fix="freeze towers, adapters and fusion in this stage, or set data.soft_prompt_memory_gb to 0",
            )
        self.collator, self.model = collator, model
        self._room_bytes = int(memory_gb * 1e9)
        self._kept: dict[Key, torch.Tensor] = {}

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return the usual texts, and the rows' soft prompts."""
        pairs = self.collator.pairs(rows)
        whole = {_key(example, clip): (_whole(example, clip), clip) for example, clip in pairs}
        soft = {key: self._kept[key] for key in whole if key in self._kept}
        new = [(key, pair) for key, pair in whole.items() if key not in soft]
        for i in range(0, len(new), BATCH):
            part = new[i : i + BATCH]
            soft |= zip((key for key, _ in part), self._encoded([pair for _, pair in part]), strict=True)
        for key, _ in new:
            self._keep(key, soft[key])
        shown = [self._shown(soft[_key(example, clip)], example, clip) for example, clip in pairs]
        texts = self.collator.texts([example for example, _ in pairs])
        if not any(map(len, shown)):
            return texts
        return {**texts, SOFT_PROMPTS: torch.nn.utils.rnn.pad_sequence(shown, batch_first=True)}

    @torch.no_grad()
    def _encoded(self, pairs: Sequence[Pair]) -> list[torch.Tensor]:
        """Encode clips; each soft prompt is float32 `(positions, width)`, in main memory."""
        device = self.model.device
        media = {name: value.to(device) for name, value in self.collator.media(pairs).items()}
        soft = self.model.model.av_encoder(
            *(media.get(name) for name in MEDIA_KEYS),
            has_audio=[example.audio != "absent" for example, _ in pairs],
            has_video=[example.video != "absent" for example, _ in pairs],
        )
        return [row.float().cpu() for row in soft.rows]

    def _shown(self, soft: torch.Tensor, example: Example, clip: StoredClip) -> torch.Tensor:
        """Take from a clip's soft prompt what an example shows; their order is audio, video, fusion."""
        config = self.model.config
        sound = config.audio_queries if clip.sound is not None else 0
        picture = config.video_queries if clip.frames is not None else 0
        audio, video, _ = soft.split([sound, picture, len(soft) - sound - picture])
        if example.audio != "absent" and example.video != "absent":
            return soft
        return torch.cat([audio[: sound * (example.audio != "absent")], video[: picture * (example.video != "absent")]])

    def _keep(self, key: Key, soft: torch.Tensor) -> None:
        """Remember a soft prompt, if there is room."""
        if soft.nbytes <= self._room_bytes:
            self._room_bytes -= soft.nbytes
            self._kept[key] = soft.clone()


def _whole(example: Example, clip: StoredClip) -> Example:
    """Return the example with every modality that its file has."""
    audio, video = example.audio, example.video
    if audio == "absent" and clip.sound is not None:
        audio = "silent" if clip.silent else "present"
    if video == "absent" and clip.frames is not None:
        video = "black" if clip.black else "present"
    return replace(example, audio=audio, video=video)


def _key(example: Example, clip: StoredClip) -> Key:
    whole = _whole(example, clip)
    return whole.record, whole.audio, whole.video
