"""Omni backbones (emollm/models/omni/) on the training side: pretrained multimodal LLMs that are trained whole or by LoRA.

    records -> plan -> rows made by the family's processor -> the trainers of sft.py

The blocks of a stage have the native model's names: the towers, the projections behind them (`audio_adapter`, `video_adapter`) and the
decoder with its head; `fusion`, and what a family lacks, is empty. Four-bit weights (QLoRA, Dettmers et al. 2023,
https://arxiv.org/abs/2305.14314) are for training alone: what is learned is merged into the weights as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from emollm.config import Recipe
from emollm.config_model import Saved
from emollm.errors import ConfigError, EmoError, collect
from emollm.models.loading import cast_weights
from emollm.models.omni.loading import load_omni
from emollm.models.omni.processor import MEDIA_KEYS, OmniProcessor, split
from emollm.records import Media, Record
from emollm.train.clips import ClipMemory, StoredClip
from emollm.train.collate import IGNORED, Collator, pictures_of, sound_of
from emollm.train.examples import Example, has_sound, has_words
from emollm.train.replay import Chat

END_OF_TURN = "<|im_end|>"


class OmniBackbone:
    """Implements `emollm.train.backbone.Backbone` for an omni checkpoint.

    Args:
        model: The recipe's `model` section.
    """

    media_keys: tuple[str, ...] = MEDIA_KEYS

    def __init__(self, model: Saved) -> None:
        self.model = model

    @cached_property
    def _built(self) -> tuple[Any, Any]:
        options = self.model.omni
        if options is not None and options.weights == "4bit":
            if not torch.cuda.is_available():
                raise ConfigError("four-bit weights are trained on a GPU", "model.omni.weights", "take full")
            return load_omni(self.model.place, torch.bfloat16, "cuda", "4bit", options)
        return load_omni(self.model.place, look=options)

    def build_model(self, dtype: str = "float32") -> Any:
        """Return the model in `dtype`."""
        model = self._built[0]
        cast_weights(model, torch.float32 if dtype == "float32" else torch.bfloat16)
        return model

    def build_processor(self) -> Any:
        """Return the processor that turns messages and media into the model's inputs."""
        return self._built[1]

    def split_rows(self, inputs: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the media tensors of a batch row by row: they lie one behind the other, each as long as its clip makes it."""
        config, ids = self._built[0].config, inputs["input_ids"]
        hears, sees = (
            (ids == getattr(config, token, -1)).any(dim=1).tolist() for token in ("audio_token_id", "video_token_id")
        )
        return split(inputs, hears, sees)

    def lora_targets(self) -> str:
        """Return the regular expression of the decoder modules that LoRA may change."""
        targets: str = self._built[0].lora_targets
        return targets

    def adapter_modules(self, modes: Mapping[str, str]) -> list[str]:
        """Return the projections that train in full beside LoRA, which PEFT must save whole."""
        model = self._built[0]
        wanted = {id(part) for name, mode in modes.items() if mode == "full" for part in model.block(name)}
        lists = {
            id(part): part for part in model.modules() if isinstance(part, torch.nn.ModuleList) and id(part) in wanted
        }
        wanted |= {id(part) for parts in lists.values() for part in parts}
        return [name for name, part in model.named_modules() if id(part) in wanted - set(lists)]


class OmniCollator(Collator):
    """Makes batches out of rows of the plan: each row as inference makes it, with its answer behind.

    Args:
        records: What the rows' `record` counts in.
        clips: Decoded clips of the same records.
        processor: Of an omni family.
        max_length: Longest example.
    """

    processor: Any  # of an omni family

    def __init__(
        self, records: Sequence[Record], clips: ClipMemory, processor: Any, max_length: int | None = None
    ) -> None:
        super().__init__(records, clips, processor, max_length)
        self._markers = set()  # the processor writes its placeholders itself
        if END_OF_TURN in processor.tokenizer.get_vocab():
            self._end_of_turn = END_OF_TURN

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return `input_ids`, `attention_mask`, `labels` (batch, length) and the media tensors of the rows that have media.

        Raises:
            EmoError: No clip of the batch can be decoded, or an example is longer than `max_length`.
        """
        made = [self._row(example, clip) for example, clip in self.pairs(rows)]
        batch: dict[str, torch.Tensor] = self.processor.join(made, "right")
        length = batch["input_ids"].shape[1]
        if self.max_length is not None and length > self.max_length:
            raise EmoError(f"an example has {length} tokens, the longest allowed is {self.max_length}")
        labels = torch.full_like(batch["input_ids"], IGNORED)  # (batch, length)
        for row, label in zip(made, labels, strict=True):
            label[row["start"] : row["input_ids"].shape[1]] = row["input_ids"][0, row["start"] :]
        return {**batch, "labels": labels}

    def length_of(self, example: Example) -> int:
        """Return the most tokens that an example can have: of a whole window of sound and frames of full size."""
        return super().length_of(example) + self.processor.pads_for(
            example.audio != "absent", example.video != "absent"
        )

    def _row(self, example: Example, clip: StoredClip) -> dict[str, Any]:
        """Return the tensors of one row, and where its answer starts."""
        prompt, _ = self.texts_of(example)
        row = self.processor.row(prompt, sound_of(example, clip), pictures_of(example, clip), clip.seconds)
        answer = torch.from_numpy(self.tokens_of(example).answer).long().unsqueeze(0)  # (1, length of the answer)
        start = row["input_ids"].shape[1]
        row["input_ids"] = torch.cat([row["input_ids"], answer], dim=1)
        row["attention_mask"] = torch.ones_like(row["input_ids"])
        return {**row, "start": start}


def check_stages(recipe: Recipe) -> None:
    """Refuse what only the native model can do.

    Raises:
        ConfigError: All that is wrong.
    """
    problems = []
    if recipe.data.soft_prompt_memory_gb:
        problems.append(
            ConfigError("an omni backbone has no soft prompts", "data.soft_prompt_memory_gb", "take it out")
        )
    if recipe.data.tower_cache_gb:
        problems.append(
            ConfigError("states of an omni backbone's towers are not kept", "data.tower_cache_gb", "take it out")
        )
    quantised = (
        isinstance(recipe.model, Saved) and recipe.model.omni is not None and recipe.model.omni.weights == "4bit"
    )
    for index, stage in enumerate(recipe.stages):
        where, modes = f"stages.{index}", stage.blocks.model_dump()
        if stage.objective != "answers":
            problems.append(
                ConfigError("an omni backbone is trained by answers alone", f"{where}.objective", "take answers")
            )
        if stage.lora and "full" in (modes["audio_tower"], modes["video_tower"]):  # PEFT cannot keep a list of layers
            fix = "freeze the towers, or train the decoder in full"
            problems.append(ConfigError("a tower is to be trained in full beside LoRA", f"{where}.blocks", fix))
        if quantised and (stage.lora is None or index):
            fix = "take one stage with decoder: lora, or weights: full"
            problems.append(ConfigError("weights of four bits are trained by LoRA, in one stage", where, fix))
    error = collect(problems, "{n} problem(s) with an omni backbone:", ConfigError)
    if error is not None:
        raise error


def collator_class(processor: Any) -> type[Collator]:
    """Return what makes batches for a processor."""
    return OmniCollator if isinstance(processor, OmniProcessor) else Collator


def within(records: Sequence[Record], processor: Any) -> list[Record]:
    """Return the records without the media that a processor's family takes not; the native model, and chats, keep theirs."""
    kinds = getattr(processor, "modalities", ("audio", "video"))
    return [record if len(kinds) == 2 or isinstance(record, Chat) else _without(record, kinds) for record in records]


def usable(records: Sequence[Record], processor: Any) -> list[Record]:
    """Return the records of which `within` leaves something to see, to hear or to read, if it takes anything.

    Raises:
        EmoError: There were records, and none is left.
    """
    pairs = zip(records, within(records, processor), strict=True)
    left = [whole for whole, rest in pairs if rest is whole or rest.media != Media() or has_words(rest)]
    if records and not left:
        what = f"the model takes {processor.modalities[0]} and words, and no record has either"
        raise EmoError(what, "data", "give such records, or take another model")
    return left


def _without(record: Record, kinds: tuple[str, ...]) -> Record:
    """Return a record with its sound alone, or with its pictures alone."""
    media = record.media
    if "video" in kinds:
        video = media.video and media.video.model_copy(update={"has_audio": False})
        return record.model_copy(update={"media": Media(video=video, face=media.face)})
    sound = media.audio or (media.video if has_sound(record) else None)
    return record.model_copy(update={"media": Media(audio=sound)})


def merged(trained: PeftModel, folder: Path) -> Any:
    """Return the model with LoRA merged; weights of four bits are read anew, whole, as what is learned is finer than their grid.

    Args:
        trained: The model with its adapter.
        folder: Where the adapter is saved.
    """
    base: Any = trained.get_base_model()
    if getattr(base, "quantization_method", None) is None:
        return trained.merge_and_unload()
    whole = load_omni(base.name_or_path, torch.bfloat16)[0]
    return PeftModel.from_pretrained(whole, str(folder)).merge_and_unload()
