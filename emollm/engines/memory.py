"""What a model has read last, so that the next question about the same clip starts where the two prompts part.

A prompt begins with the clip's media. So several questions about one clip, and the turns of a conversation, share a beginning: the clip
is decoded once, its sound and pictures are encoded once, and of the words only the new ones are read (prefix caching, Zheng et al. 2024,
https://arxiv.org/abs/2312.07104). Answers are the same as without it.

One clip is remembered. Does not: remember the clips of a batch, or share a beginning between different clips.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from transformers import DynamicCache

from emollm.engines import Request
from emollm.engines.evidence import Evidence, MediaSettings, gather

if TYPE_CHECKING:
    import torch


class Memory:
    """The last clip as it was decoded, and the last prompt with its answer as the model has read them.

    Args:
        settings: How clips are decoded.
    """

    def __init__(self, settings: MediaSettings) -> None:
        self.settings = settings
        self._clip: tuple[Any, Evidence] | None = None
        self._read: tuple[Evidence, list[int], DynamicCache] | None = None

    def gather(self, request: Request) -> Evidence:
        """Decode what a request lets the model see, unless it is what was decoded last, or comes with the request.

        Raises:
            MediaError: A file of the clip cannot be used.
        """
        if request.evidence is not None:  # its record does not tell it from another clip's
            return gather(request, self.settings)
        record = request.record
        seen = (record.media, record.text, record.context, request.audio, request.video, request.transcript)
        wanted = (seen, _versions(request))
        if self._clip is None or self._clip[0] != wanted:
            self._clip = self._read = None
            self._clip = wanted, gather(request, self.settings)
        return self._clip[1]

    def recall(
        self, evidence: Evidence, inputs: dict[str, torch.Tensor], media_end: int
    ) -> tuple[dict[str, torch.Tensor], DynamicCache]:
        """Return the inputs that are still to be read, and what has been read of their beginning.

        It is taken out of the memory: who runs at the same time starts afresh.

        Args:
            evidence: The clip, as `gather` gave it.
            inputs: Of one row: `input_ids` and `attention_mask` (1, length), and the media tensors.
            media_end: Number of tokens up to the last one that stands for media.
        """
        read, self._read = self._read, None
        if read is None or read[0] is not evidence:
            return inputs, DynamicCache()
        _, before, cache = read
        now, held = inputs["input_ids"][0].tolist(), cache.get_seq_length()
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before[:held], now[:-1], strict=False)))
        if shared < max(media_end, 1) or not all(layer.is_croppable for layer in cache.layers):
            return inputs, DynamicCache()
        cache.crop(shared - held)
        rest = {"input_ids": inputs["input_ids"][:, shared:], "attention_mask": inputs["attention_mask"]}
        return rest, cache

    def keep(self, evidence: Evidence, ids: Sequence[int], cache: DynamicCache) -> None:
        """Remember a prompt and its answer.

        Args:
            evidence: The clip.
            ids: Tokens of both.
            cache: What the model keeps of them (of the last token, perhaps nothing).
        """
        self._read = evidence, list(ids), cache


def _versions(request: Request) -> list[tuple[int, int, int] | None]:
    """Return what tells that a clip's files are still those that were read; None for a file that is not there."""
    media = request.record.media
    found = []
    for ref in (media.video, media.audio):
        try:
            stat = os.stat(ref.path) if ref else None
        except OSError:
            stat = None
        found.append(stat and (stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return found
