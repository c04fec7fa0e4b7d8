"""TRL's GRPO trainer, taught to hear and see: media reach every forward pass, and each tower runs once a clip.

TRL 1.16 knows pictures only. With sound and video it hands media to sampling alone, and learns from log-probabilities of a model that is
deaf and blind, without a word (trl/trainer/grpo_trainer.py; its hooks are private, so the version is pinned and tests count what
arrives). Four hooks mend that:

    _generate_and_score_completions   the towers encode each clip once; every row gets the number of its clip
    _tokenize_prompts                 our ids and what stands for the media go into sampling
    _get_per_token_logps_and_entropies, compute_loss
                                      the same goes into the forward passes of policy, old policy and reference

A row's number is all that TRL shuffles and splits, like any tensor of a batch. Before each forward pass a `Memory` turns the numbers of its
rows into inputs of the model's family, and inside the model it answers with the states of these clips where a tower would compute. Towers
are frozen here, so nothing is lost. The native family's memory is below, that of omni backbones in omni_rl.py.

Also mended, each with a test: what must not be sampled (TRL knows the image token alone); the reference model (TRL reads it again from the
name in the configuration, which is not the model one started from after a merge, and reads no classes of ours); dropout between sampling
and scoring; sampling in mixed precision.

Does not: use vLLM for sampling, tools, environments, or RLOO.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, Self

import torch
from accelerate.utils import gather_object
from torch import nn
from transformers import PreTrainedTokenizerBase
from trl import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head, disable_dropout_in_model

from emollm.models.encoder import AVEncoder
from emollm.models.modeling import MEDIA_KEYS, EmoForConditionalGeneration, EmoModel
from emollm.models.towers import Tower
from emollm.train.checkpoints import WholeSteps
from emollm.train.examples import Example
from emollm.train.rollouts import Judge, Prompts
from emollm.train.shared_prompts import SharedPrompts

PLACEHOLDER = re.compile("(audio|image|video|vision)(_start|_end)?_token_id")  # keys of a configuration
PAIRS = ((MEDIA_KEYS[0], MEDIA_KEYS[1]), (MEDIA_KEYS[2], MEDIA_KEYS[3]))  # features and their mask: sound, picture


class Recall:
    """Stands in for a tower's forward: numbers of clips come in, the states of these clips go out.

    Args:
        tower: A frozen tower.
    """

    def __init__(self, tower: Tower) -> None:
        self.encode: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]] = tower.forward
        self.states: torch.Tensor | None = None
        self.mask: torch.Tensor | None = None

    def __call__(self, numbers: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return states `(rows, steps, width)` and mask `(rows, steps)` for numbers `(rows, 1)`."""
        if self.states is None or self.mask is None:
            raise RuntimeError("no clip has been encoded")
        return self.states[numbers[:, 0]], self.mask[numbers[:, 0]]


class Memory(Protocol):
    """What towers make of the clips of one batch of answers; in use (`with memory:`), towers recall and do not compute."""

    @property
    def shared(self) -> tuple[object, ...]:
        """Return what a copy of the model shares with it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def hold(self, clips: Sequence[Mapping[str, torch.Tensor]]) -> None:
        """Encode clips, in place of those held before.

        Args:
            clips: For each clip its media tensors, one row each; none of a clip without media.
        """
        ...

    def rows(self, clips: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return what stands for the media of rows about these clips, by the names of the model's inputs."""
        ...


