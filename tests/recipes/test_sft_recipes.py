"""Every recipe really runs: its stages, blocks, tasks and dropout, two steps each, with small random parts in place of large ones."""

from pathlib import Path

import numpy as np
import pytest

from emollm.config import load_recipe, recipe_names
from emollm.config_model import Parts
from emollm.models.loading import load
from emollm.records import Record, write_records
from emollm.run import read_metrics
from emollm.synth.mp4 import write_clip
from emollm.train.sft import build_model, load_records, train

HEARING = {
    "whisper": "{d_model: 32, encoder_layers: 1, encoder_attention_heads: 2, encoder_ffn_dim: 64, num_mel_bins: 80}",
    "hubert": """{hidden_size: 32, num_hidden_layers: 4, num_attention_heads: 2, intermediate_size: 64,
      conv_dim: [16, 16, 16, 16, 16, 16, 16], num_conv_pos_embeddings: 8, num_conv_pos_embedding_groups: 2}""",
}
SMALL = """model={
  audio: {name: HEARS, layers: LAYERS, config: HEARING},
  video: {tokens: TOKENS, pool: POOL, config: {hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2,
          image_size: 32, patch_size: 16}},
  text: {config: {model_type: qwen2, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2,
         num_key_value_heads: 2, max_position_embeddings: 1024, tie_word_embeddings: true}, tokenizer: {vocab_size: 400}},
  adapter: {audio_queries: AUDIO, video_queries: VIDEO, width: 32, layers: 1, heads: 2, standardise: STANDARD},
  fusion: {name: FUSION, queries: QUERIES, softmax: SOFTMAX}, frames: 2, audio_window_s: 1.0}"""


@pytest.fixture(scope="module")
def records_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(4):
        path = folder / f"{number}.mp4"
        sound = rng.normal(0, 0.1, 16_000).astype(np.float32)
        write_clip(path, rng.integers(0, 255, (8, 32, 32, 3), dtype=np.uint8), sound, fps=8)
        cue = {"modality": "video", "text": "cheeks raised", "start_s": 0.1, "end_s": 0.9}
        text = {"text": "The person appears glad.", "kind": "reasoning", "author": "human"}
        qa = {"question": "What can be seen?", "answer": "Raised cheeks.", "needs": ["video"]}
        targets = {"labels_ov": [{"text": "glad"}], "cues": [cue], "description": [text], "qa": [qa]}
        rows.append(
            Record.model_validate({"id": f"r:{number}", "media": {"video": {"path": path.name}}, "targets": targets})
        )
    write_records(folder / "records.jsonl", rows)
    return folder / "records.jsonl"


COMPOSED = [
    name for name in recipe_names() if name.endswith("/sft") and isinstance(load_recipe(name).model, Parts)
]  # those of omni backbones: test_omni_recipes.py


@pytest.mark.parametrize("name", COMPOSED)
def test_two_steps_of_every_stage(name: str, records_file: Path, tmp_path: Path) -> None:
    shipped = load_recipe(name)
    model = shipped.model
    small = SMALL
    for word, value in (
        ("HEARING", HEARING[model.audio.name]),
        ("HEARS", model.audio.name),
        ("LAYERS", model.audio.layers),
        ("TOKENS", model.video.tokens),
        ("POOL", model.video.pool),
        ("AUDIO", model.adapter.audio_queries),
        ("VIDEO", model.adapter.video_queries),
        ("FUSION", model.fusion.name),
        ("QUERIES", model.fusion.queries),
        ("SOFTMAX", {None: "null", True: "true", False: "false"}[model.fusion.softmax]),
        ("STANDARD", str(model.adapter.standardise).lower()),
    ):
        small = small.replace(word, str(value))
    overrides = [
        small,
        f"data.train={records_file}",
        "data.workers=0",
        f"data.dev={records_file}",
        f"output={tmp_path}",
    ]
    for index in range(len(shipped.stages)):
        overrides += [f"stages.{index}.max_steps=2", f"stages.{index}.batch_size=4", f"stages.{index}.warmup_ratio=0"]
        overrides += [f"stages.{index}.gradient_accumulation=1"]
    folder = train(load_recipe(name, overrides))
    steps = [(row["stage"], row["stage_step"]) for row in read_metrics(folder) if "loss" in row]
    assert steps == [(stage.name, step) for stage in shipped.stages for step in (1, 2)]
    load(folder / "checkpoints" / "final")


def test_the_bundled_model_and_a_run_learn_to_think(records_file: Path, tmp_path: Path) -> None:
    """`model.path` is a name or a run folder, as it is for `emollm grpo`."""
    (stage,) = load_recipe("tiny/think").stages
    short = ["data.workers=0", f"data.train={records_file}", f"output={tmp_path}"]
    short += ["stages.0.tasks={think: 1.0}", "stages.0.max_steps=1", "stages.0.batch_size=4"]
    first = train(load_recipe("tiny/think", short))
    second = train(load_recipe("tiny/think", [*short, "name=again", f"model.path={first}"]))
    for folder in (first, second):
        assert [row["stage"] for row in read_metrics(folder) if "loss" in row] == [stage.name]
    ends = [load(folder / "checkpoints" / "final")[0].lm_head.weight for folder in (first, second)]
    assert not ends[0].equal(ends[1]), "the second run went on from the first"


def test_the_tiny_model_is_small(records_file: Path) -> None:
    model, _ = build_model(load_recipe("tiny/sft"), load_records([str(records_file)]))[1:]
    grown = 2048 - model.config.text_config.vocab_size  # four records do not fill the vocabulary
    count = sum(parameter.numel() for parameter in model.parameters()) + grown * model.config.text_config.hidden_size
    assert count <= 7_500_000, "the checkpoint ships with the package: at most 15 MB in bfloat16"
