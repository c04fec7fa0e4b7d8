"""States of frozen towers on disk: a clip goes through a tower once, for all epochs, stages and runs that look at it in the same way.

    example -> clip -> media -> tower, the first time -> a file in the user's cache -> adapters, fusion and decoder as ever

A file is found by the content of the media and by all that made the states: the tower's weights, their number format and configuration,
how clips were decoded and prepared. It is written beside its place and renamed. When the folder reaches its limit nothing more is written:
in a loop through the data, what would have to go is what comes next. States are kept as they were made, not rounded.

Does not: serve a stage that trains a tower (its states would be stale, silently: refused), or spare the decoding of clips.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from emollm.errors import EmoError
from emollm.media.hashes import MediaHashes
from emollm.models.encoder import AVEncoder, is_frozen
from emollm.models.modeling import MEDIA_KEYS
from emollm.models.towers import Tower
from emollm.paths import cache_dir, whole_file
from emollm.records import MediaRef, Record
from emollm.train.collate import Collator, Pair

FORMAT = "emollm.tower_states/1"
BATCH = 32  # clips that are encoded together
States = tuple[torch.Tensor, torch.Tensor]  # (steps, width) and their mask (steps,)
MODALITIES = (("audio", *MEDIA_KEYS[:2]), ("video", *MEDIA_KEYS[2:]))  # with the names of features and mask


class TowerCache:
    """States of an encoder's towers; in use (`with cache.in_use():`) the towers pass on states that they are given as features.

    Args:
        encoder: Both of its towers are frozen.
        limit_gb: How large the folder may get.
        folder: Where states lie; None: in the user's cache folder.

    Raises:
        EmoError: A tower is trained.
    """

    def __init__(self, encoder: AVEncoder, limit_gb: float, folder: Path | None = None) -> None:
        self.towers: dict[str, Tower] = {"audio": encoder.audio_tower, "video": encoder.video_tower}
        trained = [name for name, tower in self.towers.items() if not is_frozen(tower)]
        if trained:
            raise EmoError(
                f"states of the {' and '.join(trained)} tower cannot be kept while it learns",
                fix="freeze the towers in this stage, or set data.tower_cache_gb to 0",
            )
        self.folder = folder or cache_dir() / "towers"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.names = {name: _fingerprint(tower) for name, tower in self.towers.items()}
        self._room_bytes = int(limit_gb * 1e9) - sum(
            path.stat().st_size for path in self.folder.glob("*/*.safetensors")
        )
        self._forward: dict[str, Callable[..., States]] = {name: tower.forward for name, tower in self.towers.items()}

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let the towers pass on what they are given."""
        for tower in self.towers.values():
            tower.forward = _pass_on  # type: ignore[method-assign, assignment]  # on the instance: names of weights stay as they are
        try:
            yield
        finally:
            for tower in self.towers.values():
                del tower.forward

    @torch.no_grad()
    def encode(self, name: str, features: torch.Tensor, mask: torch.Tensor) -> list[States]:
        """Return the states of rows, made by the tower itself; those of a sound end where it ends."""
        device = next(self.towers[name].parameters()).device
        states, real = (part.cpu() for part in self._forward[name](features.to(device), mask.to(device)))
        ends = [_end(row) for row in real] if name == "audio" else [real.shape[1]] * len(real)
        return [(states[row, :end], real[row, :end]) for row, end in enumerate(ends)]

    def read(self, key: str) -> States | None:
        """Return the states of a key, or None when they are not there, or damaged."""
        try:
            found = load_file(self._place(key))
            return found["states"], found["mask"]
        except (FileNotFoundError, SafetensorError, KeyError):
            return None

    def write(self, key: str, states: States) -> None:
        """Keep states, if there is room."""
        packed = save({"states": states[0].contiguous(), "mask": states[1].contiguous()})
        if len(packed) > self._room_bytes:
            return
        with whole_file(self._place(key)) as out:
            cast("Any", out).buffer.write(packed)
        self._room_bytes -= len(packed)

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"