class TowerMemory:
    """The states of the native model's towers for the clips of one batch of answers.

    Args:
        encoder: The model's encoder; while the memory is in use (`with memory:`), its towers recall and do not compute.
    """

    def __init__(self, encoder: AVEncoder) -> None:
        self.shared: tuple[Tower, ...] = (encoder.audio_tower, encoder.video_tower)
        self.recalls = tuple(Recall(tower) for tower in self.shared)
        self._numbers: dict[str, torch.Tensor] = {}

    def __enter__(self) -> TowerMemory:
        for tower, recall in zip(self.shared, self.recalls, strict=True):
            tower.forward = recall  # type: ignore[method-assign, assignment]  # on the instance: names of weights stay as they are
        return self

    def __exit__(self, *_: object) -> None:
        for tower in self.shared:
            del tower.forward

    @torch.no_grad()
    def hold(self, clips: Sequence[Mapping[str, torch.Tensor]]) -> None:
        """Encode clips, in place of those held before; see `Memory`."""
        device = next(self.shared[0].parameters()).device
        for recall, (features, mask) in zip(self.recalls, PAIRS, strict=True):
            recall.states = recall.mask = None
            there = torch.tensor([features in clip and bool(clip[mask].any()) for clip in clips], device=device)
            given = [clip for clip, here in zip(clips, there.tolist(), strict=True) if here]  # those with this modality
            if given:
                recall.states, recall.mask = recall.encode(
                    *(torch.cat([clip[name] for clip in given]).to(device) for name in (features, mask))
                )
            self._numbers |= {features: (there.cumsum(0) - 1).clamp(min=0), mask: there}

    def rows(self, clips: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return for rows about these clips numbers in the place of features and presence in that of masks, each `(rows, 1)`."""
        return {name: values[list(clips)].unsqueeze(1) for name, values in self._numbers.items()}


class MultimodalGRPOTrainer(WholeSteps, GRPOTrainer):
    """GRPO over rows of a plan (`emollm.train.examples.Example`).

    Args:
        prompts: Turns rows into prompts and media.
        judge: Grades the answers.
        memory: Of the model's towers.
        write: Takes the lines of `rollouts.jsonl`, on the main process.
        reference: The model that the policy is held to; None: the policy's own without its adapters, or none where beta is 0.
        beta: Weight of the KL divergence; `args.beta` must be 0, else TRL makes references of its own.
        options: Arguments of TRL's trainer.
    """

    def __init__(
        self,
        *,
        prompts: Prompts,
        judge: Judge,
        memory: Memory,
        write: Callable[[list[dict[str, Any]]], None],
        reference: EmoForConditionalGeneration | None,
        beta: float,
        **options: Any,
    ) -> None:
        self.prompts, self.judge, self.memory, self.write = prompts, judge, memory, write
        self._clips = torch.zeros(0, dtype=torch.long)
        self._prompt_ids: list[list[int]] = []
        super().__init__(**options, reward_funcs=list(judge.columns()))
        silence_dropout(self.model)
        self.beta = beta
        if reference is not None:
            add_fused_lm_head(reference, temperature=self.temperature)
            silence_dropout(reference)
            self.ref_model = self.accelerator.prepare_model(reference.eval(), evaluation_mode=True)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Encode the clips once, sample, grade, and send the clips' numbers along with the rows."""
        asked = [Example(**row) for row in inputs]
        resolved = {example: self.prompts.resolve(example) for example in dict.fromkeys(asked)}
        clips = list(dict.fromkeys(resolved.values()))
        self.examples = [resolved[example] for example in asked]
        ids, media = self.prompts.inputs_of(clips)
        with self.accelerator.autocast():
            self.memory.hold(media)
        numbers = [clips.index(example) for example in self.examples]
        self._clips = of_rows = torch.tensor(numbers, device=self.accelerator.device)  # (rows,)
        self._prompt_ids = [ids[number] for number in numbers]
        messages = {example: self.prompts.messages_of(example) for example in clips}
        rows = [{**row, "prompt": messages[one]} for row, one in zip(inputs, self.examples, strict=True)]
        out = super()._generate_and_score_completions(rows)
        if self.model.training:
            lines = self.judge.rows(self.examples, self.state.global_step + 1, out["advantages"].tolist())
            lines = gather_object(lines)
            if self.accelerator.is_main_process:
                self.write(lines)
        return {**out, "clips": of_rows}

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, torch.Tensor]]:
        """Return our ids and what stands for the media; the messages are for rewards and logs."""
        return self._prompt_ids, None, self.memory.rows(self._clips.tolist())

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        """Sample in the precision of training (TRL leaves PEFT models out of autocast), and keep the time."""
        started = time.perf_counter()
        with self.accelerator.autocast(), self.sharing(self.model):
            out = super()._generate_single_turn(*args, **kwargs)
        mode = "train" if self.model.training else "eval"
        self._metrics[mode]["generation_s"].append(time.perf_counter() - started)
        return out

    def _calculate_rewards(
        self,
        inputs: list[dict[str, Any]],
        prompts: list[Any],
        completions: list[Any],
        completion_ids_list: list[list[int]],
    ) -> torch.Tensor:
        """Grade the whole batch before TRL asks for one reward after the other."""
        ends = {*self.eos_token_ids, self._tokenizer.pad_token_id}
        grades = self.judge(
            self.examples,
            [completion[0]["content"] for completion in completions],
            [len(ids) for ids in completion_ids_list],
            [ids[-1] not in ends for ids in completion_ids_list],
        )
        for name, value in grades.means().items():
            if not name.startswith("reward"):  # TRL logs those
                self._log_metric(name, value)
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Take the clips of these rows: TRL has shuffled and split the batch."""
        self._clips = inputs["clips"]
        return super().compute_loss(model, inputs, *args, **kwargs)

    def _get_per_token_logps_and_entropies(
        self,
        model: nn.Module,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Give every chunk of rows that TRL cuts its part of the media, and let answers to a clip share their prompt."""
        done = 0

        def with_media(**inputs: Any) -> Any:
            nonlocal done
            rows = slice(done, done + len(inputs["input_ids"]))
            done = rows.stop
            return model(**inputs, **self.memory.rows(self._clips[rows].tolist()))

        with self.sharing(model, input_ids.shape[1] - logits_to_keep):
            return super()._get_per_token_logps_and_entropies(
                with_media, input_ids, attention_mask, logits_to_keep, *args, **kwargs
            )

    def sharing(self, model: nn.Module, length: int | None = None) -> AbstractContextManager[object]:
        """Return a context in which answers to a clip share their prompt (see `SharedPrompts`), where the model can do that."""
        backbone = next((module for module in model.modules() if isinstance(module, EmoModel)), None)
        if backbone is None or self.args.gradient_checkpointing:
            return nullcontext()
        return SharedPrompts(backbone, length)


