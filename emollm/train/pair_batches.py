"""Preference pairs as batches: both sides of each pair, chosen ones first, each with the media that it is about.

    pair -> chosen side, rejected side -> prompt and answer -> ids, loss on the answers alone
                                       -> clip              -> media tensors, once for each clip as it is shown; rows name theirs

A prompt has the same ids here as in supervised training (`collate.py`), and both sides of a pair have the same prompt: where the files do
not allow it (another clip lacks a stream, a clip to be muted is silent), the pair is left out and counted.

Does not: draw anything; a batch follows from its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from emollm.errors import EmoError, MediaError
from emollm.pairs import KINDS, OVER_MEDIA, Pair
from emollm.prompts import TASKS, escape, render
from emollm.records import Media, Record
from emollm.train.clips import ClipMemory, StoredClip
from emollm.train.collate import IGNORED, Collator
from emollm.train.collate import Pair as Shown
from emollm.train.examples import Example, PictureState, SoundState, has_sound

PRIOR = "prior_"  # begins the names of the tensors of what the words alone tell


class SharedClips:
    """Clips by side of pair: the pairs of one clip, and what it stands in for, share it.

    Args:
        places: For each side the index of its clip.
        memory: The clips.
    """

    def __init__(self, places: Sequence[int], memory: ClipMemory) -> None:
        self.places, self.memory = places, memory

    def __getitem__(self, side: int) -> StoredClip | None:
        """Return the clip of a side; None when it cannot be decoded."""
        return self.memory[self.places[side]]

    def fill(self, sides: Iterable[int], workers: int) -> None:
        """Decode the clips of some sides ahead."""
        self.memory.fill((self.places[side] for side in sides), workers)

    @property
    def bad(self) -> dict[str, MediaError]:
        """Clips that cannot be decoded."""
        return self.memory.bad


def clips_of(pairs: Sequence[Pair]) -> tuple[list[Record], list[int]]:
    """Return the different clips of some pairs, and which of them each side shows (two sides a pair, chosen first)."""
    places: dict[Media, int] = {}
    clips: list[Record] = []
    sides = []
    for pair in pairs:
        for media in (pair.record.media, pair.rejected_media or pair.record.media):
            if media not in places:
                places[media] = len(clips)
                clips.append(pair.record.model_copy(update={"id": pair.record.id, "media": media}))
            sides.append(places[media])
    return clips, sides


class PairCollator(Collator):
    """Makes batches of pairs. A side is an example whose `record` is twice the number of its pair, plus one for the rejected side.

    Args:
        pairs: What the rows' `pair` counts in.
        collator: Over the different clips of the pairs, as `clips_of` gives them.
        places: For each side the index of its clip.
        with_prior: Also make rows without media for the pairs over answers.
    """

    def __init__(self, pairs: Sequence[Pair], collator: Collator, places: Sequence[int], with_prior: bool) -> None:
        clips: Any = SharedClips(places, collator.clips)
        super().__init__([pair.record for pair in pairs for _ in range(2)], clips, collator.processor)
        self.all_pairs, self.places, self.with_prior = pairs, places, with_prior
        self.unfit: set[str] = set()

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return a batch of `pairs` pairs.

        `input_ids`, `attention_mask`, `completion_mask` `(2 * pairs, length)`, chosen sides first; `kinds` `(pairs,)`; `clips`
        `(2 * pairs,)`, the place of each row's clip in the media tensors `(clips, ...)`; and, named `prior_...`, the rows without media
        of the pairs over answers, with `prior_rows` `(2 * such pairs,)`, their places.

        Raises:
            EmoError: No pair of the batch can be used.
        """
        both = [(row["pair"], *pair) for row in rows if (pair := self.both(row["pair"]))]
        if not both:
            raise EmoError("no pair of this batch can be used", fix="run `emollm validate` on the recipe")
        numbers = [number for number, _, _ in both]
        sides = [chosen for _, chosen, _ in both] + [rejected for _, _, rejected in both]
        batch = self._answers([example for example, _ in sides])
        batch["kinds"] = torch.tensor([KINDS.index(self.all_pairs[number].kind) for number in numbers])
        batch |= self._clips(sides)
        told = [place for place, number in enumerate(numbers) if self.all_pairs[number].kind not in OVER_MEDIA]
        if self.with_prior and told:
            at = told + [place + len(both) for place in told]
            words = [replace(sides[place][0], audio="absent", video="absent") for place in at]
            batch |= {f"{PRIOR}{name}": value for name, value in self._answers(words).items()}
            batch[f"{PRIOR}rows"] = torch.tensor(at)
        return batch

    def both(self, number: int) -> tuple[Shown, Shown] | None:
        """Return both sides of a pair with their clips, or None when the files do not allow it."""
        pair = self.all_pairs[number]
        found = [one for side in (2 * number, 2 * number + 1) for one in self.resolved(Example(side, pair.task))]
        if len(found) < 2 or len({self._prompt_key(example) for example, _ in found}) > 1:
            self.unfit.add(pair.id)
            return None
        return found[0], found[1]

    def examples_of(self, numbers: Sequence[int]) -> list[Example]:
        """Return both sides of some pairs as far as records know their streams; nothing is decoded."""
        examples = []
        for number in numbers:
            pair = self.all_pairs[number]
            audio: SoundState = "present" if has_sound(pair.record) else "absent"
            video: PictureState = "present" if pair.record.media.video is not None else "absent"
            examples += [Example(2 * number + side, pair.task, audio=audio, video=video) for side in (0, 1)]
        return examples

    def resolved(self, example: Example) -> Iterator[Shown]:
        """Yield a side as it is shown; nothing if its clip is bad, or cannot be muted or frozen."""
        kind = self.all_pairs[example.record // 2].kind if example.record % 2 else None
        for found, clip in super().resolved(example):
            if kind == "muted" and found.audio == "present":
                yield replace(found, audio="silent"), clip
            elif kind == "frozen" and found.video == "present" and clip.frames is not None:
                yield found, replace(clip, frames=np.repeat(clip.frames[:1], len(clip.frames), axis=0))
            elif kind not in ("muted", "frozen"):
                yield found, clip

    def texts_of(self, example: Example) -> tuple[str, str]:
        """Return the templated prompt (markers unexpanded) and the answer of a side without its end token."""
        pair = self.all_pairs[example.record // 2]
        messages = render(
            pair.record,
            TASKS[pair.task],
            audio=example.audio != "absent",
            video=example.video != "absent",
            special_tokens=self.special_tokens,
        )
        prompt = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return prompt, escape(pair.rejected if example.record % 2 else pair.chosen, self.special_tokens)

    def _answers(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Return ids and masks; what counts is the answer and the token that ends it."""
        texts = self.texts(examples)
        texts["completion_mask"] = (texts.pop("labels") != IGNORED).long()
        return texts

    def _clips(self, sides: Sequence[Shown]) -> dict[str, torch.Tensor]:
        """Return the media of the different clips among some sides, and which of them each side shows."""
        different: dict[tuple[Any, ...], Shown] = {}
        keys = []
        for example, clip in sides:
            frozen = example.record % 2 and self.all_pairs[example.record // 2].kind == "frozen"
            keys.append((self.places[example.record], example.audio, example.video, bool(frozen)))
            different.setdefault(keys[-1], (example, clip))
        order = list(different)
        return {**self.media(list(different.values())), "clips": torch.tensor([order.index(key) for key in keys])}

    @staticmethod
    def _prompt_key(example: Example) -> tuple[bool, bool]:
        """Tell what both prompts of a pair must have in common."""
        return example.audio == "absent", example.video == "absent"
