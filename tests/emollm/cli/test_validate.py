"""`emollm validate`: says what it checked, what it could not check, and exits with 2 when something is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.synth import make_synth

RECIPE = """\
name: small
model:
  audio: {config: {d_model: 32, encoder_layers: 1, encoder_attention_heads: 2, encoder_ffn_dim: 64}}
  video:
    config: {hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, image_size: 32, patch_size: 8}
  text:
    config: {model_type: qwen2, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 2,
             num_key_value_heads: 2, max_position_embeddings: 512, tie_word_embeddings: true}
    tokenizer: {vocab_size: 400}
  adapter: {audio_queries: 3, video_queries: 4, width: 32, layers: 1, heads: 2}
  fusion: {queries: 2}
  frames: 4
  audio_window_s: 2.0
data: {train: [records.jsonl]}
stages:
  - name: full
    blocks: {audio_tower: full, video_tower: full, audio_adapter: full, video_adapter: full, fusion: full, decoder: full}
    tasks: {labels: 0.5, explain: 0.5}
    learning_rate: 1e-3
    batch_size: 4
  - name: lora
    blocks: {audio_tower: frozen, video_tower: frozen, audio_adapter: full, video_adapter: full, fusion: full, decoder: lora}
    lora: {rank: 2}
    tasks: {labels: 1}
    learning_rate: 1e-3
    batch_size: 4
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    make_synth(folder, 6, 0, split="train", workers=1)
    return folder / "records.jsonl"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["validate", *map(str, arguments)])


def status_of(output: str, name: str) -> list[str]:
    """Return how the checks of this name came out."""
    rows = [line for line in output.splitlines() if line[:12].strip() and line[13:].startswith(f"{name}:")]
    return [line[:12].strip() for line in rows]


def test_a_good_recipe(recipe: Path, clips: Path) -> None:
    result = run(recipe, f"data={clips}", "--clips", 2)
    assert result.exit_code == 0, result.output
    for name in ("config", "run folder", "records", "files", "tasks", "media", "model", "lengths", "labels", "memory"):
        assert set(status_of(result.output, name)) == {"ok"}, result.output
    assert "decoder        lora" in result.output and "decoder        full" in result.output
    assert "the first 2 clips can be decoded" in result.output
    assert "<|clip|><|av_pad|> x 9" in result.output, "3 + 4 + 2 queries"
    assert '{"labels":[' in result.output and "<|im_end|>" in result.output
    assert not (recipe.parent / "runs").exists(), "nothing is written"


def test_what_the_mask_shows_is_the_answer(recipe: Path, clips: Path) -> None:
    output = run(recipe, f"data={clips}", "--clips", 0).output
    taught = [line.split(": ", 1)[1] for line in output.splitlines() if line.strip().startswith("taught")]
    masked = [line for line in output.splitlines() if line.strip().startswith("masked")]
    assert len(taught) == len(masked) == 4, "two samples for each stage"
    for line in taught:
        assert "labels" in json.loads(line.removesuffix("<|im_end|>"))
    assert all(line.endswith("<|im_start|>assistant\\n") for line in masked)
    assert status_of(output, "media") == ["not checked"]


def test_missing_records(recipe: Path) -> None:
    result = run(recipe)
    assert result.exit_code == 2
    assert status_of(result.output, "records") == ["wrong"] and "no such file: records.jsonl" in result.output
    assert set(status_of(result.output, "memory")) == {"not checked"}


def test_a_wrong_line_is_named(recipe: Path) -> None:
    (recipe.parent / "records.jsonl").write_text('{"id": "a"}\n{"idd": "b"}\n')
    result = run(recipe)
    assert result.exit_code == 2
    assert "records.jsonl:2" in result.output and "idd" in result.output


