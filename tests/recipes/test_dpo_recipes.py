"""Every DPO recipe really runs: its blocks and loss, one step, from a small random model in place of the large one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from emollm.config import load_recipe, recipe_names
from emollm.config_dpo import DpoRecipe
from emollm.data.preferences import make_preferences
from emollm.models.build import build, tiny_spec
from emollm.models.loading import load
from emollm.records import Record, write_records
from emollm.run import read_metrics
from emollm.synth.mp4 import write_clip
from emollm.train.dpo import train


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pairs.jsonl and a saved model."""
    folder = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(0)
    rows = []
    for number, (label, heard, seen) in enumerate(
        (("joyful", "voice is high", "cheeks raised"), ("sad", "voice is low", "gaze lowered"))
    ):
        sound = rng.normal(0, 0.1, 16_000).astype(np.float32)
        write_clip(folder / f"{number}.mp4", rng.integers(0, 255, (8, 32, 32, 3), dtype=np.uint8), sound, fps=8)
        cues = [
            {"modality": "audio", "text": heard, "supports": label},
            {"modality": "video", "text": seen, "supports": label},
        ]
        targets = {"labels_ov": [{"text": label}], "cues": cues}
        media = {"video": {"path": f"{number}.mp4"}}
        rows.append(Record.model_validate({"id": f"r:{number}", "media": media, "targets": targets}))
    write_records(folder / "records.jsonl", rows)
    make_preferences([folder / "records.jsonl"], folder / "pairs.jsonl")
    torch.manual_seed(0)
    model, processor = build(tiny_spec())
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    return folder


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.endswith("/dpo")])
def test_one_step(name: str, small: Path, tmp_path: Path) -> None:
    overrides = [
        f"model.path={small / 'model'}",
        f"data.train={small / 'pairs.jsonl'}",
        "data.workers=0",
        "batch_size=8",
        "gradient_accumulation=1",
        "max_steps=1",
        "warmup_ratio=0",
        f"output={tmp_path}",
    ]
    folder = train(load_recipe(name, overrides, DpoRecipe))
    (row,) = read_metrics(folder)
    assert {"preferred/swapped", "preferred/hallucinated_cue", "preferred/muted"} <= set(row)
    load(folder / "checkpoints" / "final")
