"""Supervised fine-tuning: `emollm sft RECIPE`. Setup, then the stages one after the other, then one stand-alone checkpoint.

    records -> plan (examples.py) -> batches (collate.py) -> TRL's SFTTrainer, once a stage -> checkpoints/final

Each stage says for every block whether it is frozen, trained in full or (the decoder) by LoRA (Hu et al. 2021,
https://arxiv.org/abs/2106.09685). LoRA is merged into the weights at the end of its stage, so the next stage, and the finished model,
need no PEFT; the adapter itself is kept in `checkpoints/<stage>/`, and `emollm merge` can apply it again.

The inner loop (optimiser, schedule, accumulation, several processes) is TRL's and transformers'. Several GPUs: start with torchrun.
A run that was cut goes on from its last saved step (`save.every_steps`, `resume=auto`) exactly as it would have gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from rich.console import Console
from transformers import PrinterCallback, TrainerState, set_seed
from transformers.utils.logging import disable_progress_bar
from trl import SFTConfig

from emollm.config import Recipe, Stage
from emollm.config_policy import FINAL
from emollm.errors import EmoError
from emollm.media.choice import check_tools
from emollm.models.encoder import is_frozen
from emollm.models.loading import cast_weights
from emollm.models.modeling import BLOCKS, EmoForConditionalGeneration, parameters_by_block
from emollm.models.processor import EmoProcessor
from emollm.records import Record, read_records
from emollm.run import Run
from emollm.train.arguments import trainer_arguments, use_bfloat16
from emollm.train.auxiliary import AnswerTrainer
from emollm.train.backbone import Backbone, backbone_of
from emollm.train.blocks import check_spread, check_world_size, fingerprints, prove
from emollm.train.card import write_card
from emollm.train.checkpoints import StageTrainer, last_step, origin_of, step_of
from emollm.train.clips import ClipMemory, ClipReader
from emollm.train.collate import Collator, texts_to_learn
from emollm.train.early_stop import EarlyStop, best_step, dev_losses, is_spent
from emollm.train.examples import Plan, epochs_of, plan_dev, plan_stage
from emollm.train.fused_head import labels_only
from emollm.train.omni import collator_class, merged, usable, within
from emollm.train.perceive import CueCollator, CueReader, CueTrainer, Phrases, gather_statistics, phrases_of
from emollm.train.plot import plot_loss
from emollm.train.progress import StageProgress
from emollm.train.replay import read_chats
from emollm.train.resume import agreed, cut_metrics, is_made, load_stages, mark_made, open_run, save_whole
from emollm.train.soft_prompts import SoftPromptCollator
from emollm.train.tower_cache import TowerCache, TowerCollator
from emollm.train.trouble import disk_told, memory_told, odd_loss_told, parts_told
from emollm.train.words import chosen_words, media_of

MAX_SIDE_PX = 512  # as pictures are decoded at inference, before they are brought to the tower's size


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
    """

    recipe: Recipe
    run: Run
    backbone: Backbone
    processor: EmoProcessor
    train: Collator
    dev: Collator | None
    console: Console


def train(recipe: Recipe) -> Path:
    """Run a recipe and return its run folder.

    Raises:
        EmoError: Records, media or recipe are wrong, or a stage did not train what it should.
    """
    console = Console(stderr=True, quiet=not is_main_process())
    disable_progress_bar()  # of transformers, for writing shards; ours is in progress.py
    records = load_records(recipe.data.train, recipe.data.limit)
    dev_records = load_records(recipe.data.dev) if recipe.data.dev else []
    chats = read_chats(recipe.data.replay.files) if recipe.data.replay else []
    check_tools(media_of(recipe))
    done = agreed(lambda: open_run(recipe))
    run = Run(recipe.folder)
    if done == len(recipe.stages) and is_made(run.folder, recipe.stages[-1]):
        console.print(f"finished before: {run.checkpoints / FINAL}")
        return run.folder
    records, dev_records = chosen_words(recipe, [records, dev_records], console)
    backbone, model, processor = build_model(recipe, records)
    records, dev_records = (usable(part, processor) for part in (records, dev_records))
    session = Session(
        recipe,
        run,
        backbone,
        processor,
        make_collator(recipe, [*records, *chats], processor),
        make_collator(recipe, dev_records, processor) if dev_records else None,
        console,
    )
    total = sum(count for count, _ in parameters_by_block(model).values())
    console.print(f"{recipe.name}: {len(records)} records, {total / 1e6:.2f} M parameters, run folder {run.folder}")
    results: dict[str, float | int | str] = {}
    if done:
        model = load_stages(run, recipe.stages[:done], model, partial(merge_adapter, recipe))
        console.print(f"{', '.join(stage.name for stage in recipe.stages[:done])}: finished before")
    for index, stage in enumerate(recipe.stages[done:], done):
        model = train_stage(session, model, stage, index, results)
    if is_main_process():
        with disk_told(run.folder, model):
            save(model, processor, run.checkpoints / FINAL, recipe.save.dtype)
            mark_made(run.folder, recipe.stages[-1])
        plot_loss(run.metrics, run.plots / "loss.png")
        write_card(recipe, run, model, records, results)
        console.print(f"finished: {run.checkpoints / FINAL}")
    return run.folder