class TowerCollator:
    """The usual batch with the towers' states in place of the media's features.

    Args:
        collator: Makes the usual batch.
        cache: Of the model that the batches are for, in use.
    """

    def __init__(self, collator: Collator, cache: TowerCache) -> None:
        self.collator, self.cache, self.records = collator, cache, collator.records
        self.pairs, self.texts = collator.pairs, collator.texts
        self._prepared = _prepared(collator)
        self._media: dict[int, dict[str, Any]] = {}

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return `input_ids`, `attention_mask`, `labels`, and states and masks under the names of the media tensors."""
        pairs = self.pairs(rows)
        return {**self.texts([example for example, _ in pairs]), **self.media(pairs)}

    def media(self, pairs: Sequence[Pair]) -> dict[str, torch.Tensor]:
        """Return states `(batch, steps, width)` and masks `(batch, steps)`, aligned with rows; rows without a modality are empty."""
        batch = {}
        for name, features, mask in MODALITIES:
            rows = [row for row, (example, _) in enumerate(pairs) if getattr(example, name) != "absent"]
            if rows:
                found = self._states(name, [pairs[row] for row in rows])
                batch[features], batch[mask] = _aligned(found, rows, len(pairs))
        return batch

    def _states(self, name: str, pairs: Sequence[Pair]) -> list[States]:
        """Return the states of one modality of clips, from the disk where they are there."""
        keys = [self._key(name, example.record, getattr(example, name)) for example, _ in pairs]
        states = {key: self.cache.read(key) for key in dict.fromkeys(keys)}
        new = {key: pair for key, pair in zip(keys, pairs, strict=True) if states[key] is None}
        for at in range(0, len(new), BATCH):
            part = dict(list(new.items())[at : at + BATCH])
            other = {"video" if name == "audio" else "audio": "absent"}
            media = self.collator.media([(replace(example, **other), clip) for example, clip in part.values()])  # type: ignore[arg-type]
            _, features, mask = MODALITIES[name == "video"]
            for key, made in zip(part, self.cache.encode(name, media[features], media[mask]), strict=True):
                states[key] = made
                self.cache.write(key, made)
        return [cast("States", states[key]) for key in keys]

    def _key(self, name: str, index: int, state: str) -> str:
        """Return the hash of all that the states of a clip's sound or picture follow from."""
        if index not in self._media:
            self._media[index] = _content(self.records[index])
        made_of = [FORMAT, name, state, self._media[index], self.cache.names[name], self._prepared]
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _pass_on(states: torch.Tensor, mask: torch.Tensor) -> States:
    """Stand in for a tower's forward."""
    return states, mask.bool()


def _end(mask: torch.Tensor) -> int:
    """Return the number of steps up to the last real one of `(steps,)`."""
    return int(mask.nonzero().amax().item()) + 1 if mask.any() else 1


def _aligned(found: Sequence[States], rows: Sequence[int], batch: int) -> States:
    """Return states `(batch, steps, width)` and masks `(batch, steps)`, zero where there is nothing."""
    steps = max(len(mask) for _, mask in found)
    states = found[0][0].new_zeros(batch, steps, found[0][0].shape[1])
    masks = torch.zeros(batch, steps, dtype=torch.long)
    for row, (one, mask) in zip(rows, found, strict=True):
        states[row, : len(one)], masks[row, : len(mask)] = one, mask.long()
    return states, masks


def _fingerprint(tower: Tower) -> str:
    """Return the hash of a tower: its class, options, configuration and weights, number format included."""
    digest = hashlib.sha256(tower.backbone.config.to_json_string().encode())
    options = {key: value for key, value in vars(tower).items() if isinstance(value, int | float | str | bool)}
    options.pop("training")
    digest.update(json.dumps([type(tower).__name__, options], sort_keys=True).encode())
    for name, weight in tower.state_dict().items():
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _prepared(collator: Collator) -> dict[str, Any]:
    """Return how clips are decoded and turned into features."""
    processor = collator.processor
    names = ("num_frames", "frame_size", "frame_mean", "frame_std", "audio_window_s")
    return {
        "reader": asdict(collator.clips.reader),
        "extractor": json.loads(processor.feature_extractor.to_json_string()),
        **{name: getattr(processor, name) for name in names},
    }


def _content(record: Record) -> dict[str, Any]:
    """Return what is in a record's media: the hash of each file, and which part of it is meant."""
    with MediaHashes() as hashes:
        parts: dict[str, MediaRef | None] = {"video": record.media.video, "audio": record.media.audio}
        return {
            name: None if ref is None else {**ref.model_dump(exclude={"path"}), "sha256": hashes.sha256(ref.path)}
            for name, ref in parts.items()
        }
