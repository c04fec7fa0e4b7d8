"""Omni backbones (emollm/models/omni/) in reinforcement learning: what `multimodal_rl.py` asks of a family, prompts and a memory of towers.

An omni backbone's media tensors are flat: those of all rows lie one behind the other, each as long as its clip makes it, and a prompt is as
long as its clip. So each clip becomes a row of its own once, and rows of numbers are joined into what the model takes: grids, lengths and
the seconds of a step are the clips' own, as positions depend on them; features and patches are the number alone. transformers 5.19 runs
each tower with its projection in one method, `get_audio_features` and `get_video_features`, which recall here. So projections stay frozen,
too, and Qwen2-Audio, whose tower runs amid its forward pass, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch

from emollm.config_policy import PolicyRecipe
from emollm.errors import ConfigError, collect
from emollm.models.omni import family_of
from emollm.models.omni.processor import MEDIA_KEYS, OmniProcessor
from emollm.prompts import Task
from emollm.train.clips import StoredClip
from emollm.train.collate import Collator, pictures_of, sound_of
from emollm.train.examples import Example
from emollm.train.multimodal_rl import Memory, TowerMemory
from emollm.train.omni import OmniCollator, check_stages
from emollm.train.rollouts import Prompts

REWARDED = ("qwen2_5_omni", "qwen2_5_vl")  # families whose learning by rewards a test covers
METHODS = ("get_audio_features", "get_video_features")
SOUND, HEARD, PICTURE, GRID, _ = MEDIA_KEYS
NOTHING = StoredClip(None, None, silent=False, black=False)  # what is left of a clip that cannot be decoded


class OmniPrompts(Prompts, OmniCollator):
    """Makes prompts of an omni backbone, each as long as its clip."""

    def inputs_of(self, examples: Sequence[Example]) -> tuple[list[list[int]], list[dict[str, torch.Tensor]]]:
        """Return for each example the ids of its prompt, and the media tensors of its clip."""
        rows = [self._prompt_row(example) for example in examples]
        ids = [row["input_ids"][0].tolist() for row in rows]
        return ids, [{name: row[name] for name in MEDIA_KEYS if name in row} for row in rows]

    def _prompt_row(self, example: Example) -> dict[str, Any]:
        """Return the tensors of one row without an answer."""
        clip = self.clips[example.record] or NOTHING
        prompt, _ = self.texts_of(example)
        row: dict[str, Any] = self.processor.row(
            prompt, sound_of(example, clip), pictures_of(example, clip), clip.seconds
        )
        return row


class OmniMemory:
    """What towers and projections of an omni backbone make of the clips of one batch of answers.

    Args:
        model: The model; while the memory is in use (`with memory:`), it recalls and does not compute.
        processor: Of the same family; it joins rows.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model, processor
        self.shared = (self,)
        self.owner = next(part for part in (model.model, model) if hasattr(part, "get_video_features"))
        self._hear: Any = getattr(self.owner, METHODS[0], None)  # Qwen2.5-VL has none
        self._look: Any = self.owner.get_video_features
        self._sounds: dict[int, torch.Tensor] = {}  # (tokens, width), by clip
        self._pictures: dict[int, torch.Tensor] = {}  # (tokens, width)
        self._rows: list[dict[str, torch.Tensor]] = []

    def __enter__(self) -> OmniMemory:
        for name, recall in zip(METHODS, (self._heard, self._seen), strict=True):
            setattr(self.owner, name, recall)
        return self

    def __exit__(self, *_: object) -> None:
        for name in METHODS:
            delattr(self.owner, name)

    @torch.no_grad()
    def hold(self, clips: Sequence[Mapping[str, torch.Tensor]]) -> None:
        """Encode clips, in place of those held before; see `Memory`."""
        self._sounds, self._pictures, self._rows = {}, {}, []
        for number, clip in enumerate(clips):
            row = {name: values.to(self.model.device) for name, values in clip.items()}
            if SOUND in row:
                self._sounds[number] = self._hear(row[SOUND], row[HEARD], return_dict=True).last_hidden_state
            if PICTURE in row:
                self._pictures[number] = self._look(row[PICTURE], row[GRID], return_dict=True).pooler_output[0]
            stands_for = torch.full((1, 1), number, device=self.model.device)
            self._rows.append(row | {name: stands_for for name in (SOUND, PICTURE) if name in row})

    def rows(self, clips: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return what stands for the media of rows about these clips; of n rows with sound and m with picture.

        Numbers `(n, 1)` and `(m, 1)` in the places of features and patches, and the clips' own `feature_attention_mask` `(n, steps)`,
        `video_grid_thw` `(m, 3)` and `video_grid_ms` `(m,)`.
        """
        joined: dict[str, torch.Tensor] = self.processor.join([self._rows[number] for number in clips], "right")
        return joined

    def _heard(self, numbers: torch.Tensor, *_: Any, **__: Any) -> SimpleNamespace:
        """Stand in for `get_audio_features`."""
        return SimpleNamespace(last_hidden_state=torch.cat([self._sounds[number] for number in numbers[:, 0].tolist()]))

    def _seen(self, numbers: torch.Tensor, *_: Any, **__: Any) -> SimpleNamespace:
        """Stand in for `get_video_features`."""
        return SimpleNamespace(pooler_output=[self._pictures[number] for number in numbers[:, 0].tolist()])


def prompts_of(collator: Collator, task: Task) -> Prompts:
    """Return what makes prompts for the family of a collator."""
    return (OmniPrompts if isinstance(collator, OmniCollator) else Prompts)(collator, task)


def memory_of(model: Any, processor: Any) -> Memory:
    """Return a memory for the towers of a model."""
    if isinstance(processor, OmniProcessor):
        return OmniMemory(model, processor)
    return TowerMemory(model.model.av_encoder)


def check_backbone(recipe: PolicyRecipe) -> None:
    """Refuse what an omni backbone cannot do here, and its settings where there is none.

    Raises:
        ConfigError: All that is wrong.
    """
    family = family_of(recipe.start)
    if family is None:
        if recipe.model.omni is not None:
            raise ConfigError(
                "it is for omni backbones, and the model is none", "model.omni", "take it out, or mend model.path"
            )
        return
    check_stages(recipe.as_sft)
    problems = []
    if family not in REWARDED:
        fix = f"take a model of {' or '.join(REWARDED)}"
        problems.append(ConfigError(f"models of {family} do not learn by rewards here", "model.path", fix))
    for name in ("audio_adapter", "video_adapter"):
        if getattr(recipe.blocks, name) != "frozen":
            what = "a projection of an omni backbone runs with its tower, once a clip for all its answers"
            problems.append(ConfigError(what, f"blocks.{name}", "take frozen"))
    error = collect(problems, "{n} problem(s) with an omni backbone:", ConfigError)
    if error is not None:
        raise error
