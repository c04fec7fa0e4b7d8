"""Direct preference optimisation: `emollm dpo RECIPE`. A model learns which answer fits a clip, and which clip an answer fits.

    pairs (emollm/pairs.py) -> batches of both sides (pair_batches.py) -> TRL's DPOTrainer (multimodal_dpo.py) -> checkpoints/final

Method: Rafailov et al. 2023, https://arxiv.org/abs/2305.18290; pairs over answers and over media, and a penalty for what words alone
suggest, after AVEm-DPO, https://arxiv.org/abs/2602.07054. Towers are frozen and run once a clip and batch, adapters and fusion train in
full or not, the decoder in full or by LoRA, which is merged at the end. The reference is the model that the run started from; it shares all
weights that are not trained.

The loop is TRL's and transformers'. Several GPUs: start with torchrun. A run that was cut goes on from its last saved step
(`save.every_steps`, `resume=auto`) exactly as it would have gone. Does not: train towers, or sample answers (`emollm grpo` does).
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peft import PeftModel
from rich.console import Console
from transformers import PrinterCallback
from transformers.utils.logging import disable_progress_bar
from trl import DPOConfig

from emollm.config_dpo import DpoRecipe
from emollm.config_policy import FINAL, STAGE
from emollm.errors import ConfigError, EmoError
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.pairs import KINDS, Pair, read_pairs
from emollm.run import Run, read_metrics
from emollm.train.arguments import use_bfloat16
from emollm.train.backbone import Backbone
from emollm.train.blocks import check_blocks, check_world_size, fingerprints
from emollm.train.card import told_blocks
from emollm.train.citations import citations
from emollm.train.fused_head import labels_only
from emollm.train.multimodal_dpo import MultimodalDPOTrainer
from emollm.train.multimodal_rl import TowerMemory, reference_of
from emollm.train.pair_batches import PairCollator, clips_of
from emollm.train.policy_progress import StepProgress, plot_panels
from emollm.train.policy_run import common_arguments, last_checkpoint, open_run
from emollm.train.sft import build_model, finish, is_main_process, make_collator, save, set_dtypes, with_lora
from emollm.train.trouble import disk_told

DPO = """@inproceedings{rafailov2023dpo,
  title={Direct Preference Optimization: Your Language Model is Secretly a Reward Model},
  author={Rafailov, Rafael and Sharma, Archit and Mitchell, Eric and Ermon, Stefano and Manning, Christopher D. and Finn, Chelsea},
  booktitle={NeurIPS}, year={2023}
}"""
AVEM_DPO = """@inproceedings{chaubey2026avere,
  title={{AVERE}: Improving Audiovisual Emotion Reasoning with Preference Optimization},
  author={Chaubey, Ashutosh and Pang, Jiacheng and Siniukov, Maksim and Soleymani, Mohammad},
  booktitle={ICLR}, year={2026}, url={https://arxiv.org/abs/2602.07054}
}"""
NAMES = {
    "loss": "loss",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "logps/chosen": "logp_chosen",
    "logps/rejected": "logp_rejected",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
    **{f"preferred/{kind}": f"preferred/{kind}" for kind in KINDS},
}
SHOWN = {"loss": "loss", "margin": "margin", "accuracy": "accuracy", "learning_rate": "lr"}
PANELS = (
    ("loss", "loss", ""),
    ("margin", "margin", ""),
    ("accuracy", "share of pairs that are preferred", "preferred/"),
    ("logp_chosen", "log-probability of the better side", ""),
)


@dataclass(frozen=True)
class PairPlan:
    """Numbers of pairs in training order, all epochs, and what was left out by reason."""

    order: list[int]
    left_out: Counter[str] = field(default_factory=Counter)


def train(recipe: DpoRecipe) -> Path:
    """Run a recipe and return its run folder.

    Raises:
        EmoError: Pairs, media, model or recipe are wrong, or the run did not train what it should.
    """
    console = Console(stderr=True, quiet=not is_main_process())
    disable_progress_bar()
    pairs = load_pairs(recipe.data.train, recipe.data.limit)
    backbone, model, collator = prepare(recipe, pairs)
    checkpoint = last_checkpoint(recipe)
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    plan = plan_pairs(recipe, collator, model.config.text_config.max_position_embeddings, world_size)
    run = open_run(recipe, checkpoint)
    kinds = Counter(pair.kind for pair in pairs)
    told = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    console.print(f"{recipe.name}: {len(pairs)} pairs ({told}), run folder {run.folder}")
    for reason, count in plan.left_out.items():
        console.print(f"{count} left out: {reason}", style="yellow")
    collator.clips.fill((2 * number + side for number in plan.order for side in (0, 1)), recipe.data.workers)
    started = time.perf_counter()
    model = learn(recipe, run, model, backbone, collator, plan, checkpoint, console)
    if is_main_process():
        results = {
            **{f"pairs, {kind}": count for kind, count in kinds.items()},
            "steps": steps_of(recipe, plan, world_size),
            "hours": round((time.perf_counter() - started) / 3600, 3),
            **{f"left out, {reason}": count for reason, count in plan.left_out.items()},
            "left out, the files do not show what the pair is about": len(collator.unfit),
            **{f"last {name}": value for name, value in read_metrics(run.folder)[-1].items() if name in NAMES.values()},
        }
        save(model, collator.processor, run.checkpoints / FINAL, recipe.save.dtype)
        plot_panels(run.metrics, run.plots / "policy.png", PANELS)
        write_card(recipe, run, model, pairs, results)
        console.print(f"finished: {run.checkpoints / FINAL}")
    return run.folder


def learn(
    recipe: DpoRecipe,
    run: Run,
    model: EmoForConditionalGeneration,
    backbone: Backbone,
    collator: PairCollator,
    plan: PairPlan,
    checkpoint: str | None,
    console: Console,
) -> EmoForConditionalGeneration:
    """Train the policy and return the model, LoRA merged."""
    stage, modes = recipe.as_stage, recipe.blocks.model_dump()
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    steps = steps_of(recipe, plan, world_size)
    torch.manual_seed(recipe.seed)  # LoRA starts at random
    model.set_trainable(modes)
    set_dtypes(model, modes, use_bfloat16(recipe.as_sft))
    before = fingerprints(model)
    with TowerMemory(model.model.av_encoder) as memory, labels_only():
        reference = reference_of(model, memory)
        trained: EmoForConditionalGeneration | PeftModel = with_lora(model, stage, backbone) if stage.lora else model
        trainer = MultimodalDPOTrainer(
            model=trained,
            ref_model=reference.eval(),
            args=trainer_arguments(recipe, run, steps),
            train_dataset=Dataset.from_dict({"pair": plan.order}),
            data_collator=collator,
            processing_class=collator.processor,
            memory=memory,
            text_prior=recipe.text_prior,
        )
        check_world_size(world_size, trainer.accelerator.num_processes)
        epochs = len(plan.order) / len(collator.all_pairs)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(StepProgress(run.log, row_of, SHOWN, epochs, console))
        with disk_told(run.folder, trained):
            trainer.train(resume_from_checkpoint=checkpoint)
    model = finish(trained, stage, run.checkpoints / STAGE, False, collator.processor)
    check_blocks(before, fingerprints(model), modes, STAGE)
    return model


def trainer_arguments(recipe: DpoRecipe, run: Run, steps: int) -> DPOConfig:
    """Translate a recipe into TRL's arguments."""
    losses = [(recipe.loss_type, 1.0), ("sft", recipe.sft_weight)]
    used = [(name, weight) for name, weight in losses if weight]
    return DPOConfig(
        **common_arguments(recipe, run, steps),
        beta=recipe.beta,
        loss_type=[name for name, _ in used],
        loss_weights=[weight for _, weight in used],
        max_length=None,  # TRL would cut
        train_sampling_strategy="sequential",
    )


def load_pairs(paths: Sequence[str], limit: int | None = None) -> list[Pair]:
    """Read files of pairs in order, the first `limit` pairs of all.

    Raises:
        EmoError: A file is missing or wrong, or there are no pairs.
    """
    pairs = [pair for path in paths for pair in read_pairs(path)][:limit]
    if not pairs:
        raise EmoError(
            "there are no pairs", ", ".join(paths), "make them: emollm data make-preferences RECORDS -o FILE"
        )
    return pairs


def prepare(recipe: DpoRecipe, pairs: Sequence[Pair]) -> tuple[Backbone, EmoForConditionalGeneration, PairCollator]:
    """Return the model to start from and what makes its batches.

    Raises:
        ConfigError: The model is an omni backbone.
    """
    backbone, model, processor = build_model(recipe.as_sft, ())
    if not isinstance(model, EmoForConditionalGeneration):
        raise ConfigError("an omni backbone cannot learn from pairs yet", recipe.start, "give a model of ours")
    clips, places = clips_of(pairs)
    with_prior = recipe.text_prior > 0
    return backbone, model, PairCollator(pairs, make_collator(recipe.as_sft, clips, processor), places, with_prior)


def plan_pairs(recipe: DpoRecipe, collator: PairCollator, longest: int, world_size: int = 1) -> PairPlan:
    """Plan a run: each pair once an epoch, shuffled; pairs that are too long are left out and counted, never cut.

    Args:
        recipe: Epochs or steps, sizes, seed.
        collator: Over the pairs.
        longest: Positions of the model.
        world_size: Number of processes that share a step.

    Raises:
        ConfigError: Nothing is left to train on.
    """
    pairs = len(collator.all_pairs)
    wanted = None if recipe.max_steps is None else recipe.max_steps * per_step(recipe, world_size)
    reasons: dict[int, str] = {}
    order: list[int] = []
    for drawn, number in enumerate(_shuffled(pairs, recipe.seed)):
        if (len(order) if wanted else drawn) == (wanted or round(recipe.epochs * pairs)) or len(reasons) == pairs:
            break
        if number not in reasons and (reason := _too_long(recipe, collator, number, longest)):
            reasons[number] = reason
        if number not in reasons:
            order.append(number)
    left_out = Counter(reasons.values())
    if not order:
        told = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise ConfigError(f"no pair is left to train on ({told})", fix="raise max_prompt_length, or epochs")
    return PairPlan(order, left_out)


def _shuffled(pairs: int, seed: int) -> Iterator[int]:
    """Yield the numbers of all pairs in an order of its own for each epoch, without end."""
    for epoch in itertools.count():
        yield from np.random.default_rng([seed, epoch]).permutation(pairs).tolist()


def _too_long(recipe: DpoRecipe, collator: PairCollator, number: int, longest: int) -> str | None:
    """Return why a pair cannot be used, or None."""
    sides = [collator.tokens_of(example) for example in collator.examples_of([number])]
    if len(sides[0].prompt) > recipe.max_prompt_length:
        return f"prompts longer than {recipe.max_prompt_length} tokens"
    if max(len(side.prompt) + len(side.answer) for side in sides) > longest:
        return f"longer than the model's {longest} tokens"
    return None


def per_step(recipe: DpoRecipe, world_size: int) -> int:
    """Return the pairs of one step, over all processes."""
    return recipe.batch_size * recipe.gradient_accumulation * world_size


def steps_of(recipe: DpoRecipe, plan: PairPlan, world_size: int) -> int:
    """Return the number of steps that a plan makes."""
    return -(-len(plan.order) // per_step(recipe, world_size))


def row_of(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what TRL logs under our names."""
    return {name: round(float(logs[key]), 8) for key, name in NAMES.items() if logs.get(key) is not None}


def write_card(
    recipe: DpoRecipe, run: Run, model: EmoForConditionalGeneration, pairs: Sequence[Pair], results: dict[str, Any]
) -> None:
    """Write the card: what was preferred to what, what came out, and whom to cite."""
    run.card(
        recipe.name,
        f"Trained by `emollm dpo` from {recipe.model.path} on {len(pairs)} pairs: beta {recipe.beta:g}, loss {recipe.loss_type}, weight of "
        f"the text prior {recipe.text_prior:g}. What is preferred in training is no measure of quality: score the model on clips that it "
        "has not seen.",
        seed=recipe.seed,
        data=recipe.data.train,
        blocks=told_blocks(model, [recipe.as_stage]),
        results=results,
        citations=[DPO, AVEM_DPO, *citations(model, lora=recipe.lora is not None)],
        valid_for="synthetic" if all(pair.record.dataset == "synth" for pair in pairs) else None,
    )