def train_stage(
    session: Session, model: EmoForConditionalGeneration, stage: Stage, index: int, results: dict[str, Any]
) -> EmoForConditionalGeneration:
    """Train one stage and return the model, LoRA merged."""
    recipe, run, place = session.recipe, session.run, session.run.checkpoints / stage.name
    seed, modes = recipe.seed + index, stage.blocks.model_dump()
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    collator = session.train
    collator.max_length = stage.max_length
    dropout = stage.modality_dropout or recipe.modality_dropout
    replay = recipe.data.replay.share if recipe.data.replay and stage.objective == "answers" else 0.0
    plan = plan_stage(collator.records, stage, dropout, [recipe.seed, index], collator.length_of, world_size, replay)
    report_left_out(session.console, stage.name, plan)
    origin = origin_of(plan, collator.records, world_size)
    saved = last_step(place, origin)
    steps = agreed(lambda: cut_metrics(run, recipe.stages[:index], stage, step_of(saved) if saved else 0))
    collator.clips.fill((example.record for example in plan.examples), recipe.data.workers)

    set_seed(seed)
    model.set_trainable(modes)
    set_dtypes(model, modes, use_bfloat16(recipe))
    before = fingerprints(model)
    keeps = recipe.data.tower_cache_gb and modes["audio_tower"] == modes["video_tower"] == "frozen"
    cache = TowerCache(model.model.av_encoder, recipe.data.tower_cache_gb) if keeps else None
    trained: Any = with_lora(model, stage, session.backbone) if stage.lora else model
    trainer = make_trainer(
        session, trained, stage, trainer_arguments(recipe, stage, place, len(plan.examples), seed), plan, cache
    )
    trainer.origin = origin
    check_world_size(world_size, trainer.accelerator.num_processes)
    check_spread(trainer)
    per_step = stage.batch_size * stage.gradient_accumulation * world_size
    epochs = epochs_of(plan, collator.records)
    trainer.add_callback(StageProgress(stage.name, run.log, steps, epochs, per_step, session.console))

    started = time.perf_counter()
    with (
        nullcontext() if cache is None else cache.in_use(),
        labels_only(),
        disk_told(run.folder, trained),
        memory_told(index, stage, plan),
        odd_loss_told(stage, plan, collator.records, run.folder),
    ):
        results |= learn(trainer, stage, saved)
        results |= {
            f"{stage.name}: hours": round((time.perf_counter() - started) / 3600, 3),
            **{f"{stage.name}: left out, {reason}": count for reason, count in plan.left_out.items() if count},
            f"{stage.name}: clips that cannot be decoded": len(collator.clips.bad),
        }
        gather_statistics(model, False)
        model = finish(trained, stage, place, index + 1 < len(recipe.stages), session.processor)
    prove(before, model, stage, place)
    return model


def learn(trainer: StageTrainer, stage: Stage, saved: Path | None) -> dict[str, Any]:
    """Train a stage, from its last saved step where there is one, and return what came out."""
    patience = stage.early_stopping.patience if stage.early_stopping else None
    if patience is not None:
        trainer.add_callback(EarlyStop(patience))
    state = TrainerState.load_from_json(str(saved / "trainer_state.json")) if saved else TrainerState()
    if saved and patience is not None and is_spent(state.log_history, patience):  # cut between stopping and the end
        trainer.state = state
    else:
        trainer.train(resume_from_checkpoint=str(saved) if saved else None)
    results: dict[str, Any] = {f"{stage.name}: steps": trainer.state.global_step}
    best = best_step(trainer.state.log_history)
    if best is not None:
        trainer._load_from_checkpoint(str(Path(str(trainer.args.output_dir)) / f"checkpoint-{best}"))
        loss = dev_losses(trainer.state.log_history)[best]
        results |= {f"{stage.name}: selected_on": "dev", f"{stage.name}: step that was best on dev": best}
    elif trainer.eval_dataset is not None:
        loss = trainer.evaluate()["eval_loss"]
    else:
        return results
    return results | {f"{stage.name}: dev loss": round(float(loss), 4)}


def make_trainer(
    session: Session,
    model: EmoForConditionalGeneration | PeftModel,
    stage: Stage,
    args: SFTConfig,
    plan: Plan,
    cache: TowerCache | None,
) -> StageTrainer:
    """Return the trainer of a stage's objective: TRL's for answers, transformers' for cues."""
    phrases = None if stage.objective == "answers" else phrases_of(session.train.records)
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    collate = partial(batches, session.recipe, inner, cache, phrases)
    dev = plan_dev_of(session, stage)
    options: dict[str, Any] = {
        "args": args,
        "data_collator": collate(session.train),
        "train_dataset": dataset(plan),
        "eval_dataset": None if dev is None else dataset(dev),
    }
    if phrases is None:
        trainer: StageTrainer = AnswerTrainer(model=model, processing_class=session.processor, **options)
    else:
        gather_statistics(model, True)
        args.prediction_loss_only = True
        trainer = CueTrainer(model=CueReader(inner, phrases), **options)
    trainer.dev_collator = None if session.dev is None else collate(session.dev)
    trainer.remove_callback(PrinterCallback)
    return trainer


