"""Supervised fine-tuning: `emollm sft RECIPE`. Setup, then the stages one after the other, then one stand-alone checkpoint.

    records -> plan (examples.py) -> batches (collate.py) -> TRL's SFTTrainer, once a stage -> checkpoints/final

Each stage says for every block whether it is frozen, trained in full or (the decoder) by LoRA (Hu et al. 2021,
https://arxiv.org/abs/2106.09685). LoRA is merged into the weights at the end of its stage, so the next stage, and the finished model,
need no PEFT; the adapter itself is kept in `checkpoints/<stage>/`, and `emollm merge` can apply it again.

The inner loop (optimiser, schedule, accumulation, several processes) is TRL's and transformers'. Several GPUs: start with torchrun.
A run that was cut goes on after its last finished stage (`resume=auto`). Does not: go on inside a stage, or quantise weights.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from rich.console import Console
from transformers import PrinterCallback, Trainer, set_seed
from transformers.trainer_utils import SaveStrategy
from transformers.utils.logging import disable_progress_bar
from trl import SFTConfig

from emollm.config import Recipe, Stage, dump_recipe
from emollm.errors import EmoError
from emollm.models.encoder import is_frozen
from emollm.models.loading import cast_weights
from emollm.models.modeling import BLOCKS, EmoForConditionalGeneration, parameters_by_block
from emollm.models.processor import EmoProcessor
from emollm.records import Record, read_records
from emollm.run import Run
from emollm.train.arguments import trainer_arguments, use_bfloat16
from emollm.train.auxiliary import AnswerTrainer
from emollm.train.backbone import Backbone, backbone_of
from emollm.train.blocks import check_blocks, check_world_size, fingerprints
from emollm.train.citations import citations
from emollm.train.clips import ClipMemory, ClipReader
from emollm.train.collate import Collator, texts_to_learn
from emollm.train.examples import Plan, plan_dev, plan_stage
from emollm.train.fused_head import labels_only
from emollm.train.omni import collator_class, merged
from emollm.train.perceive import CueCollator, CueReader, gather_statistics, phrases_of
from emollm.train.plot import plot_loss
from emollm.train.progress import StageProgress
from emollm.train.resume import finished_stages, load_stage, reopen, save_stage, steps_of
from emollm.train.soft_prompts import SoftPromptCollator

MAX_SIDE_PX = 512  # as pictures are decoded at inference, before they are brought to the tower's size
FINAL = "final"


@dataclass
class Session:
    """What all stages of a run share.

    Attributes:
        recipe: What to do.
        run: The run folder.
        backbone: Makes the model, and knows what LoRA may change.
        processor: Template, tokenizer and media features.
        train: Collator over the training records.
        dev: Collator over the dev records, or None.
        console: Where people read.
        steps: Steps done in the stages so far.
    """

    recipe: Recipe
    run: Run
    backbone: Backbone
    processor: EmoProcessor
    train: Collator
    dev: Collator | None
    console: Console
    steps: int = 0


def train(recipe: Recipe) -> Path:
    """Run a recipe and return its run folder.

    Raises:
        EmoError: Records, media or recipe are wrong, or a stage did not train what it should.
    """
    console = Console(stderr=True, quiet=not is_main_process())
    disable_progress_bar()  # of transformers, for writing shards; ours is in progress.py
    records = load_records(recipe.data.train, recipe.data.limit)
    done = finished_stages(recipe, recipe.folder) if _goes_on(recipe) else 0
    run = _open_run(recipe)
    backbone, model, processor = build_model(recipe, records)
    dev_records = load_records(recipe.data.dev) if recipe.data.dev else []
    session = Session(
        recipe,
        run,
        backbone,
        processor,
        make_collator(recipe, records, processor),
        make_collator(recipe, dev_records, processor) if dev_records else None,
        console,
    )
    total = sum(count for count, _ in parameters_by_block(model).values())
    console.print(f"{recipe.name}: {len(records)} records, {total / 1e6:.2f} M parameters, run folder {run.folder}")
    results: dict[str, float | int | str] = {}
    if done:
        model = load_stage(run.checkpoints / recipe.stages[done - 1].name)
        session.steps = steps_of(run, recipe.stages[:done])
        console.print(f"{', '.join(stage.name for stage in recipe.stages[:done])}: finished before")
    for index, stage in enumerate(recipe.stages[done:], done):
        model = train_stage(session, model, stage, index, results)
    if is_main_process():
        save(model, processor, run.checkpoints / FINAL, recipe.save.dtype)
        plot_loss(run.metrics, run.plots / "loss.png")
        write_card(session, model, records, results)
        console.print(f"finished: {run.checkpoints / FINAL}")
    return run.folder


def train_stage(
    session: Session, model: EmoForConditionalGeneration, stage: Stage, index: int, results: dict[str, Any]
) -> EmoForConditionalGeneration:
    """Train one stage and return the model, LoRA merged."""
    recipe, run = session.recipe, session.run
    seed, modes = recipe.seed + index, stage.blocks.model_dump()
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    collator = session.train
    collator.max_length = stage.max_length
    dropout = stage.modality_dropout or recipe.modality_dropout
    plan = plan_stage(collator.records, stage, dropout, [recipe.seed, index], collator.length_of, world_size)
    report_left_out(session.console, stage.name, plan)
    collator.clips.fill((example.record for example in plan.examples), recipe.data.workers)

    set_seed(seed)
    model.set_trainable(modes)
    set_dtypes(model, modes, use_bfloat16(recipe))
    before = fingerprints(model)
    collate = partial(batches, recipe, stage, model)
    trained: Any = with_lora(model, stage, session.backbone) if stage.lora else model
    trainer = make_trainer(
        session,
        trained,
        stage,
        trainer_arguments(recipe, stage, run.checkpoints / stage.name, len(plan.examples), seed),
        dataset(plan),
        collate(collator),
    )
    check_world_size(world_size, trainer.accelerator.num_processes)
    per_step = stage.batch_size * stage.gradient_accumulation * world_size
    epochs = len(plan.examples) / max(1, len(collator.records))
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(StageProgress(stage.name, run.log, session.steps, epochs, per_step, session.console))

    started = time.perf_counter()
    with labels_only():
        trainer.train()
    results |= {
        f"{stage.name}: steps": trainer.state.global_step,
        f"{stage.name}: hours": round((time.perf_counter() - started) / 3600, 3),
        **{f"{stage.name}: left out, {reason}": count for reason, count in plan.left_out.items() if count},
        f"{stage.name}: clips that cannot be decoded": len(collator.clips.bad),
    }
    session.steps += trainer.state.global_step
    gather_statistics(model, False)
    if session.dev is not None:
        results[f"{stage.name}: dev loss"] = dev_loss(session, trainer, stage, collate)
    model = finish(trained, stage, run.checkpoints / stage.name, index + 1 < len(recipe.stages), session.processor)
    check_blocks(before, fingerprints(model), modes, stage.name)
    return model


def batches(
    recipe: Recipe, stage: Stage, model: EmoForConditionalGeneration, collator: Collator
) -> Collator | SoftPromptCollator:
    """Return what makes a stage's batches: clips that a frozen encoder sees are encoded once, where there is room."""
    room_gb = recipe.data.soft_prompt_memory_gb
    if room_gb and stage.objective == "answers" and is_frozen(model.model.av_encoder):
        return SoftPromptCollator(collator, model, room_gb)
    return collator


