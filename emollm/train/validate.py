"""Checks of a recipe before hours are spent on it: `emollm validate RECIPE`.

Each check says what was looked at and what came out: `ok`, `note` (it runs, but look), `wrong`, or `not checked` with the reason.
Nothing is trained, no weights are read and nothing is written. What a check needs from one that failed is `not checked`.

Does not: read every clip (only the first few), or measure speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Literal

from emollm.config import Recipe, Stage
from emollm.config_model import Parts, Saved
from emollm.errors import EmoError, MediaError
from emollm.media.choice import check_tools
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.models.processor import EmoProcessor
from emollm.prompts import TASKS
from emollm.records import Record
from emollm.train.arguments import use_bfloat16
from emollm.train.clips import ClipReader
from emollm.train.collate import Collator, texts_to_learn
from emollm.train.examples import Plan, plan_dev
from emollm.train.outline import NotReachedError, memory_of, outline, part_names, reach, trained_by_block
from emollm.train.resume import finished_stages
from emollm.train.sft import MAX_SIDE_PX, load_records, make_collator
from emollm.train.targets import teachable
from emollm.train.words import media_of

SAMPLE = 256  # so many records are tokenised
SHOWN_SAMPLES = 2
FRAMES, WINDOW_S, SAMPLE_RATE_HZ = 8, 30.0, 16000  # how clips are decoded where the model does not say
PAD = "<|av_pad|>"


@dataclass(frozen=True)
class Check:
    """One check: its name, how it came out, and what to read; `lines` are details."""

    name: str
    status: Literal["ok", "note", "wrong", "not checked"]
    text: str
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the check as `emollm validate` prints it."""
        return "\n".join([f"{self.status:<12} {self.name}: {self.text}", *(f"{'':13}{line}" for line in self.lines)])


def check_recipe(
    recipe: Recipe, n_clips: int, read: Callable[[Sequence[str], int | None], list[Record]] = load_records
) -> Iterator[Check]:
    """Check a recipe that could be read.

    Args:
        recipe: What `load_recipe` returned.
        n_clips: How many clips to decode.
        read: Reads the files of a data key.
    """
    stages = ", ".join(stage.name for stage in recipe.stages)
    yield Check("config", "ok", f"every key is known; run {recipe.folder}, {len(recipe.stages)} stage(s): {stages}")
    yield _check_folder(recipe)
    records: list[Record] = []
    for key, paths in (("data.train", recipe.data.train), ("data.dev", recipe.data.dev)):
        if paths is None:
            continue
        found, check = _check_records(key, paths, recipe.data.limit if key == "data.train" else None, read)
        yield check
        records = records or found
    if records:
        yield _check_files(records)
        yield _check_choice(recipe, records) or _check_media(recipe, records, n_clips)
        yield from _check_tasks(recipe, records)
    model, processor = None, None
    for item in _check_model(recipe, records):
        if isinstance(item, Check):
            yield item
        else:
            model, processor = item
    if model is None or processor is None or not records:
        missing = "the records" if not records else "the model"
        for name in ("lengths", "labels", "memory"):
            yield Check(name, "not checked", f"needs {missing}, see above")
        return
    yield from _check_examples(recipe, records[:SAMPLE], model, processor)


def _check_folder(recipe: Recipe) -> Check:
    """Look whether the run folder is free, or holds a run that this one goes on with."""
    if recipe.resume == "auto" and (recipe.folder / "config.yaml").is_file():
        try:
            done, _ = finished_stages(recipe, recipe.folder)
        except EmoError as error:
            return Check("run folder", "wrong", str(error))
        text = f"{recipe.folder} holds this run: {done} of {len(recipe.stages)} stage(s) are finished"
        return Check("run folder", "ok", text)
    if recipe.folder.exists() and (recipe.folder.is_file() or any(recipe.folder.iterdir())):
        return Check("run folder", "wrong", f"{recipe.folder} is not empty: give another name=... or output=...")
    return Check("run folder", "ok", f"{recipe.folder} is free")