def batches(
    recipe: Recipe,
    model: EmoForConditionalGeneration,
    cache: TowerCache | None,
    phrases: Phrases | None,
    collator: Collator,
) -> Any:
    """Return what makes a stage's batches: what is frozen sees a clip once, where there is room."""
    source: Any = collator if cache is None else TowerCollator(collator, cache)
    if phrases is not None:
        return CueCollator(source, phrases)
    room_gb = recipe.data.soft_prompt_memory_gb
    if room_gb and is_frozen(model.model.av_encoder):
        return SoftPromptCollator(source, model, room_gb)
    return source


def plan_dev_of(session: Session, stage: Stage) -> Plan | None:
    """Plan the dev loss of a stage, nothing dropped, or return None without dev records."""
    collator = session.dev
    if collator is None:
        return None
    collator.max_length = stage.max_length
    plan = plan_dev(collator.records, stage, [session.recipe.seed], collator.length_of)
    if not plan.examples:
        raise EmoError(f"no dev record teaches a task of stage {stage.name!r}", fix="take data.dev out, or mend it")
    return plan


def load_records(paths: Sequence[str], limit: int | None = None) -> list[Record]:
    """Read records files in order, the first `limit` records of all; what lies behind is not read.

    Raises:
        EmoError: A file is missing or wrong, or there are no records.
    """
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        raise EmoError("no such file", ", ".join(missing), "give records files (JSONL)")
    records = list(islice((record for path in paths for record in read_records(path)), limit))
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
    with parts_told(recipe.model):
        return backbone, backbone.build_model("float32"), backbone.build_processor()


def make_collator(recipe: Recipe, records: Sequence[Record], processor: EmoProcessor) -> Collator:
    """Make the collator, with memory for the clips of these records; the processor then carries which words and pictures it is given."""
    vars(processor)["media_choice"] = choice = media_of(recipe)
    records = within(records, processor)
    reader = ClipReader(
        frames=processor.num_frames,
        max_side_px=MAX_SIDE_PX,
        window_s=processor.audio_window_s,
        sample_rate_hz=processor.feature_extractor.sampling_rate,
        frame_size=processor.frame_size,
        face=choice.face,
        videos_as_sound=getattr(processor, "modalities", None) == ("audio",),
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
    targets = backbone.lora_targets()
    config = LoraConfig(
        r=stage.lora.rank,
        lora_alpha=stage.lora.alpha,  # type: ignore[arg-type]  # peft says int, and divides
        lora_dropout=stage.lora.dropout,
        target_modules=targets,
        exclude_modules=f"(?!({targets})$).+",  # of mixtures of experts peft 0.21 keeps the last names alone, and a tower has these, too
        modules_to_save=backbone.adapter_modules(stage.blocks.model_dump()) or None,
    )
    return get_peft_model(model, config)


def merge_adapter(recipe: Recipe, model: Any, stage: Stage, folder: Path) -> Any:
    """Return a model with the adapter that a stage left in a folder, merged as at the end of that stage."""
    set_dtypes(model, stage.blocks.model_dump(), use_bfloat16(recipe))
    return merged(PeftModel.from_pretrained(model, str(folder)), folder)


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
            save_whole(trained, processor, folder)
        model: EmoForConditionalGeneration = merged(trained, folder)
    else:
        model = trained
        if goes_on and is_main_process():
            save_whole(model, processor, folder)
    vars(model).pop("forward", None)  # TRL's fused head, put on the instance; the next stage puts its own
    return model


def dataset(plan: Plan) -> Dataset:
    """Return the plan as the data set that the trainer reads: indices and names, no media."""
    return Dataset.from_list([example.to_row() for example in plan.examples])


def save(model: EmoForConditionalGeneration, processor: EmoProcessor, folder: Path, dtype: str) -> None:
    """Write a stand-alone checkpoint in `dtype`."""
    cast_weights(model, torch.bfloat16 if dtype == "bfloat16" else torch.float32)
    save_whole(model, processor, folder)


def report_left_out(console: Console, stage: str, plan: Plan) -> None:
    """Tell how many examples a stage has, and what was left out."""
    console.print(f"{stage}: {len(plan.examples)} examples")
    for reason, count in plan.left_out.items():
        if count:
            console.print(f"{stage}: {count} left out: {reason}", style="yellow")


def is_main_process() -> bool:
    """Tell whether this process writes files and talks to people."""
    return int(os.environ.get("RANK", "0")) == 0
