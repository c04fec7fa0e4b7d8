"""Checks of a recipe for labelling: `emollm validate RECIPE` with `method: label`.

What is looked at: whether the model is in reach, what it takes, and how much memory it needs on a device, from shapes: the weights, and for
each row of a batch the keys and values of its longest prompt and answer. What kernels need for a moment comes on top.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emollm.config_label import LabelRecipe
from emollm.config_media import MediaChoice
from emollm.errors import EmoError
from emollm.media.choice import check_tools
from emollm.models.omni import family_of
from emollm.train.outline import BFLOAT16, FOUR_BITS, NotReachedError, four_bit_weights, outline, reach
from emollm.train.validate import Check

ANSWER, WORDS = 400, 400  # tokens: the longest answer by default, and what words and question may take


def check_label_recipe(recipe: LabelRecipe, n_clips: int) -> Iterator[Check]:
    """Check a recipe for labelling.

    Args:
        recipe: What `load_label_recipe` returned.
        n_clips: Not used: a recipe for labelling names no records.
    """
    yield Check("config", "ok", "every key is known")
    try:
        reach(recipe.model.path, "model.path")
        if family_of(recipe.model.path) is None:
            yield Check(
                "model", "wrong", f"{recipe.model.path}: recipes for labelling are for omni backbones (docs/omni.md)"
            )
            return
        made: tuple[Any, Any] = outline(recipe.model, tuple)
    except NotReachedError as error:
        yield Check("model", "not checked", f"cannot be reached from here: {error}")
        return
    except (EmoError, OSError, ValueError) as error:  # the last two are how transformers refuses a checkpoint
        yield Check("model", "wrong", str(error))
        return
    model, processor = made
    try:
        check_tools(recipe.media or MediaChoice())
    except EmoError as error:
        yield Check("media", "wrong", str(error))
    pads = processor.pads_for(True, True)
    takes = " and ".join(processor.modalities)
    yield Check("model", "ok", f"{type(model).__name__} takes {takes} and words; a clip is at most {pads} tokens")
    yield _memory(recipe, model, pads + WORDS + ANSWER)


def _memory(recipe: LabelRecipe, model: Any, length: int) -> Check:
    """Add up what a device must hold, in bfloat16."""
    weights = BFLOAT16 * sum(parameter.numel() for parameter in model.parameters())
    if recipe.model.omni.weights == "4bit":
        weights -= round(four_bit_weights(model) * (BFLOAT16 - FOUR_BITS))
    text = model.config.get_text_config()
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    row = 2 * text.num_hidden_layers * text.num_key_value_heads * head * length * BFLOAT16
    return Check(
        "memory",
        "ok",
        f"about {weights / 1e9:.3f} GB of weights ({recipe.model.omni.weights}) and "
        f"{row / 1e9:.3f} GB a row of {length} tokens, in bfloat16",
    )
