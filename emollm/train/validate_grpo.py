"""Checks of a GRPO recipe: what `validate.py` looks at in any recipe, then rewards, prompts and memory of sampling and learning."""

from __future__ import annotations

from collections.abc import Iterator

from emollm.config_grpo import GrpoRecipe
from emollm.errors import EmoError
from emollm.models.modeling import EmoForConditionalGeneration
from emollm.rewards.loading import check_rewards, load_rewards
from emollm.train.arguments import use_bfloat16
from emollm.train.omni_rl import check_backbone, prompts_of
from emollm.train.outline import BFLOAT16, FLOAT32, memory_of, outline
from emollm.train.rollouts import plan_rollouts
from emollm.train.sft import load_records, make_collator
from emollm.train.validate import SAMPLE, Check, check_recipe

ANSWERS = ("lengths", "labels", "memory")  # checks of answers that are taught: there are none here


def check_grpo(recipe: GrpoRecipe, n_clips: int) -> Iterator[Check]:
    """Check a recipe that could be read.

    Args:
        recipe: What `load_recipe` returned.
        n_clips: How many clips to decode.
    """
    ready = {}
    for check in check_recipe(recipe.as_sft, n_clips):
        if check.name not in ANSWERS:
            ready[check.name] = check.status in ("ok", "note")
            yield check
    try:
        check_backbone(recipe)
    except EmoError as error:
        ready["model"] = False
        yield Check("backbone", "wrong", str(error))
    yield _check_rewards(recipe, ready.get("records", False))
    if not all(ready.get(name) for name in ("records", "tasks", "model")):
        yield Check("prompts", "not checked", "needs records, their labels and the model, see above")
        return
    yield from _check_prompts(recipe)


def _check_rewards(recipe: GrpoRecipe, with_records: bool) -> Check:
    """Load the rewards, and let them learn from the records if there are any."""
    problems = [str(problem) for problem in check_rewards(recipe.rewards)]
    if not problems and with_records:
        try:
            load_rewards(recipe.rewards, load_records(recipe.data.train, recipe.data.limit))
        except EmoError as error:
            problems = [str(error)]
    if problems:
        return Check("rewards", "wrong", f"{len(problems)} problem(s)", tuple(problems))
    return Check("rewards", "ok", ", ".join(f"{item.weight:g} x {item.column}" for item in recipe.rewards))


def _check_prompts(recipe: GrpoRecipe) -> Iterator[Check]:
    """Plan the run over the first records, show a prompt, and add up memory."""
    records = load_records(recipe.data.train, recipe.data.limit)
    model, processor = outline(recipe.as_sft.model, tuple)
    prompts = prompts_of(make_collator(recipe.as_sft, records[:SAMPLE], processor), recipe.asked)
    try:
        plan = plan_rollouts(recipe.model_copy(update={"epochs": 1.0, "max_steps": None}), prompts, world_size=1)
    except EmoError as error:
        yield Check("prompts", "wrong", str(error))
        return
    most, longest = model.config.text_config.max_position_embeddings, max(plan.lengths, default=0)
    text = (
        f"{recipe.clips_per_step} clips a step, {recipe.num_generations} answers each; the longest prompt of {len(prompts.records)} has "
        f"{longest} tokens, an answer at most {recipe.max_completion_length}, the model takes {most}"
    )
    if not plan.examples or longest + recipe.max_completion_length > most:
        yield Check("prompts", "wrong", text + ("" if plan.examples else "; there are fewer clips than one step needs"))
        return
    left_out = [f"{count} left out: {reason}" for reason, count in plan.left_out.items() if count]
    shown = prompts.texts_of(plan.examples[0])[0].replace("\n", "\\n")
    yield Check("prompts", "ok", text, (*left_out, shown))
    yield _check_memory(recipe, model, longest, processor.audio_window_s)


def _check_memory(recipe: GrpoRecipe, model: EmoForConditionalGeneration, prompt: int, window_s: float) -> Check:
    """Add up what a device must hold while it learns, and beside it the cache of sampling."""
    bfloat16 = use_bfloat16(recipe.as_sft)
    size = BFLOAT16 if bfloat16 else FLOAT32
    length = prompt + recipe.max_completion_length
    four_bits = recipe.model.omni is not None and recipe.model.omni.weights == "4bit"
    memory = memory_of(model, recipe.as_stage, length, bfloat16, window_s, four_bits)
    config = model.config.text_config
    head_width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    token = 2 * config.num_hidden_layers * config.num_key_value_heads * head_width * size
    parts = {
        **vars(memory),
        "logits": memory.logits * recipe.max_completion_length // length,  # answers alone are scored
        "reference": memory.gradients
        if recipe.beta and recipe.blocks.decoder != "lora"
        else 0,  # as large as what is trained
        "cache": recipe.batch_size * recipe.gradient_accumulation * length * token,
    }
    text = (
        f"about {sum(parts.values()) / 1e9:.2f} GB on each device, from shapes: {recipe.batch_size} rows of {length} tokens, "
        f"{'bfloat16' if bfloat16 else 'float32'} (as on this machine); sampling and learning take turns, so this is the upper end"
    )
    return Check("memory", "ok", text, tuple(f"{name:<12} {value / 1e9:9.3f} GB" for name, value in parts.items()))
