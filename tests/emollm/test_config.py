"""Recipes are read strictly: every problem at once, with its place and the nearest key."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from emollm.config import dump_recipe, load_recipe
from emollm.config_model import Parts, Saved
from emollm.errors import ConfigError

RECIPE = """\
name: small
model:
  audio: {config: {d_model: 64}}
  video: {config: {hidden_size: 64}, tokens: patches}
  text: {config: {model_type: qwen2}, tokenizer: {vocab_size: 512}}
data: {train: [records.jsonl], workers: 2}
stages:
  - name: full
    blocks: &all {audio_tower: full, video_tower: full, audio_adapter: full, video_adapter: full, fusion: full, decoder: full}
    tasks: {labels: 1}
    learning_rate: 1e-3
  - name: lora
    blocks: {<<: *all, audio_tower: frozen, video_tower: frozen, decoder: lora}
    lora: {rank: 8}
    tasks: {labels: 0.5, explain: 0.5}
    learning_rate: 2.5e-4
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def problems(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_recipe(path, overrides)
    return str(caught.value)


def test_values_and_defaults(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    assert isinstance(loaded.model, Parts)
    assert loaded.model.video.tokens == "patches" and loaded.model.adapter.video_queries == 16
    assert [stage.learning_rate for stage in loaded.stages] == [1e-3, 2.5e-4]  # YAML 1.1 would read 1e-3 as text
    assert loaded.stages[1].blocks.decoder == "lora" and loaded.stages[1].blocks.audio_tower == "frozen"
    assert loaded.folder == Path("runs/small")


def test_dump_reads_back_equal(recipe: Path, tmp_path: Path) -> None:
    loaded = load_recipe(recipe, ["save.every_steps=10", "stages.0.learning_rate=1e-05"])
    again = tmp_path / "again.yaml"
    again.write_text(dump_recipe(loaded))
    assert load_recipe(again) == loaded


def test_overrides(recipe: Path) -> None:
    loaded = load_recipe(
        recipe,
        ["stages.0.epochs=2", "stages.1.lora.rank=4", "model.audio.config.d_model=32", "data.train=[a.jsonl, b.jsonl]"],
    )
    assert loaded.stages[0].epochs == 2.0 and loaded.stages[1].lora and loaded.stages[1].lora.rank == 4
    assert isinstance(loaded.model, Parts) and loaded.model.audio.config == {"d_model": 32}
    assert loaded.data.train == ("a.jsonl", "b.jsonl")


def test_override_sets_keys_that_the_file_leaves_out(recipe: Path) -> None:
    assert load_recipe(recipe, ["modality_dropout.audio_silent=0.2"]).modality_dropout.audio_silent == 0.2


def test_override_of_one_place_leaves_its_alias_alone(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        RECIPE.replace("{<<: *all, audio_tower: frozen, video_tower: frozen, decoder: lora}", "*all").replace(
            "    lora: {rank: 8}\n", ""
        )
    )
    first, second = load_recipe(path, ["stages.0.blocks.fusion=frozen"]).stages
    assert (first.blocks.fusion, second.blocks.fusion) == ("frozen", "full")


def test_last_override_wins(recipe: Path) -> None:
    assert load_recipe(recipe, ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize("override", ["data=mine.jsonl", "data=[mine.jsonl]", "data.train=mine.jsonl"])
def test_one_records_file_is_enough(recipe: Path, override: str) -> None:
    data = load_recipe(recipe, [override]).data
    assert data.train == ("mine.jsonl",)
    assert data.workers == 2, "the rest of the section stays"


def test_value_may_hold_an_equals_sign(recipe: Path) -> None:
    assert load_recipe(recipe, ["data=a=b.jsonl"]).data.train == ("a=b.jsonl",)


def test_all_problems_at_once_with_place_and_nearest_key(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(RECIPE.replace("tokens:", "token:").replace("rank: 8", "rank: eight"))
    message = problems(path, "stages.0.epohs=2", "seed=-1")
    assert message.startswith("4 problem(s)")
    assert f"{path}:4: model.video.token: unknown key (did you mean `tokens`?)" in message
    assert f"{path}:14: stages.1.lora.rank: should be a valid integer" in message
    assert "override `stages.0.epohs=2`: stages.0.epohs: unknown key (did you mean `epochs`?)" in message
    assert "override `seed=-1`: seed: " in message


def test_a_key_of_another_section_is_named_by_its_whole_path(recipe: Path) -> None:
    message = problems(recipe, "lora.rank=4")
    assert "override `lora.rank=4`: lora: unknown key (did you mean `stages.0.lora`?)" in message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stages.2.epochs=1", "`stages` is a list of 2"),
        ("stages.first.epochs=1", "`stages` is a list of 2"),
        ("name.x=1", "`name` is 'small' and has no keys"),
        ("seed", "not of the form key=value"),
        ("=3", "not of the form key=value"),
        ("seed=[1", "not valid YAML"),
        ("seed=1.5", "valid integer"),
        ("seed='1'", "valid integer"),
        ("seed=true", "valid integer"),
        ("name=no", "valid string"),
        ("name=../up", "match pattern"),
        ("stages.0.learning_rate=.nan", "finite"),
        ("stages.0.learning_rate=.inf", "finite"),
        ("stages.0.learning_rate=0", "greater than 0"),
        ("stages.0.name=lora", "same name"),
        ("stages.0.name=final", "taken by the finished model"),
        ("stages=[]", "at least 1 item"),
        ("data.train=[]", "at least 1 item"),
        ("stages.0.tasks={}", "at least 1 item"),
        ("stages.0.tasks.lables=1", "unknown task `lables` (did you mean `labels`?)"),
        ("stages.0.tasks.labels=0", "greater than 0"),
        ("stages.0.blocks.decoder=lora", "`lora` is needed"),
        ("stages.0.lora={}", "`lora` is set, but `blocks.decoder` is full"),
        ("stages.0.blocks.fusion=lora", "'frozen' or 'full'"),
        ("stages.0.blocks={decoder: full}", "stages.0.blocks.fusion: is missing"),
        ("model=clip", "should be a mapping"),
        ("model.path=run", "`path` brings its own audio, video, text"),
        ("model.audio.path=openai/whisper-tiny", "one of the two"),
        ("model.text.tokenizer=null", "`tokenizer` goes with `config`"),
        ("model.text.config={hidden_size: 8}", "`config` needs `model_type`"),
        ("model.fusion.queries=0", "fusion `none`"),
        ("model.fusion.name=none", "fusion `none`"),
        ("model.adapter.heads=3", "no multiple"),
        ("modality_dropout={audio_absent: 0.7, audio_silent: 0.7}", "add up to 1.4"),
        ("modality_dropout.video_black=2", "less than or equal to 1"),
    ],
)
def test_refused(recipe: Path, override: str, message: str) -> None:
    assert message in problems(recipe, override)


def test_nothing_to_train_is_refused(recipe: Path) -> None:
    frozen = ", ".join(f"{b}: frozen" for b in load_recipe(recipe).stages[0].blocks.model_dump())
    assert "nothing would be trained" in problems(recipe, f"stages.0.blocks={{{frozen}}}")


def test_start_from_a_saved_model(recipe: Path) -> None:
    assert load_recipe(recipe, ["model={path: runs/small/checkpoints/final}"]).model == Saved(
        path="runs/small/checkpoints/final"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", ":2: not valid YAML: key `name` stands twice"),
        ("name: [\n", "not valid YAML"),
        ("- a\n- b\n", "holds no `key: value` lines"),
        ("", "holds no `key: value` lines"),
        ("name: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
        ("? [1]\n: 2\n", "not valid YAML"),
        ("name: &a [*a]\n", "not valid YAML"),
    ],
)
def test_unusable_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    assert message in problems(path)


def test_missing_keys_are_named(tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text("name: bare\nmodel: {}\n")
    message = problems(path)
    assert all(f"{key}: is missing" in message for key in ("model.audio", "model.text", "data", "stages"))


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in problems(path)


def test_unknown_recipe() -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_recipe("nowhere/recipe.yaml")
    with pytest.raises(ConfigError, match="no recipe of this name"):
        load_recipe("nowhere/at-all")


@given(st.floats(min_value=1e-12, max_value=1e3, allow_nan=False), st.integers(1, 10**6))
def test_numbers_survive_overrides(learning_rate: float, batch_size: int) -> None:
    source = yaml.safe_load(RECIPE)
    assert source["stages"][0]["learning_rate"] == "1e-3"  # what PyYAML makes of it by itself
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(RECIPE)
        stage = load_recipe(
            path, [f"stages.0.learning_rate={learning_rate!r}", f"stages.0.batch_size={batch_size}"]
        ).stages[0]
    assert (stage.learning_rate, stage.batch_size) == (learning_rate, batch_size)