def make_trainer(
    session: Session,
    model: EmoForConditionalGeneration,
    stage: Stage,
    args: SFTConfig,
    data: Dataset,
    collate: Collator | SoftPromptCollator,
) -> Trainer:
    """Return the trainer of a stage's objective: TRL's for answers, transformers' for cues."""
    if stage.objective == "answers":
        return AnswerTrainer(
            model=model,
            args=args,
            data_collator=collate,
            train_dataset=data,
            processing_class=session.processor,
        )
    gather_statistics(model, True)
    phrases = phrases_of(session.train.records)
    args.prediction_loss_only = True
    args.save_strategy = (
        SaveStrategy.NO
    )  # its linear layers are of no use, and what counts is saved at the end of the stage
    return Trainer(
        model=CueReader(model, phrases),
        args=args,
        data_collator=CueCollator(session.train, phrases),
        train_dataset=data,
    )


def load_records(paths: Sequence[str], limit: int | None = None) -> list[Record]:
    """Read records files in order, the first `limit` records of all.

    Raises:
        EmoError: A file is missing or wrong, or there are no records.
    """
    records = [record for path in paths for record in read_records(path)][:limit]
    if not records:
        raise EmoError("there are no records", ", ".join(paths), "give a records file with at least one line")
    return records


def build_model(
    recipe: Recipe, records: Sequence[Record]
) -> tuple[Backbone, EmoForConditionalGeneration, EmoProcessor]:
    """Make the model and its processor; fresh weights follow from the recipe's seed."""
    tasks = list(dict.fromkeys(name for stage in recipe.stages for name in stage.tasks))
    set_seed(recipe.seed)
    backbone = backbone_of(recipe, lambda: texts_to_learn(records, tasks))
    return backbone, backbone.build_model("float32"), backbone.build_processor()


def make_collator(recipe: Recipe, records: Sequence[Record], processor: EmoProcessor) -> Collator:
    """Make the collator, with memory for the clips of these records."""
    reader = ClipReader(
        frames=processor.num_frames,
        max_side_px=MAX_SIDE_PX,
        window_s=processor.audio_window_s,
        sample_rate_hz=processor.feature_extractor.sampling_rate,
        frame_size=processor.frame_size,
    )
    return collator_class(processor)(records, ClipMemory(records, reader, recipe.data.media_memory_gb), processor)


