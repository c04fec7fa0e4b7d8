"""A linear probe: the mean state of a frozen pretrained tower, and one linear layer on it.

    states = TowerStates("hubert", "models/chinese-hubert-large")
    classes_of, strength = ridge_classes(np.stack([states(record) for record in train]), classes, speakers)

The layer is a ridge regression on the classes (one-hot, each weighted alike); its strength is chosen by folds of speakers within the
training clips. HuBERT with a small head is strong on MER2023 (MERBench, https://arxiv.org/abs/2401.03429), which is why such a probe
stands beside language models. Does not: train the tower, or look at words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from emollm.errors import ConfigError, MediaError
from emollm.media import decode, part_of
from emollm.records import MediaRef, Record

STRENGTHS = tuple(10.0**power for power in range(-1, 6))
FOLDS = 5
FRAMES, MAX_SIDE_PX, WINDOW_S = 8, 512, 30.0


class TowerStates:
    """The mean state of a clip's sound or picture in a pretrained tower (emollm/models/towers/).

    Args:
        tower: `hubert`, `whisper`, `clip`, ...
        checkpoint: Hub name or folder of its weights (safetensors).

    Raises:
        ConfigError: There is no such tower.
        EmoError: The weights do not fit it.
    """

    def __init__(self, tower: str, checkpoint: str) -> None:
        import torch

        from emollm.models.choose import choose
        from emollm.models.loading import check_loading_info
        from emollm.models.towers import AUDIO_TOWERS, VIDEO_TOWERS

        kind: Any = choose("tower", {**AUDIO_TOWERS, **VIDEO_TOWERS}, tower)
        try:
            self._tower = kind(kind.read_config(checkpoint))
            self._tower.backbone, info = kind.read_backbone(checkpoint, torch.float32)
            self._extractor = kind.read_extractor(checkpoint) if tower in AUDIO_TOWERS else None
        except OSError as error:
            raise ConfigError(f"no weights of a tower ({error})", f"--tower {tower}={checkpoint}") from None
        check_loading_info(info, checkpoint, kind.unused_prefixes)
        self._tower.eval()
        self.name, self.modality = f"{tower}={checkpoint}", "a" if self._extractor is not None else "v"

    @cached_property
    def weights_sha256(self) -> str:
        """Hash of the weights as they were read."""
        digest = hashlib.sha256()
        for key, value in sorted(self._tower.state_dict().items()):
            digest.update(key.encode() + value.numpy().tobytes())
        return digest.hexdigest()

    @property
    def made_by(self) -> dict[str, Any]:
        """What a state follows from besides the clip."""
        from emollm.models.processor import CLIP_MEAN, CLIP_STD

        look: Any = [FRAMES, MAX_SIDE_PX, CLIP_MEAN, CLIP_STD]
        hear: Any = self._extractor and [WINDOW_S, json.loads(self._extractor.to_json_string())]
        config = json.loads(self._tower.backbone.config.to_json_string())
        return {"tower": type(self._tower).__name__, "weights_sha256": self.weights_sha256, "config": config,
                "prepared": hear or look}  # fmt: skip

    def file_of(self, record: Record) -> MediaRef | None:
        """Return the file that the tower hears or sees, as far as the record names one."""
        return (record.media.audio if self.modality == "a" else None) or record.media.video

    def __call__(self, record: Record) -> np.ndarray | None:
        """Return the mean state (width,); None for a clip without this modality, or one that cannot be decoded."""
        import torch

        hear, ref = self._extractor is not None, self.file_of(record)
        if ref is None:
            return None
        try:
            clip = decode(
                ref.path,
                frames=FRAMES,
                max_side_px=MAX_SIDE_PX,
                want_audio=hear,
                want_video=not hear,
                **part_of(ref),
            )
        except MediaError:
            return None
        found = self._heard(clip.audio) if hear else self._looked(clip.frames)
        if found is None:
            return None
        with torch.no_grad():
            states, mask = self._tower(*found)  # (1, steps, width), (1, steps)
        return states[0][mask[0].bool()].mean(0).double().numpy()

    def _heard(self, wave: np.ndarray | None) -> Any:
        """Return the tower's input and mask for a waveform at 16 kHz."""
        if wave is None:
            return None
        extractor: Any = self._extractor
        rate = extractor.sampling_rate
        waveforms = "input_values" in extractor.model_input_names
        made = extractor(
            [wave[: round(WINDOW_S * rate)]],
            sampling_rate=rate,
            padding="longest" if waveforms else "max_length",
            return_attention_mask=True,
            return_tensors="pt",
        )
        return made[extractor.model_input_names[0]], made["attention_mask"].bool()

    def _looked(self, frames: np.ndarray | None) -> Any:
        """Return the tower's input and mask for frames uint8 (n, height, width, 3)."""
        import torch

        from emollm.models.processor import CLIP_MEAN, CLIP_STD

        if frames is None:
            return None
        size = self._tower.backbone.config.image_size
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255  # (n, 3, height, width)
        pixels = torch.nn.functional.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
        return ((pixels - mean) / std)[None], torch.ones(1, len(frames), dtype=torch.bool)


def ridge_classes(
    x: np.ndarray, y: np.ndarray, groups: Sequence[object]
) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    """Fit a linear layer; return what gives the class numbers of other rows, and the strength that was chosen.

    Args:
        x: Features, (rows, width).
        y: Class numbers, (rows,).
        groups: Speaker of each row: folds keep them together.
    """
    names = sorted(set(groups), key=str)
    fold = np.array([names.index(group) % FOLDS for group in groups])
    right = {
        strength: np.mean(
            [
                (_fit(x[fold != one], y[fold != one], strength)(x[fold == one]) == y[fold == one]).mean()
                for one in set(fold.tolist())
                if (fold != one).any()
            ]
            or [0.0]
        )
        for strength in STRENGTHS
    }
    best = max(right, key=right.__getitem__)
    return _fit(x, y, best), best


def _fit(x: np.ndarray, y: np.ndarray, strength: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return a ridge regression on one-hot classes, each class weighted alike."""
    mean, spread = x.mean(0), x.std(0) + 1e-8
    classes, counts = np.unique(y, return_counts=True)
    weight = np.sqrt(len(y) / (len(classes) * counts))[np.searchsorted(classes, y)][:, None]  # (rows, 1)
    rows = np.hstack([(x - mean) / spread, np.ones((len(x), 1))]) * weight  # (rows, width + 1)
    target = (y[:, None] == classes) * weight  # (rows, classes)
    # of the two ways to write the solution, the one with the smaller system
    if len(rows) < rows.shape[1]:
        layer = rows.T @ np.linalg.solve(rows @ rows.T + strength * np.eye(len(rows)), target)
    else:
        layer = np.linalg.solve(rows.T @ rows + strength * np.eye(rows.shape[1]), rows.T @ target)
    return lambda other: classes[(np.hstack([(other - mean) / spread, np.ones((len(other), 1))]) @ layer).argmax(1)]
