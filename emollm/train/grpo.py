"""Group relative policy optimisation: `emollm grpo RECIPE`. A model samples answers to a clip, and learns from what they earn.

    records -> plan (rollouts.py) -> answers, G to a clip -> rewards (emollm/rewards) -> TRL's GRPOTrainer -> checkpoints/final

Method: Shao et al. 2024, https://arxiv.org/abs/2402.03300; on emotion, AffectGPT-R1, https://arxiv.org/abs/2508.01318. Towers are
frozen and run once a clip (`multimodal_rl.py`), adapters and fusion train in full or not, the decoder in full or by LoRA, which is merged
at the end. An omni backbone (`omni_rl.py`) is trained in its decoder alone.

The loop (sampling, advantages, loss, optimiser, several processes) is TRL's. Several GPUs: start with torchrun. A run that was cut goes on
from its last saved step (`save.every_steps`, `resume=auto`) exactly as it would have gone. Does not: sample with vLLM, or train towers.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from rich.console import Console
from transformers import PrinterCallback
from transformers.utils.logging import disable_progress_bar
from trl import GRPOConfig

from emollm.config_grpo import GrpoRecipe
from emollm.config_policy import FINAL, STAGE
from emollm.errors import ConfigError
from emollm.gold import gold_labels
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.models.processor import EmoProcessor
from emollm.records import Record
from emollm.rewards.loading import Rewards, load_rewards
from emollm.run import Run
from emollm.train.arguments import use_bfloat16
from emollm.train.backbone import Backbone
from emollm.train.blocks import check_blocks, check_world_size, fingerprints
from emollm.train.card import told_blocks
from emollm.train.citations import citations
from emollm.train.examples import Plan
from emollm.train.fused_head import labels_only
from emollm.train.multimodal_rl import MultimodalGRPOTrainer, reference_of, unsampled
from emollm.train.omni_rl import check_backbone, memory_of, prompts_of
from emollm.train.policy_progress import PolicyProgress, plot_panels
from emollm.train.policy_run import common_arguments, last_checkpoint, open_run
from emollm.train.rollouts import Judge, Prompts, plan_rollouts
from emollm.train.sft import (
    build_model,
    dataset,
    finish,
    is_main_process,
    load_records,
    make_collator,
    report_left_out,
    save,
    set_dtypes,
    with_lora,
)
from emollm.train.trouble import disk_told

GRPO = """@article{shao2024deepseekmath,
  title={{DeepSeekMath}: Pushing the Limits of Mathematical Reasoning in Open Language Models},
  author={Shao, Zhihong and Wang, Peiyi and Zhu, Qihao and Xu, Runxin and Song, Junxiao and Zhang, Mingchuan and others},
  journal={arXiv preprint arXiv:2402.03300}, year={2024}
}"""


def train(recipe: GrpoRecipe) -> Path:
    """Run a recipe and return its run folder.

    Raises:
        EmoError: Records, rewards, model or recipe are wrong, or the run did not train what it should.
    """
    console = Console(stderr=True, quiet=not is_main_process())
    disable_progress_bar()
    records = load_records(recipe.data.train, recipe.data.limit)
    rewards = load_rewards(recipe.rewards, records)
    check_backbone(recipe)
    backbone, model, processor = build_model(recipe.as_sft, records)
    prompts = prompts_of(make_collator(recipe.as_sft, records, processor), recipe.asked)
    checkpoint = last_checkpoint(recipe)
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    plan = plan_rollouts(recipe, prompts, world_size)
    check_length(recipe, model, plan)
    run = open_run(recipe, checkpoint)

    report_left_out(console, recipe.name, plan)
    console.print(f"{len(records)} records, {', '.join(rewards.names)}, run folder {run.folder}")
    prompts.clips.fill((example.record for example in plan.examples), recipe.data.workers)
    started = time.perf_counter()
    model = learn(recipe, run, model, backbone, prompts, rewards, plan, checkpoint, console)
    if is_main_process():
        results = {
            "steps": steps_of(recipe, plan, world_size),
            "hours": round((time.perf_counter() - started) / 3600, 3),
            **{f"left out, {reason}": count for reason, count in plan.left_out.items() if count},
            "clips that cannot be decoded": len(prompts.clips.bad),
            **_last_rewards(run),
        }
        save(model, processor, run.checkpoints / FINAL, recipe.save.dtype)
        plot_panels(run.metrics, run.plots / "policy.png")
        write_card(recipe, run, model, records, rewards, results)
        console.print(f"finished: {run.checkpoints / FINAL}")
    return run.folder


def learn(
    recipe: GrpoRecipe,
    run: Run,
    model: EmoForConditionalGeneration,
    backbone: Backbone,
    prompts: Prompts,
    rewards: Rewards,
    plan: Plan,
    checkpoint: str | None,
    console: Console,
) -> EmoForConditionalGeneration:
    """Train the policy and return the model, LoRA merged."""
    stage, modes = recipe.as_stage, recipe.blocks.model_dump()
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    torch.manual_seed(recipe.seed)  # LoRA starts at random
    model.set_trainable(modes)
    set_dtypes(model, modes, use_bfloat16(recipe.as_sft))
    before = fingerprints(model)
    log = RolloutLog(run.folder / "rollouts.jsonl")
    with memory_of(model, prompts.processor) as memory, labels_only():
        full = recipe.beta > 0 and recipe.blocks.decoder != "lora"
        reference = reference_of(model, memory) if full else None
        trained: EmoForConditionalGeneration | PeftModel = with_lora(model, stage, backbone) if stage.lora else model
        trainer = MultimodalGRPOTrainer(
            model=trained,
            args=trainer_arguments(recipe, run, model, prompts.processor, plan),
            train_dataset=dataset(plan),
            processing_class=prompts.processor,
            prompts=prompts,
            judge=Judge(rewards, prompts),
            memory=memory,
            write=log,
            reference=reference,
            beta=recipe.beta,
        )
        check_world_size(world_size, trainer.accelerator.num_processes)
        gold = {record.id: gold_labels(record) or () for record in prompts.records}
        epochs = len(plan.examples) / len(prompts.records)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(PolicyProgress(run.log, log.latest, gold.__getitem__, epochs, console))
        with disk_told(run.folder, trained):
            trainer.train(resume_from_checkpoint=checkpoint)
    model = finish(trained, stage, run.checkpoints / STAGE, False, prompts.processor)
    check_blocks(before, fingerprints(model), modes, STAGE)
    return model


class RolloutLog:
    """Appends to `rollouts.jsonl`, and remembers the last batch for the table.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._latest: list[dict[str, Any]] = []

    def __call__(self, lines: list[dict[str, Any]]) -> None:
        """Append lines."""
        self._latest = lines
        with self.path.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)

    def latest(self) -> list[dict[str, Any]]:
        """Return the lines that were appended last."""
        return self._latest


