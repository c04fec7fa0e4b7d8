"""TRL's GRPO trainer, taught to hear and see: media reach every forward pass, and each tower runs once a clip.

TRL 1.16 knows pictures only. With sound and video it hands media to sampling alone, and learns from log-probabilities of a model that is
deaf and blind, without a word (trl/trainer/grpo_trainer.py; its hooks are private, so the version is pinned and tests count what
arrives). Four hooks mend that:

    _generate_and_score_completions   the towers encode each clip once; every row gets the number of its clip
    _tokenize_prompts                 our ids and those numbers go into sampling
    _get_per_token_logps_and_entropies, compute_loss
                                      the numbers go into the forward passes of policy, old policy and reference

The numbers take the place of the media tensors, row by row: TRL shuffles, splits and repeats them like any tensor of a batch. Inside the
model a `Recall` stands where the tower's forward was, and answers a number with the states of that clip. Towers are frozen here, so
nothing is lost.

Also mended, each with a test: what must not be sampled (TRL knows the image token alone); the reference model (TRL reads it again from the
name in the configuration, which is not the model one started from after a merge, and reads no classes of ours); dropout between sampling
and scoring; sampling in mixed precision.

Does not: use vLLM for sampling, tools, environments, or RLOO.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import nn
from transformers import PreTrainedTokenizerBase
from trl import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head, disable_dropout_in_model

from emollm.models.encoder import AVEncoder
from emollm.models.modeling import MEDIA_KEYS, EmoForConditionalGeneration
from emollm.models.towers import Tower
from emollm.train.checkpoints import WholeSteps
from emollm.train.examples import Example
from emollm.train.rollouts import Judge, Prompts

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


class TowerMemory:
    """The states of both towers for the clips of one batch of answers.

    Args:
        encoder: The model's encoder; while the memory is in use (`with memory:`), its towers recall and do not compute.
    """

    def __init__(self, encoder: AVEncoder) -> None:
        self.towers: tuple[Tower, ...] = (encoder.audio_tower, encoder.video_tower)
        self.recalls = tuple(Recall(tower) for tower in self.towers)
        self._numbers: dict[str, torch.Tensor] = {}

    def __enter__(self) -> TowerMemory:
        for tower, recall in zip(self.towers, self.recalls, strict=True):
            tower.forward = recall  # type: ignore[method-assign, assignment]  # on the instance: names of weights stay as they are
        return self

    def __exit__(self, *_: object) -> None:
        for tower in self.towers:
            del tower.forward

    @torch.no_grad()
    def hold(self, media: Mapping[str, torch.Tensor], places: Sequence[int], clips: int) -> None:
        """Encode clips, in place of those held before.

        Args:
            media: Media tensors of the clips that have any.
            places: Which of the clips these are.
            clips: Number of clips.
        """
        device = next(self.towers[0].parameters()).device
        at = torch.tensor(places, device=device, dtype=torch.long)
        for recall, (features, mask) in zip(self.recalls, PAIRS, strict=True):
            recall.states = recall.mask = None
            number = torch.zeros(clips, dtype=torch.long, device=device)
            there = torch.zeros(clips, dtype=torch.bool, device=device)
            if features in media:
                rows = media[mask].any(dim=1)  # those with this modality
                recall.states, recall.mask = recall.encode(
                    media[features][rows].to(device), media[mask][rows].to(device)
                )
                there[at] = rows.to(device)
                number[at] = (rows.cumsum(0) - 1).clamp(min=0).to(device)
            self._numbers |= {features: number, mask: there}

    def rows(self, clips: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return what stands for the media of rows about these clips: numbers and presence, each `(rows, 1)`."""
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
        memory: TowerMemory,
        write: Callable[[list[dict[str, Any]]], None],
        reference: EmoForConditionalGeneration | None,
        beta: float,
        **options: Any,
    ) -> None:
        self.prompts, self.judge, self.memory, self.write = prompts, judge, memory, write
        self._media: dict[str, torch.Tensor] = {}
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
        media, places = self.prompts.media_of(clips)
        with self.accelerator.autocast():
            self.memory.hold(media, places, len(clips))
        self._media = self.memory.rows([clips.index(example) for example in self.examples])
        self._prompt_ids = [self.prompts.tokens_of(example).prompt.tolist() for example in self.examples]
        messages = {example: self.prompts.messages_of(example) for example in clips}
        rows = [{**row, "prompt": messages[one]} for row, one in zip(inputs, self.examples, strict=True)]
        numbers = self._media
        out = super()._generate_and_score_completions(rows)
        if self.model.training:
            lines = self.judge.rows(self.examples, self.state.global_step + 1, out["advantages"].tolist())
            lines = gather_object(lines)
            if self.accelerator.is_main_process:
                self.write(lines)
        return {**out, **numbers}

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, torch.Tensor]]:
        """Return our ids and what stands for the media; the messages are for rewards and logs."""
        return self._prompt_ids, None, dict(self._media)

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        """Sample in the precision of training (TRL leaves PEFT models out of autocast), and keep the time."""
        started = time.perf_counter()
        with self.accelerator.autocast():
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
        """Take the media of these rows: TRL has shuffled and split the batch."""
        self._media = {name: inputs[name] for name in MEDIA_KEYS}
        return super().compute_loss(model, inputs, *args, **kwargs)

    def _get_per_token_logps_and_entropies(self, model: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Give every chunk of rows that TRL cuts its part of the media."""
        done = 0

        def with_media(**inputs: Any) -> Any:
            nonlocal done
            rows = slice(done, done + len(inputs["input_ids"]))
            done = rows.stop
            return model(**inputs, **{name: values[rows] for name, values in self._media.items()})

        return super()._get_per_token_logps_and_entropies(with_media, *args, **kwargs)


def reference_of(model: EmoForConditionalGeneration, memory: TowerMemory) -> EmoForConditionalGeneration:
    """Return a copy of a model before it is trained; frozen weights and the towers are shared, so it costs what will be trained."""
    shared: dict[int, Any] = {id(tower): tower for tower in memory.towers}
    shared |= {id(parameter): parameter for parameter in model.parameters() if not parameter.requires_grad}
    return copy.deepcopy(model, shared).requires_grad_(False)


def silence_dropout(model: nn.Module) -> None:
    """Turn all dropout off, also that of attention, which is a number and no module: TRL's own switch passes over it."""
    disable_dropout_in_model(model)
    for module in model.modules():
        for name in ("attention_dropout", "dropout", "activation_dropout", "layerdrop"):
            if isinstance(vars(module).get(name), float):
                setattr(module, name, 0.0)


def unsampled(tokenizer: PreTrainedTokenizerBase, stop_ids: Sequence[int], size: int) -> list[int]:
    """Return the tokens that must never be sampled: placeholders (they would be media without media), turns, and ids without a token.

    Args:
        tokenizer: The model's tokenizer.
        stop_ids: Tokens that end an answer.
        size: Width of the model's output.
    """
    special = set(tokenizer.all_special_ids) | set(range(len(tokenizer), size))
    return sorted(special - set(stop_ids))
