"""GRPO recipes are read strictly, and what does not fit together is refused before anything is loaded."""

from pathlib import Path

import pytest

from emollm.config import Recipe, Training, dump_recipe, load_recipe
from emollm.config_grpo import GrpoRecipe
from emollm.errors import ConfigError
from emollm.paths import TINY
from emollm.rewards import DEFAULT


def read(*overrides: str) -> GrpoRecipe:
    return load_recipe("tiny/grpo", list(overrides), GrpoRecipe)


def test_defaults_and_what_follows(tmp_path: Path) -> None:
    recipe = read()
    assert recipe.rewards == DEFAULT and recipe.num_generations == 8 and recipe.beta == 0.04
    assert recipe.start == str(TINY) and read("batch_size=32", "gradient_accumulation=2").clips_per_step == 8
    assert recipe.asked.style == "json" and read("style=think").asked.style == "think"
    finished = tmp_path / "run" / "checkpoints" / "final"
    finished.mkdir(parents=True)
    assert read(f"model.path={tmp_path / 'run'}").start == str(finished)
    assert read("model.path=owner/name").start == "owner/name"


def test_a_dumped_recipe_reads_back_equal(tmp_path: Path) -> None:
    recipe = read("rewards=[{name: wheel, weight: 0.5, options: {wheels: emollm}}]", "epsilon_high=0.28")
    (tmp_path / "config.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "config.yaml", kind=GrpoRecipe) == recipe


def test_each_command_takes_its_own_recipes() -> None:
    assert isinstance(load_recipe("tiny/grpo", kind=Training), GrpoRecipe)
    assert isinstance(load_recipe("tiny/sft", kind=Training), Recipe)
    with pytest.raises(ConfigError, match="for `emollm grpo`"):
        load_recipe("tiny/grpo")
    with pytest.raises(ConfigError, match="for `emollm sft`"):
        load_recipe("tiny/sft", kind=GrpoRecipe)
    with pytest.raises(ConfigError, match="`method` is 'ppo'"):
        load_recipe("tiny/grpo", ["method=ppo"], GrpoRecipe)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["blocks.audio_tower=full"], "towers stay frozen"),
        (["blocks.decoder=full"], "`lora` goes with"),
        (["task=ask"], "'ask' has no labels"),
        (["task=label"], r"did you mean `labels`"),
        (["batch_size=12"], r"no multiple of `num_generations` 8"),
        (["num_iterations=3", "save.every_steps=50"], "multiple of `num_iterations`"),
        (["data.dev=[d.jsonl]"], "`data.dev` is not read here"),
        (["data.replay={files: chats.jsonl}"], "`data.replay` is not read here"),
        (["data.tower_cache_gb=1"], "`data.tower_cache_gb` is not read here"),
        (["data.soft_prompt_memory_gb=1"], "`data.soft_prompt_memory_gb` is not read here"),
        (["num_generations=1"], "greater than or equal to 2"),
        (["model={audio: {config: {}}}"], "model"),
        (["bete=0.1"], r"did you mean `beta`"),
    ],
)
def test_what_does_not_fit_together(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(*overrides)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read("blocks.audio_tower=full", "batch_size=12", "task=ask")
    assert all(part in str(caught.value) for part in ("towers stay", "no multiple", "no labels"))
