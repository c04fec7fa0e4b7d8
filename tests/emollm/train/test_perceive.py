"""The objective `cues`: it learns, nothing of it stays but towers, adapters, fusion and statistics, and withheld cues are not taught."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emollm.config import load_recipe
from emollm.errors import ConfigError, EmoError
from emollm.records import Record
from emollm.run import read_metrics
from emollm.train.collate import Collator
from emollm.train.examples import Example
from emollm.train.perceive import CueCollator, CueReader, phrases_of
from emollm.train.sft import build_model, make_collator, train

PERCEIVE = [
    "model.adapter.standardise=true",
    "stages.0.objective=cues",
    "stages.0.tasks={cues: 1.0}",
    "stages.0.blocks.decoder=frozen",
]


def test_phrases_are_heard_or_seen(records: Sequence[Record]) -> None:
    phrases = phrases_of(records)
    assert set(phrases.index) == {("audio", "voice is high"), ("video", "cheeks raised"), ("video", "head tilted")}
    assert [phrases.heard[phrases.index["audio", "voice is high"]].item(), int(phrases.heard.sum())] == [True, 1]


def test_records_without_shared_cues_are_refused(records: Sequence[Record]) -> None:
    bare = [
        record.model_copy(update={"targets": record.targets.model_copy(update={"cues": None})}) for record in records
    ]
    with pytest.raises(EmoError, match="no audible or visible cue"):
        phrases_of(bare)


@pytest.fixture
def collator(records_file: Path, records: list[Record]) -> tuple[Collator, CueReader, CueCollator]:
    recipe = load_recipe(records_file.parent / "recipe.yaml", PERCEIVE)
    _, model, processor = build_model(recipe, records)
    usual, phrases = make_collator(recipe, records, processor), phrases_of(records)
    return usual, CueReader(model, phrases), CueCollator(usual, phrases)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, {"voice is high", "cheeks raised", "head tilted"}),
        ({"audio": "silent"}, {"cheeks raised", "head tilted"}),
        ({"audio": "absent"}, {"cheeks raised", "head tilted"}),
        ({"video": "black"}, {"voice is high"}),
    ],
)
def test_withheld_cues_are_not_taught(
    collator: tuple[Collator, CueReader, CueCollator], changes: dict[str, str], shown: set[str]
) -> None:
    _, reader, collate = collator
    batch = collate([Example(0, "cues", **changes).to_row()])  # type: ignore[arg-type]
    texts = [text for (_, text), column in reader.phrases.index.items() if batch["cue_labels"][0, column]]
    assert set(texts) == shown and "labels" not in batch


def test_a_batch_without_media_still_has_a_loss(collator: tuple[Collator, CueReader, CueCollator]) -> None:
    _, reader, collate = collator
    rows = [Example(index, "cues", audio="absent", video="absent").to_row() for index in (0, 1)]
    loss = reader(**collate(rows))["loss"]
    loss.backward()
    assert loss.item() == 0.0


def test_it_learns_and_leaves_no_trace_of_its_own(records_file: Path, tmp_path: Path) -> None:
    overrides = [*PERCEIVE, "stages.0.max_steps=40", "stages.0.learning_rate=0.003", f"output={tmp_path}"]
    folder = train(load_recipe(records_file.parent / "recipe.yaml", [*overrides, f"data.dev={records_file}"]))
    rows = [row for row in read_metrics(folder) if row["stage"] == "full"]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])
    assert "dev_loss" in rows[-1]
    after, final = (load_file(folder / "checkpoints" / name / "model.safetensors") for name in ("full", "final"))
    assert not [name for name in after if "heads" in name]
    statistics = [name for name in after if ".standard." in name and name.endswith("mean")]
    assert len(statistics) == 5 and all(after[name].abs().sum() > 0 for name in statistics)
    assert all(torch.equal(after[name].float(), final[name].float()) for name in statistics)


def test_the_decoder_takes_no_part(records_file: Path) -> None:
    overrides = [override for override in PERCEIVE if "decoder" not in override]
    with pytest.raises(ConfigError, match=r"objective.*decoder.*frozen"):
        load_recipe(records_file.parent / "recipe.yaml", overrides)


def test_statistics_that_nothing_gathers_are_refused(records_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"standardise.*objective"):
        load_recipe(records_file.parent / "recipe.yaml", ["model.adapter.standardise=true"])