def _check_records(
    key: str, paths: Sequence[str], limit: int | None, read: Callable[[Sequence[str], int | None], list[Record]]
) -> tuple[list[Record], Check]:
    """Read all records of a data key."""
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        return [], Check("records", "wrong", f"{key}: no such file: {', '.join(missing)} (from {Path.cwd().name}/)")
    try:
        records = read(paths, limit)
    except EmoError as error:
        return [], Check("records", "wrong", f"{key}: {error}")
    sets = ", ".join(
        f"{name} {len(list(group))}" for name, group in groupby(sorted(r.dataset or "no dataset" for r in records))
    )
    return records, Check("records", "ok", f"{key}: {len(records)} records ({sets}), every line is valid")


def _check_files(records: Sequence[Record]) -> Check:
    """Look whether every media file is there."""
    refs = [
        (record.id, ref) for record in records for ref in (record.media.video, record.media.audio) if ref is not None
    ]
    missing = [f"{record_id}: {ref.path}" for record_id, ref in refs if not Path(ref.path).is_file()]
    if missing:
        return Check("files", "wrong", f"{len(missing)} of {len(refs)} media files are missing", tuple(missing[:5]))
    return Check("files", "ok", f"all {len(refs)} media files are there")


def _check_tasks(recipe: Recipe, records: Sequence[Record]) -> Iterator[Check]:
    """Count the records that can teach each task of each stage."""
    for stage in recipe.stages:
        counts = {
            name: sum(teachable(record, TASKS[name], ("audio", "video", "text")) for record in records)
            for name in stage.tasks
        }
        text = f"{stage.name}: " + ", ".join(f"{name} from {count} records" for name, count in counts.items())
        none = not any(counts.values())
        yield Check("tasks", "wrong" if none else "ok" if all(counts.values()) else "note", text)


def _check_model(
    recipe: Recipe, records: Sequence[Record]
) -> Iterator[Check | tuple[EmoForConditionalGeneration, EmoProcessor]]:
    """Look the parts up, then build the model without weights; yields it last."""
    in_reach = True
    for key, name in part_names(recipe.model).items():
        try:
            reach(name, key)
        except NotReachedError as error:
            in_reach = False
            yield Check("parts", "not checked", f"cannot be reached from here: {error}")
        except EmoError as error:
            in_reach = False
            yield Check("parts", "wrong", str(error))
    if not in_reach:
        yield Check("model", "not checked", "needs all parts, see above")
        return
    tasks = list(dict.fromkeys(name for stage in recipe.stages for name in stage.tasks))
    try:
        model, processor = outline(recipe.model, lambda: texts_to_learn(records, tasks))
    except (EmoError, OSError, ValueError) as error:  # the last two are how transformers refuses a checkpoint
        yield Check("model", "wrong", str(error))
        return
    for stage in recipe.stages:
        counts = trained_by_block(model, stage)
        total, trained = (sum(column) for column in zip(*counts.values(), strict=True))
        modes = stage.blocks.model_dump()
        lines = [
            f"{name:<14} {modes[name]:<7} {a / 1e6:9.2f} M, {t / 1e6:9.2f} M trained" for name, (a, t) in counts.items()
        ]
        yield Check(
            "model", "ok", f"{stage.name}: {total / 1e6:.2f} M parameters, {trained / 1e6:.2f} M trained", tuple(lines)
        )
    yield model, processor


def _check_examples(
    recipe: Recipe, records: Sequence[Record], model: EmoForConditionalGeneration, processor: EmoProcessor
) -> Iterator[Check]:
    """Tokenise examples, show label masks, and add up memory."""
    collator = make_collator(recipe, records, processor)
    for stage in recipe.stages:
        plan = plan_dev(collator.records, stage, [recipe.seed], collator.length_of)
        yield _check_lengths(stage, plan, len(records))
        if plan.examples:
            yield Check("labels", "ok", f"{stage.name}: what is taught", tuple(_show_masks(collator, processor, plan)))
            yield _check_memory(recipe, stage, model, max(plan.lengths), processor.audio_window_s)


def _check_choice(recipe: Recipe, records: Sequence[Record]) -> Check | None:
    """Return what is wrong with the choice of words and pictures, if anything is."""
    try:
        choice = media_of(recipe)
        check_tools(choice)
    except EmoError as error:
        return Check("media", "wrong", str(error))
    tables = [record.media.face for record in records if record.media.video is not None]
    lacking = sum(table is None or not Path(table.path).is_file() for table in tables)
    if choice.face == "file" and lacking:
        text = f"media.face is file, but {lacking} of {len(tables)} records with a video have no table of faces"
        return Check("media", "wrong", text)
    return None


