"""The collator: rows of the plan -> one batch, with the loss on the answer alone.

    example -> record -> lesson -> messages -> chat template -> ids
                      -> clip   -> waveform, frames          -> media tensors, aligned with rows

Prompt and answer are tokenised apart and joined as ids, so that a prompt has the same ids in training as at inference, and the border
between masked and taught tokens is exact. What is taught: the answer and the token that ends it. Nothing is ever cut.

Does not: decode a clip twice while there is memory (`clips.py`), or draw anything (`examples.py`): a batch follows from its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emollm.errors import EmoError
from emollm.models.configuration import MEDIA_TOKENS
from emollm.models.processor import EmoProcessor
from emollm.prompts import TASKS, Task, answer_string, escape, render
from emollm.records import Modality, Record
from emollm.train.clips import ClipMemory, StoredClip
from emollm.train.examples import Example
from emollm.train.replay import Chat, chat_texts
from emollm.train.targets import ask, lesson, teachable

MODALITIES: tuple[Modality, ...] = ("audio", "video", "text")
IGNORED = -100  # label of positions without loss
Pair = tuple[Example, StoredClip]


@dataclass(frozen=True)
class Tokens:
    """An example as ids; the soft-prompt pads are in the prompt."""

    prompt: NDArray[np.int32]
    answer: NDArray[np.int32]


class Collator:
    """Makes batches out of rows of the plan.

    Args:
        records: What the rows' `record` counts in.
        clips: Decoded clips of the same records.
        processor: Template, tokenizer and media features.
        max_length: Longest example; the plan has left out longer ones, so one that occurs is an error.
    """

    def __init__(
        self, records: Sequence[Record], clips: ClipMemory, processor: EmoProcessor, max_length: int | None = None
    ) -> None:
        self.records, self.clips, self.processor, self.max_length = records, clips, processor, max_length
        self.special_tokens = tuple(processor.tokenizer.all_special_tokens)
        self._end_of_turn: str = processor.tokenizer.eos_token
        self._markers = set(processor.tokenizer.convert_tokens_to_ids(list(MEDIA_TOKENS[:3])))
        self._pad = processor.tokenizer.convert_tokens_to_ids(MEDIA_TOKENS[3])
        self._tokens: dict[Example, Tokens] = {}

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return `input_ids`, `attention_mask`, `labels` (batch, length) and the media tensors of the rows.

        Raises:
            EmoError: No clip of the batch can be decoded, or an example is longer than `max_length`.
        """
        pairs = self.pairs(rows)
        return {**self.texts([example for example, _ in pairs]), **self.media(pairs)}

    def pairs(self, rows: Sequence[dict[str, Any]]) -> list[Pair]:
        """Return examples and clips of the rows whose clip can be decoded.

        Raises:
            EmoError: There are none.
        """
        pairs = [pair for row in rows for pair in self.resolved(Example(**row))]
        if not pairs:
            raise EmoError("no clip of this batch can be decoded", fix="run `emollm validate` on the recipe")
        return pairs

    def texts(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Return `input_ids`, `attention_mask` and `labels`, each `(batch, length)`."""
        return self._pad_rows([self.tokens_of(example) for example in examples])

    def media(self, pairs: Sequence[Pair]) -> dict[str, torch.Tensor]:
        """Return the media tensors, aligned with rows."""
        media = self.processor(
            audio=[sound_of(example, clip) for example, clip in pairs],
            videos=[pictures_of(example, clip) for example, clip in pairs],
        )
        return dict(media)

    def length_of(self, example: Example) -> int:
        """Return the length of an example in tokens, soft prompt included (at most: a file may lack a stream)."""
        tokens = self.tokens_of(example)
        return len(tokens.prompt) + len(tokens.answer)

    def tokens_of(self, example: Example) -> Tokens:
        """Return the ids of an example, from memory after the first time."""
        if example not in self._tokens:
            prompt, answer = self.texts_of(example)
            tokenize = self.processor.tokenizer
            ids = tokenize(prompt, add_special_tokens=False)["input_ids"]
            pads = self.processor.pads_for(example.audio != "absent", example.video != "absent")
            expanded = [i for one in ids for i in ([one, *[self._pad] * pads] if one in self._markers else [one])]
            taught = tokenize(answer + self._end_of_turn, add_special_tokens=False)["input_ids"]
            self._tokens[example] = Tokens(np.array(expanded, np.int32), np.array(taught, np.int32))
        return self._tokens[example]

    def texts_of(self, example: Example) -> tuple[str, str]:
        """Return the templated prompt (markers unexpanded) and the answer without its end token."""
        record = self.records[example.record]
        if isinstance(record, Chat):
            messages, answer = chat_texts(record, self.special_tokens)
            return self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True), answer
        if example.question >= 0:
            taught = ask(record, example.question, example.present)
        else:
            taught = lesson(record, TASKS[example.task], example.present)
        messages = render(
            record,
            taught.task,
            audio=example.audio != "absent",
            video=example.video != "absent",
            transcript=example.text,
            special_tokens=self.special_tokens,
        )
        prompt = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return prompt, harmless(answer_string(taught.answer, taught.task), taught.task, self.special_tokens)

    def resolved(self, example: Example) -> Iterator[Pair]:
        """Yield the example as its file allows (a stream may be missing or empty) with its clip; nothing if it is bad."""
        clip = self.clips[example.record]
        if clip is None:
            return
        audio, video = example.audio, example.video
        if clip.sound is None:
            audio = "absent"
        elif clip.silent and audio == "present":
            audio = "silent"
        if clip.frames is None:
            video = "absent"
        elif clip.black and video == "present":
            video = "black"
        yield replace(example, audio=audio, video=video), clip

    def _pad_rows(self, rows: Sequence[Tokens]) -> dict[str, torch.Tensor]:
        """Join prompts and answers, pad to the right, and put labels on the answers."""
        length = max(len(row.prompt) + len(row.answer) for row in rows)
        if self.max_length is not None and length > self.max_length:
            raise EmoError(f"an example has {length} tokens, the longest allowed is {self.max_length}")
        ids = torch.full((len(rows), length), self.processor.tokenizer.pad_token_id)  # (batch, length)
        labels = torch.full_like(ids, IGNORED)  # (batch, length)
        mask = torch.zeros_like(ids)  # (batch, length)
        for i, row in enumerate(rows):
            start, end = len(row.prompt), len(row.prompt) + len(row.answer)
            ids[i, :start], ids[i, start:end] = torch.from_numpy(row.prompt), torch.from_numpy(row.answer)
            labels[i, start:end] = ids[i, start:end]
            mask[i, :end] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def sound_of(example: Example, clip: StoredClip) -> NDArray[np.float32] | None:
    """Return the waveform, zeros where it is silenced."""
    if example.audio == "absent" or clip.audio is None:
        return None
    return clip.audio if example.audio == "present" or clip.silent else np.zeros_like(clip.audio)


def pictures_of(example: Example, clip: StoredClip) -> NDArray[np.uint8] | None:
    """Return the frames, zeros where they are blackened."""
    if example.video == "absent" or clip.frames is None:
        return None
    return clip.frames if example.video == "present" or clip.black else np.zeros_like(clip.frames)


def texts_to_learn(records: Sequence[Record], tasks: Sequence[str]) -> list[str]:
    """Return prompts and answers of all records without media and template: what a new tokenizer learns from."""
    texts = []
    for record in records:
        lessons = [ask(record, index, MODALITIES) for index in range(len(record.targets.qa or ())) if "ask" in tasks]
        for task in (TASKS[name] for name in tasks):
            if task.style != "text" and teachable(record, task, MODALITIES):
                lessons.append(lesson(record, task, MODALITIES))
        for one in lessons:
            (message,) = render(record, one.task, audio=False, video=False)
            texts += [message["content"][0]["text"], harmless(answer_string(one.answer, one.task), one.task)]
    return texts


def harmless(answer: str, task: Task, special_tokens: tuple[str, ...] = ()) -> str:
    """Return an answer string without control tokens but the tags of its own thought."""
    if task.style != "think":
        return escape(answer, special_tokens)
    thought, _, rest = answer.removeprefix("<think>").partition("</think>")
    return f"<think>{escape(thought, special_tokens)}</think>{escape(rest, special_tokens)}"
