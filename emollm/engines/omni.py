"""The `hf` engine for omni backbones: pretrained multimodal LLMs used whole (emollm/models/omni/).

What differs from the native model: sound and pictures go in between the words as the family has them, frames keep their time, and a family
may lack a modality. What it cannot take is left out and flagged (`audio_unsupported`, `video_unsupported`); a clip of which nothing is left
is an error row that says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from emollm.engines import Request
from emollm.engines.checkpoints import Checkpoint
from emollm.engines.evidence import Evidence, MediaSettings
from emollm.engines.hf import HFEngine
from emollm.engines.local import LocalEngine, Row
from emollm.engines.memory import Memory
from emollm.errors import MediaError
from emollm.models.omni.loading import load_omni


class OmniEngine(HFEngine):
    """Answers requests with an omni checkpoint; see `HFEngine`."""

    processor: Any  # of an omni family

    def __init__(self, checkpoint: Checkpoint, batch_size: int = 8, device: str | None = None) -> None:
        transformers_logging.disable_progress_bar()
        self.batch_size = batch_size
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        options = checkpoint.omni
        self.model, processor = load_omni(
            checkpoint.path, dtype, self.device, options.weights if options else "full", options
        )
        stop_ids = self.model.generation_config.eos_token_id
        LocalEngine.__init__(
            self, checkpoint, self.model.config, processor, stop_ids, str(dtype).removeprefix("torch.")
        )
        self.weights = options.weights if options else "full"
        self.memory = Within(self.media, processor.modalities)

    @property
    def identity(self) -> dict[str, Any]:
        """What of the model and its settings an answer depends on, besides the request and the sampling."""
        return {**super().identity, "max_pixels": self.processor.look.max_pixels, "weights": self.weights}

    @property
    def media_ids(self) -> set[int]:
        """Tokens that stand for media."""
        return {getattr(self.model.config, f"{kind}_token_id") for kind in self.processor.modalities}

    def _inputs(self, rows: list[Row]) -> dict[str, torch.Tensor]:
        """Return the model's inputs for one batch."""
        made = self.processor(
            text=[row.prompt for row in rows],
            audio=[row.evidence.audio for row in rows],
            videos=[row.evidence.frames for row in rows],
            seconds=[row.evidence.picture_s for row in rows],
            padding_side="left",
        )
        return {
            name: value.to(self.device, self.model.dtype if value.is_floating_point() else None)
            for name, value in made.items()
        }


class Within(Memory):
    """Clips as a family can take them."""

    def __init__(self, settings: MediaSettings, modalities: tuple[str, ...]) -> None:
        super().__init__(settings)
        self.modalities = modalities
        self._whole: Evidence | None = None
        self._rest: Evidence | None = None

    def gather(self, request: Request) -> Evidence:
        """Decode a clip and leave out what the family does not take.

        Raises:
            MediaError: A file of the clip cannot be used, or nothing of it is left.
        """
        whole = super().gather(request)
        if self._rest is None or whole is not self._whole:
            self._whole, self._rest = whole, _leave_out(whole, self.modalities, request.id)
        return self._rest


def _leave_out(evidence: Evidence, modalities: tuple[str, ...], where: str) -> Evidence:
    """Return what is left of a clip for a family."""
    given = {"audio": evidence.audio is not None, "video": evidence.frames is not None}
    lost = [kind for kind, there in given.items() if there and kind not in modalities]
    if not lost:
        return evidence
    if not evidence.has_words and all(not there or kind in lost for kind, there in given.items()):
        raise MediaError(
            "unsupported_modality",
            f"this model takes {' and '.join(modalities)} and words, and the clip has {' and '.join(lost)} alone",
            where,
            "give a transcript, or take another model",
        )
    seen = evidence.seen.model_copy(
        update={
            "flags": tuple(sorted({*evidence.seen.flags, *(f"{kind}_unsupported" for kind in lost)})),
            "states": {**evidence.seen.states, **dict.fromkeys(lost, "absent")},
            **({"frames": 0} if "video" in lost else {}),
            **({"audio_s": 0.0} if "audio" in lost else {}),
        }
    )
    return replace(
        evidence,
        seen=seen,
        audio=None if "audio" in lost else evidence.audio,
        frames=None if "video" in lost else evidence.frames,
    )
