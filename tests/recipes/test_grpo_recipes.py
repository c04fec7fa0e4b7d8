"""Every GRPO recipe really runs: its blocks, loss and rewards, one step, from a small random model in place of the large one.

Those of omni backbones are in test_omni_recipes.py.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from emollm.config import load_recipe, recipe_names
from emollm.config_grpo import GrpoRecipe
from emollm.models.build import build, tiny_spec
from emollm.models.loading import load
from emollm.records import Record, write_records
from emollm.run import read_metrics
from emollm.synth.mp4 import write_clip
from emollm.train.grpo import train


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with records.jsonl, a saved model, and a reward that noise can earn, so that something is learned in one step."""
    folder = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(2):
        sound = rng.normal(0, 0.1, 16_000).astype(np.float32)
        write_clip(folder / f"{number}.mp4", rng.integers(0, 255, (8, 32, 32, 3), dtype=np.uint8), sound, fps=8)
        targets = {"labels_ov": [{"text": ("glad", "sad")[number]}]}
        media = {"video": {"path": f"{number}.mp4"}}
        rows.append(Record.model_validate({"id": f"r:{number}", "media": media, "targets": targets}))
    write_records(folder / "records.jsonl", rows)
    torch.manual_seed(0)
    model, processor = build(tiny_spec())
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    (folder / "own.py").write_text("def letters(rollouts):\n    return [len(set(r.text)) / 20 for r in rollouts]\n")
    return folder


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.endswith("/grpo") and "_omni_" not in name])
def test_one_step(name: str, small: Path, tmp_path: Path) -> None:
    shipped = load_recipe(name, kind=GrpoRecipe)
    own = [item.model_dump() for item in shipped.rewards] + [{"name": f"{small / 'own.py'}:letters"}]
    overrides = [
        f"rewards={own}".replace("'", '"'),
        f"model.path={small / 'model'}",
        f"data.train={small / 'records.jsonl'}",
        "data.workers=0",
        "batch_size=8",
        "gradient_accumulation=1",
        "max_completion_length=4",
        "max_steps=1",
        "warmup_ratio=0",
        f"output={tmp_path}",
    ]
    folder = train(load_recipe(name, overrides, GrpoRecipe))
    (row,) = read_metrics(folder)
    wanted = [name for item in shipped.rewards if f"rewards/{(name := item.column)}" in row]
    assert row["kl"] == 0 and "format" in wanted and "contrastive_wheel" in wanted
    load(folder / "checkpoints" / "final")