def reference_of(model: EmoForConditionalGeneration, memory: Memory) -> EmoForConditionalGeneration:
    """Return a copy of a model before it is trained; frozen weights and the towers are shared, so it costs what will be trained."""
    shared: dict[int, Any] = {id(part): part for part in memory.shared}
    shared |= {id(parameter): parameter for parameter in model.parameters() if not parameter.requires_grad}
    return copy.deepcopy(model, shared).requires_grad_(False)


def silence_dropout(model: nn.Module) -> None:
    """Turn all dropout off, also that of attention, which is a number and no module: TRL's own switch passes over it."""
    disable_dropout_in_model(model)
    for module in model.modules():
        for name in ("attention_dropout", "dropout", "activation_dropout", "layerdrop"):
            if isinstance(vars(module).get(name), float):
                setattr(module, name, 0.0)


def unsampled(tokenizer: PreTrainedTokenizerBase, config: Any, stop_ids: Sequence[int]) -> list[int]:
    """Return the tokens that must never be sampled: placeholders (they would be media without media), turns, and ids without a token.

    Args:
        tokenizer: The model's tokenizer; that of a checkpoint made elsewhere need not call every placeholder special.
        config: The model's configuration.
        stop_ids: Tokens that end an answer.
    """
    named = {token for key, token in config.to_dict().items() if PLACEHOLDER.fullmatch(key) and isinstance(token, int)}
    nameless = set(range(len(tokenizer), config.get_text_config().vocab_size))
    return sorted((named | nameless | set(tokenizer.all_special_ids)) - set(stop_ids))