def _check_media(recipe: Recipe, records: Sequence[Record], n_clips: int) -> Check:
    """Decode the first clips, as training does."""
    frames = recipe.model.frames if isinstance(recipe.model, Parts) else FRAMES
    read = ClipReader(frames, MAX_SIDE_PX, WINDOW_S, SAMPLE_RATE_HZ, face=media_of(recipe).face)
    bad, seen = [], []
    for record in islice(records, n_clips):
        try:
            clip = read(record.media)
        except MediaError as error:
            bad.append(f"{record.id}: {error}")
            continue
        sound = (
            "no sound"
            if clip.sound is None
            else "silent"
            if clip.silent
            else f"{len(clip.sound) / SAMPLE_RATE_HZ:.1f} s of sound"
        )
        picture = "no picture" if clip.frames is None else "black" if clip.black else f"{len(clip.frames)} frames"
        seen.append(f"{record.id}: {picture}, {sound}")
    if bad:
        return Check(
            "media", "wrong", f"{len(bad)} of the first {len(bad) + len(seen)} clips cannot be decoded", tuple(bad)
        )
    if not seen:
        return Check("media", "not checked", "no clip was to be decoded (--clips 0)")
    return Check("media", "ok", f"the first {len(seen)} clips can be decoded", tuple(seen))


def _check_lengths(stage: Stage, plan: Plan, n_records: int) -> Check:
    """Compare the lengths of examples with the longest that is allowed."""
    left_out = ", ".join(f"{count} left out: {reason}" for reason, count in plan.left_out.items() if count)
    text = f"{stage.name}: one example of each of the first {n_records} records"
    if not plan.examples:
        return Check("lengths", "wrong", f"{text}: none can be used ({left_out})")
    ordered = sorted(plan.lengths)
    text += f": {ordered[len(ordered) // 2]} tokens in the middle, {ordered[-1]} at most, {stage.max_length} allowed"
    return Check("lengths", "note" if left_out else "ok", "; ".join(filter(None, (text, left_out))))


def _show_masks(collator: Collator, processor: EmoProcessor, plan: Plan) -> Iterator[str]:
    """Yield, for the first examples, the text without loss and the text that is taught."""
    for example in plan.examples[:SHOWN_SAMPLES]:
        tokens = collator.tokens_of(example)
        prompt, answer = (processor.tokenizer.decode(ids.tolist()) for ids in (tokens.prompt, tokens.answer))
        pads = prompt.count(PAD)
        if pads:
            prompt = prompt.replace(PAD * pads, f"{PAD} x {pads}")
        prompt = prompt.replace("\n", "\\n")
        yield f"{collator.records[example.record].id}, task {example.task}"
        yield f"  masked, {len(tokens.prompt)} tokens: {prompt}"
        yield f"  taught, {len(tokens.answer)} tokens: {answer}".replace("\n", "\\n")


def _check_memory(
    recipe: Recipe, stage: Stage, model: EmoForConditionalGeneration, length: int, window_s: float
) -> Check:
    """Add up what a device must hold."""
    bfloat16 = use_bfloat16(recipe)
    four_bits = (
        isinstance(recipe.model, Saved) and recipe.model.omni is not None and recipe.model.omni.weights == "4bit"
    )
    memory = memory_of(model, stage, length, bfloat16, window_s, four_bits)
    parts = vars(memory).items()
    text = (
        f"{stage.name}: about {memory.total / 1e9:.2f} GB on each device, from shapes: "
        f"{stage.batch_size} rows of {length} tokens, {'bfloat16' if bfloat16 else 'float32'} (as on this machine)"
    )
    lines = [f"{name:<12} {size / 1e9:9.3f} GB" for name, size in parts]
    if not memory.activations:
        lines.append("activations of a mixture of experts cannot be told from shapes: they come on top")
    lines.append(f"decoded clips: up to {recipe.data.media_memory_gb:g} GB of main memory besides")
    return Check("memory", "ok", text, tuple(lines))
