"""The ablation: every part of the toolkit has its place in it, all models are equally large, and a run goes on where it was cut."""

import json
from pathlib import Path

import pytest

from benchmarks.experiments.ablation import BASE, VARIANTS, compare, equal_size, markdown, parameters
from emollm.config import load_recipe
from emollm.models.adapters import ADAPTERS
from emollm.models.decoders import DECODERS
from emollm.models.fusion import FUSIONS
from emollm.models.towers import AUDIO_TOWERS, VIDEO_TOWERS
from emollm.records import Record, read_records
from emollm.synth.generate import make_synth

SMALL = ["model.text.tokenizer.vocab_size=500", "data.workers=0", "stages.0.max_steps=2", "stages.1.max_steps=2"]
SMALL += ["stages.0.batch_size=4", "stages.1.batch_size=4"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synth")
    make_synth(folder, 48, 0, "train", workers=1)  # so many that cues come often enough to be taught
    return folder


@pytest.fixture(scope="module")
def records(clips: Path) -> list[Record]:
    return list(read_records(clips / "records.jsonl"))


def test_every_part_is_in_it() -> None:
    models = [load_recipe("ablation/sft", overrides).model for overrides in VARIANTS.values()]
    for known, used in (
        (AUDIO_TOWERS, {model.audio.name for model in models}),
        (VIDEO_TOWERS, {model.video.name for model in models}),
        (ADAPTERS, {model.adapter.name for model in models}),
        (FUSIONS, {model.fusion.name for model in models}),
        (DECODERS, {model.text.name for model in models}),
    ):
        assert used == set(known)


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_models_are_equally_large(records: list[Record], variant: str) -> None:
    target = parameters(load_recipe("ablation/sft", SMALL), records)
    overrides = [*SMALL, *VARIANTS[variant]]
    size = equal_size(overrides, records, target)
    model = load_recipe("ablation/sft", [*overrides, f"model.text.config.intermediate_size={size}"])
    assert parameters(model, records) == pytest.approx(target, rel=0.01) and size >= 128


@pytest.mark.slow
def test_two_steps_of_two_variants(clips: Path, tmp_path: Path) -> None:
    files = [f"data.train={clips / 'records.jsonl'}", f"data.dev={clips / 'records.jsonl'}", *SMALL]
    rows = compare(files, tmp_path, [BASE, "fusion none"], [0])
    assert [row["variant"] for row in rows] == [BASE, "fusion none"] and all(row["dev_loss"] > 0 for row in rows)
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows
    (tmp_path / "results.jsonl").write_text(lines[0] + "\n")
    again = compare(files, tmp_path, [BASE, "fusion none"], [0])
    assert again == rows, "the first is not made again, the second is the same"
    table = markdown(again)
    assert "| fusion none |" in table and len(table.splitlines()) == 4
