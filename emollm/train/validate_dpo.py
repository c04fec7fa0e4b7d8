"""Checks of a DPO recipe: what `validate.py` looks at in any recipe, over the clips of the pairs, then pairs, lengths and memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from emollm.config_dpo import DpoRecipe
from emollm.errors import EmoError
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.pairs import Pair
from emollm.records import Record
from emollm.train.arguments import use_bfloat16
from emollm.train.dpo import load_pairs, plan_pairs
from emollm.train.outline import memory_of, outline
from emollm.train.pair_batches import PairCollator, clips_of
from emollm.train.sft import make_collator
from emollm.train.validate import SAMPLE, Check, check_recipe

TAUGHT = ("tasks", "lengths", "labels", "memory")  # checks of what records teach: pairs teach it themselves


def check_dpo(recipe: DpoRecipe, n_clips: int) -> Iterator[Check]:
    """Check a recipe that could be read.

    Args:
        recipe: What `load_recipe` returned.
        n_clips: How many clips to decode.
    """
    ready = {}
    for check in check_recipe(recipe.as_sft, n_clips, _clips):
        if check.name not in TAUGHT:
            ready[check.name] = check.status in ("ok", "note")
            yield check
    if not all(ready.get(name) for name in ("records", "model")):
        yield Check("pairs", "not checked", "needs pairs and model, see above")
        return
    pairs = load_pairs(recipe.data.train, recipe.data.limit)
    yield _check_pairs(pairs)
    yield from _check_lengths(recipe, pairs[:SAMPLE])


def _clips(paths: Sequence[str], limit: int | None) -> list[Record]:
    """Return the different clips of files of pairs."""
    return clips_of(load_pairs(paths, limit))[0]


def _check_pairs(pairs: Sequence[Pair]) -> Check:
    """Count the kinds, and show a pair of each."""
    first = {pair.kind: pair for pair in reversed(pairs)}
    counts = Counter(pair.kind for pair in pairs)
    lines = []
    for kind, pair in first.items():
        lines.append(f"{kind}: {pair.record.id}, task {pair.task}")
        lines.append(f"  better: {pair.chosen}")
        if pair.rejected != pair.chosen:
            lines.append(f"  worse:  {pair.rejected}")
    text = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    return Check("pairs", "ok", f"{len(pairs)} pairs: {text}", tuple(lines))


def _check_lengths(recipe: DpoRecipe, pairs: Sequence[Pair]) -> Iterator[Check]:
    """Plan the run over the first pairs, and add up memory."""
    model, processor = outline(recipe.as_sft.model, tuple)
    clips, places = clips_of(pairs)
    collator = PairCollator(pairs, make_collator(recipe.as_sft, clips, processor), places, recipe.text_prior > 0)
    most = model.config.text_config.max_position_embeddings
    try:
        plan = plan_pairs(recipe.model_copy(update={"epochs": 1.0, "max_steps": None}), collator, most)
    except EmoError as error:
        yield Check("lengths", "wrong", str(error))
        return
    lengths = [collator.length_of(example) for example in collator.examples_of(plan.order)]
    left_out = "".join(f"; {count} left out: {reason}" for reason, count in plan.left_out.items())
    text = f"of the first {len(pairs)} pairs: {max(lengths)} tokens at most, the model takes {most}{left_out}"
    yield Check("lengths", "note" if left_out else "ok", text)
    yield _check_memory(recipe, model, max(lengths), processor.audio_window_s)


def _check_memory(recipe: DpoRecipe, model: EmoForConditionalGeneration, length: int, window_s: float) -> Check:
    """Add up what a device must hold: both sides of each pair, and a reference that shares what is not trained."""
    bfloat16 = use_bfloat16(recipe.as_sft)
    stage = recipe.as_stage.model_copy(update={"batch_size": 2 * recipe.batch_size})
    memory = memory_of(model, stage, length, bfloat16, window_s)
    parts = {**vars(memory), "reference": memory.gradients}  # as large as what is trained
    text = (
        f"about {sum(parts.values()) / 1e9:.2f} GB on each device, from shapes: {stage.batch_size} rows of {length} tokens, "
        f"{'bfloat16' if bfloat16 else 'float32'} (as on this machine)"
    )
    return Check("memory", "ok", text, tuple(f"{name:<12} {value / 1e9:9.3f} GB" for name, value in parts.items()))