def trainer_arguments(
    recipe: GrpoRecipe, run: Run, model: EmoForConditionalGeneration, processor: EmoProcessor, plan: Plan
) -> GRPOConfig:
    """Translate a recipe into TRL's arguments.

    The plan is in training order and holds all epochs. `beta` stays 0 here: TRL would make a reference of its own (see `multimodal_rl.py`).
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    steps = steps_of(recipe, plan, world_size)
    stops = model.generation_config.eos_token_id
    stop_ids = [stops] if isinstance(stops, int) else list(stops or ())
    never = unsampled(processor.tokenizer, model.config, [*stop_ids, processor.tokenizer.eos_token_id])
    return GRPOConfig(
        **common_arguments(recipe, run, steps),
        num_generations=recipe.num_generations,
        num_iterations=recipe.num_iterations,
        max_completion_length=recipe.max_completion_length,
        temperature=recipe.temperature,
        generation_kwargs={"suppress_tokens": never},
        loss_type=recipe.loss_type,
        importance_sampling_level="sequence" if recipe.loss_type == "luspo" else "token",
        beta=0.0,
        epsilon=recipe.epsilon,
        epsilon_high=recipe.epsilon_high,
        scale_rewards=recipe.scale_rewards,
        reward_weights=[item.weight for item in recipe.rewards],
        shuffle_dataset=False,
    )


def steps_of(recipe: GrpoRecipe, plan: Plan, world_size: int) -> int:
    """Return the number of steps that a plan makes."""
    steps = len(plan.examples) // (recipe.clips_per_step * world_size) * recipe.num_iterations
    return steps if recipe.max_steps is None else min(steps, recipe.max_steps)


def check_length(recipe: GrpoRecipe, model: EmoForConditionalGeneration, plan: Plan) -> None:
    """Refuse a run without a whole step, or with prompts and answers longer than the model's positions.

    Raises:
        ConfigError: One of the two.
    """
    if not plan.examples:
        need = recipe.clips_per_step * int(os.environ.get("WORLD_SIZE", "1"))
        raise ConfigError(f"fewer clips than one step needs ({need})", fix="lower batch_size, or give more records")
    longest, most = max(plan.lengths) + recipe.max_completion_length, model.config.text_config.max_position_embeddings
    if longest > most:
        raise ConfigError(
            f"the longest prompt and answer have {longest} tokens together, the model takes {most}",
            fix="lower max_completion_length or max_prompt_length",
        )


def _last_rewards(run: Run) -> dict[str, float]:
    """Return the rewards of the last logged row."""
    rows = [json.loads(line) for line in run.metrics.read_text(encoding="utf-8").splitlines()]
    return {f"last {key}": round(value, 4) for key, value in rows[-1].items() if key.startswith("reward")}


def write_card(
    recipe: GrpoRecipe,
    run: Run,
    model: EmoForConditionalGeneration,
    records: Sequence[Record],
    rewards: Rewards,
    results: dict[str, Any],
) -> None:
    """Write the card: what was rewarded, on what, what came out, and whom to cite."""
    parts = ", ".join(f"{weight:g} x {name}" for name, weight in zip(rewards.names, rewards.weights, strict=True))
    run.card(
        recipe.name,
        f"Trained by `emollm grpo` from {recipe.model.path} on {len(records)} records: task {recipe.task}, style {recipe.style}, "
        f"{recipe.num_generations} answers to a clip, reward {parts}. Rewards are what was optimised, not a measure of quality: "
        "score the model on clips that it has not seen.",
        seed=recipe.seed,
        data=recipe.data.train,
        blocks=told_blocks(model, [recipe.as_stage]),
        results=results,
        citations=[GRPO, *rewards.citations, *citations(model, lora=recipe.lora is not None)],
        valid_for="synthetic" if all(record.dataset == "synth" for record in records) else None,
    )