def test_missing_and_broken_media(recipe: Path) -> None:
    rows = [{"id": "a", "media": {"video": {"path": "bad.mp4"}}}, {"id": "b", "media": {"video": {"path": "gone.mp4"}}}]
    (recipe.parent / "records.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (recipe.parent / "bad.mp4").write_bytes(b"no clip")
    result = run(recipe, "--clips", 1)
    assert result.exit_code == 2
    assert status_of(result.output, "files") == ["wrong"] and "gone.mp4" in result.output
    assert status_of(result.output, "media") == ["wrong"] and "bad.mp4" in result.output


def test_records_that_teach_nothing(recipe: Path, clips: Path) -> None:
    result = run(recipe, f"data={clips}", "stages.1.tasks={full: 1}", "--clips", 0)
    assert result.exit_code == 2, "synthetic records carry no confidence"
    assert status_of(result.output, "tasks") == ["ok", "wrong"]
    assert status_of(result.output, "lengths") == ["ok", "wrong"]


def test_a_task_without_records_is_a_note(recipe: Path, clips: Path) -> None:
    result = run(recipe, f"data={clips}", "stages.0.tasks.full=1", "--clips", 0)
    assert result.exit_code == 0
    assert status_of(result.output, "tasks") == ["note", "ok"]


def test_examples_that_are_too_long_are_counted(recipe: Path, clips: Path) -> None:
    result = run(recipe, f"data={clips}", "stages.0.max_length=16", "--clips", 0)
    assert result.exit_code == 2
    assert "6 left out: longer than 16 tokens" in result.output


def test_a_taken_run_folder(recipe: Path, clips: Path) -> None:
    (recipe.parent / "runs" / "small").mkdir(parents=True)
    (recipe.parent / "runs" / "small" / "config.yaml").write_text("")
    result = run(recipe, f"data={clips}", "--clips", 0)
    assert result.exit_code == 2 and status_of(result.output, "run folder") == ["wrong"]


def test_a_run_to_go_on_with(recipe: Path, clips: Path) -> None:
    folder = recipe.parent / "runs" / "small"
    (folder / "checkpoints" / "full").mkdir(parents=True)
    (folder / "checkpoints" / "full" / "model.safetensors").touch()
    call = [recipe, f"data={clips}", "resume=auto", "--clips", 0]
    (folder / "config.yaml").write_text(RECIPE.replace("[records.jsonl]", f"[{clips}]"))
    result = run(*call)
    assert result.exit_code == 0, result.output
    assert "holds this run: 1 of 2 stage(s) are finished" in result.output
    (folder / "config.yaml").write_text(RECIPE)
    result = run(*call)
    assert result.exit_code == 2 and "holds a run with another data" in result.output


def test_names_out_of_reach_are_not_checked(recipe: Path, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise ConnectionError("no network here")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", no_network)
    result = run(recipe, f"data={clips}", "model.text={path: no-such/language-model}", "--clips", 1)
    assert result.exit_code == 0
    assert status_of(result.output, "parts") == ["not checked"] and "no network here" in result.output
    assert status_of(result.output, "media") == ["ok"], "what needs no model is checked all the same"
    assert status_of(result.output, "model") == ["not checked"]


def test_a_folder_that_is_not_there_is_wrong(recipe: Path, clips: Path) -> None:
    result = run(recipe, f"data={clips}", "model={path: runs/no/such/folder}", "--clips", 0)
    assert result.exit_code == 2
    assert status_of(result.output, "parts") == ["wrong"]


def test_parts_that_do_not_exist_or_fit(recipe: Path, clips: Path) -> None:
    result = run(recipe, f"data={clips}", "model.adapter.name=resampling", "--clips", 0)
    assert result.exit_code == 2
    assert status_of(result.output, "model") == ["wrong"] and "resampler" in result.output


def test_a_recipe_that_trains_nothing_names_its_command() -> None:
    result = run("annotate/crowd")
    assert result.exit_code == 2
    assert "emollm data annotate annotate/crowd records.jsonl -o annotated.jsonl" in " ".join(result.output.split())