def set_dtypes(model: EmoForConditionalGeneration, modes: dict[str, str], bfloat16: bool) -> None:
    """Hold trained blocks in float32 and, in a bfloat16 run, the others in bfloat16: updates are small, frozen weights are not updated."""
    for name in BLOCKS:
        for module in model.block(name):
            cast_weights(module, torch.bfloat16 if bfloat16 and modes[name] != "full" else torch.float32)


def with_lora(model: EmoForConditionalGeneration, stage: Stage, backbone: Backbone) -> PeftModel:
    """Put LoRA on the decoder; blocks that train in full beside it go into `modules_to_save`, else PEFT loses them, silently."""
    if stage.lora is None:
        raise ValueError(f"stage {stage.name!r} has no LoRA settings")
    config = LoraConfig(
        r=stage.lora.rank,
        lora_alpha=stage.lora.alpha,  # type: ignore[arg-type]  # peft says int, and divides
        lora_dropout=stage.lora.dropout,
        target_modules=backbone.lora_targets(),
        modules_to_save=backbone.adapter_modules(stage.blocks.model_dump()) or None,
    )
    return get_peft_model(model, config)


def finish(
    trained: EmoForConditionalGeneration | PeftModel,
    stage: Stage,
    folder: Path,
    goes_on: bool,
    processor: EmoProcessor,
) -> EmoForConditionalGeneration:
    """Save what the stage made (the adapter, or the model that the next stage starts from) and return the merged model."""
    if isinstance(trained, PeftModel):
        if is_main_process():
            trained.save_pretrained(str(folder))
            processor.save_pretrained(str(folder))
        model: EmoForConditionalGeneration = merged(trained, folder)
    else:
        model = trained
        if goes_on and is_main_process():
            save_stage(model, processor, folder)
    vars(model).pop("forward", None)  # TRL's fused head, put on the instance; the next stage puts its own
    return model


def dev_loss(session: Session, trainer: Trainer, stage: Stage, collate: Callable[[Collator], Any]) -> float:
    """Return the loss over the dev records, nothing dropped."""
    collator = session.dev
    if collator is None:
        raise ValueError("there are no dev records")
    collator.max_length = stage.max_length
    plan = plan_dev(collator.records, stage, [session.recipe.seed], collator.length_of)
    if not plan.examples:
        raise EmoError(f"no dev record teaches a task of stage {stage.name!r}", fix="take data.dev out, or mend it")
    trainer.data_collator = (
        CueCollator(collator, trainer.model.phrases) if isinstance(trainer.model, CueReader) else collate(collator)
    )
    with labels_only():
        loss = trainer.evaluate(dataset(plan))["eval_loss"]
    return round(float(loss), 4)


def dataset(plan: Plan) -> Dataset:
    """Return the plan as the data set that the trainer reads: indices and names, no media."""
    return Dataset.from_list([example.to_row() for example in plan.examples])


def save(model: EmoForConditionalGeneration, processor: EmoProcessor, folder: Path, dtype: str) -> None:
    """Write a stand-alone checkpoint in `dtype`."""
    cast_weights(model, torch.bfloat16 if dtype == "bfloat16" else torch.float32)
    model.save_pretrained(str(folder))
    processor.save_pretrained(str(folder))


def report_left_out(console: Console, stage: str, plan: Plan) -> None:
    """Tell how many examples a stage has, and what was left out."""
    console.print(f"{stage}: {len(plan.examples)} examples")
    for reason, count in plan.left_out.items():
        if count:
            console.print(f"{stage}: {count} left out: {reason}", style="yellow")


def is_main_process() -> bool:
    """Tell whether this process writes files and talks to people."""
    return int(os.environ.get("RANK", "0")) == 0


def _open_run(recipe: Recipe) -> Run:
    """Make the run folder, once over all processes."""
    if not is_main_process():
        return Run(recipe.folder)
    if _goes_on(recipe):
        return reopen(recipe, recipe.folder)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return Run.create(recipe.folder, dump_recipe(recipe), device)


def _goes_on(recipe: Recipe) -> bool:
    """Tell whether there is a run to go on with."""
    return recipe.resume == "auto" and (recipe.folder / "config.yaml").is_file()


def write_card(
    session: Session, model: EmoForConditionalGeneration, records: Sequence[Record], results: dict[str, Any]
) -> None:
    """Write the card: what was trained, on what, how well, and whom to cite."""
    recipe = session.recipe
    counts = {name: total for name, (total, _) in parameters_by_block(model).items()}
    synthetic = all(record.dataset == "synth" for record in records)
    session.run.card(
        recipe.name,
        f"Trained by `emollm sft` in {len(recipe.stages)} stage(s) on {len(records)} records.",
        seed=recipe.seed,
        data=[*recipe.data.train, *(recipe.data.dev or ())],
        blocks={
            name: f"{count:,} parameters: " + ", then ".join(s.blocks.model_dump()[name] for s in recipe.stages)
            for name, count in counts.items()
        },
        results=results,
        citations=citations(model, lora=any(stage.lora for stage in recipe.stages)),
        valid_for="synthetic" if synthetic else None,
    )
