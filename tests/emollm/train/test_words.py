"""`media.transcript` and `media.face` in training: what is learned from is what is asked about later, and no clip is listened to twice."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from emollm.cli.main import app
from emollm.config import Recipe, load_recipe
from emollm.config_media import MediaChoice, saved_choice
from emollm.errors import ConfigError
from emollm.records import Record, TextLine, read_records, write_records
from emollm.synth.mp4 import write_clip
from emollm.train import words
from emollm.train.sft import build_model, make_collator, train
from emollm.train.words import chosen_words
from tests.emollm.speaking import RATE_HZ, talk

ONE_STEP = ["stages.0.max_steps=1", "stages.1.max_steps=1", "stages.0.batch_size=2", "stages.1.batch_size=2"]


@pytest.fixture
def speaking(records_file: Path, tmp_path: Path) -> Path:
    """Two records: one in which somebody speaks, one that is still; each with a table of faces."""
    rows = []
    for number, record in enumerate(list(read_records(records_file))[:2]):
        path, voice = tmp_path / f"{number}.mp4", talk(("silence" if number else "voice", 1), ("silence", 1))
        write_clip(path, np.full((8, 32, 32, 3), 90, np.uint8), voice, fps=4, sample_rate_hz=RATE_HZ)
        np.save(path.with_suffix(".npy"), np.full((6, 16, 16, 3), 200 + number, np.uint8))
        media = {"video": {"path": path.name}, "face": {"path": f"{number}.npy"}}
        rows.append(Record.model_validate({**record.model_dump(by_alias=True), "media": media}))
    write_records(tmp_path / "records.jsonl", rows)
    return tmp_path / "records.jsonl"


@pytest.fixture
def recipe(make_recipe: Callable[..., Recipe], speaking: Path, tmp_path: Path) -> Callable[..., Recipe]:
    return lambda *overrides: make_recipe(f"data.train=[{speaking}]", f"output={tmp_path}", *ONE_STEP, *overrides)


def test_a_model_learns_and_labels_with_what_a_recogniser_hears(
    recipe: Callable[..., Recipe], speaking: Path, tiny_whisper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = recipe(f"media={{transcript: asr, recogniser: {tiny_whisper}}}", "save.every_steps=1")
    folder = train(asked)
    rows = [json.loads(line) for line in (folder / "words.jsonl").read_text().splitlines()]
    assert [row["line"] and row["line"]["source"] for row in rows] == [f"whisper:{tiny_whisper}", None]
    assert saved_choice(folder / "checkpoints" / "final") == asked.media

    def deaf(*_: object) -> TextLine:
        raise AssertionError("listened again")

    monkeypatch.setattr(words, "_heard", deaf)
    with (folder / "words.jsonl").open("a") as torn:
        torn.write('{"id": "hand')
    records = list(read_records(speaking))
    (again,) = chosen_words(asked, [records], make_console())
    assert [record.transcript and record.transcript.kind for record in again] == ["asr", None]
    result = CliRunner().invoke(app, ["label", str(speaking), "--model", str(folder), "--format", "jsonl"])
    assert result.exit_code == 0, result.output
    seen = [json.loads(line)["seen"]["transcript"] for line in result.stdout.splitlines()]
    assert seen == ["asr", "none"], "the records' own words are not shown"


def test_no_words_at_all(recipe: Callable[..., Recipe], speaking: Path) -> None:
    asked = recipe("media={transcript: none}")
    (records,) = chosen_words(asked, [list(read_records(speaking))], make_console())
    assert all(not record.text and not record.context for record in records)
    with pytest.raises(ConfigError, match="text_absent` does nothing"):
        recipe("media={transcript: none}", "stages.1.modality_dropout={text_absent: 0.5}")


def test_faces_are_learned_from_and_asked_for(recipe: Callable[..., Recipe], speaking: Path) -> None:
    asked = recipe("media={face: file}")
    records = list(read_records(speaking))
    processor = build_model(asked, records)[2]
    clip = make_collator(asked, records, processor).clips[1]
    assert clip is not None and clip.frames is not None and (clip.frames == 201).all()
    folder = train(asked)
    final = folder / "checkpoints" / "final"
    assert saved_choice(final) == MediaChoice(face="file")
    more = load_recipe(folder / "config.yaml", [f"model={{path: {final}}}", "media=null"])
    assert make_collator(more, records, processor).clips.reader.face == "file", "as the model was trained"
    lone = speaking.parent / "0.mp4"
    result = CliRunner().invoke(app, ["label", str(lone), "--model", str(folder), "--format", "jsonl"])
    assert json.loads(result.stdout)["seen"]["states"]["video"] == "no_face", "this clip has no table"


def test_validate_names_what_the_choice_lacks(
    recipe: Callable[..., Recipe], speaking: Path, tmp_path: Path, records_file: Path
) -> None:
    recipe()  # writes the file
    file = str(tmp_path / "recipe.yaml")
    call = ["validate", file, f"output={tmp_path / 'runs'}", "media={face: file}"]
    good = CliRunner().invoke(app, [*call, f"data.train=[{speaking}]"])
    assert good.exit_code == 0, good.output
    bad = CliRunner().invoke(app, [*call, f"data.train=[{records_file}]"])
    assert bad.exit_code == 2 and "12 of 12 records with a video have no table of faces" in bad.output


def make_console() -> object:
    from rich.console import Console

    return Console(quiet=True)
