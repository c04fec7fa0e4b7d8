"""DPO recipes are read strictly, and what does not fit together is refused before anything is loaded."""

from pathlib import Path

import pytest

from emollm.config import Training, dump_recipe, load_recipe
from emollm.config_dpo import DpoRecipe
from emollm.errors import ConfigError
from emollm.paths import TINY


def read(*overrides: str) -> DpoRecipe:
    return load_recipe("tiny/dpo", list(overrides), DpoRecipe)


def test_defaults_and_what_follows() -> None:
    recipe = read()
    assert (recipe.beta, recipe.text_prior, recipe.loss_type) == (0.1, 0.2, "sigmoid")
    assert recipe.start == str(TINY) and recipe.as_stage.blocks == recipe.blocks


def test_a_dumped_recipe_reads_back_equal(tmp_path: Path) -> None:
    recipe = read("loss_type=ipo", "text_prior=0")
    (tmp_path / "config.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "config.yaml", kind=DpoRecipe) == recipe


def test_each_command_takes_its_own_recipes() -> None:
    assert isinstance(load_recipe("tiny/dpo", kind=Training), DpoRecipe)
    with pytest.raises(ConfigError, match="for `emollm dpo`"):
        load_recipe("tiny/dpo")
    with pytest.raises(ConfigError, match="for `emollm grpo`"):
        load_recipe("tiny/grpo", kind=DpoRecipe)


def test_all_that_does_not_fit_together_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read("blocks.audio_tower=full", "modality_dropout={audio_absent: 0.1}", "data.dev=[d.jsonl]", "lora=null")
    parts = ("towers stay frozen", "`modality_dropout` is not read", "`data.dev` is not read", "`lora` goes with")
    assert all(part in str(caught.value) for part in parts)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("beta=0", "greater than 0"),
        ("loss_type=sigmiod", "loss_type"),
        ("text_piror=0", "did you mean `text_prior`"),
        ("model.omni={frames: 8}", "omni backbones learn from answers and rewards"),
    ],
)
def test_wrong_values(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(override)
