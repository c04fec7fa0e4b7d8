"""Records, answers and wheels that a benchmark can be run on without a model."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emollm.cli.main import app
from emollm.engines.fake import FakeEngine
from emollm.jsonl import write_rows
from emollm.records import Prediction, Record, write_records
from tests.emollm.engines.test_openai import Server

LEAF = """
title: Little
about: Whether the class is found.
measures_not: anything
version: 1
paper: https://example.org
data: emollm data prep little DIR -o little.jsonl
parts:
  little:
    records: {dataset: little, split: test}
    clips: 24
    labels: [happy, sad, angry]
    paraphrases: ["Which feeling does the person show?"]
    metrics: [classes, valence]
reported:
  - {system: Theirs, value: 0.5, paper: https://example.org/theirs}
"""
CLASSES = ("happy", "sad", "angry")


@pytest.fixture(autouse=True)
def _no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the results say of the commit is tested in test_run.py; asking git takes longer than all else here."""
    monkeypatch.setattr("emollm.run.git_commit", lambda: None)


@pytest.fixture
def call() -> Callable[..., Result]:
    """Call `emollm eval ...`."""
    return lambda *arguments: CliRunner().invoke(app, ["eval", *map(str, arguments)])


@pytest.fixture
def leaf(tmp_path: Path) -> Path:
    """A user's own benchmark of one part: 24 clips of six speakers, three classes."""
    path = tmp_path / "little.yaml"
    path.write_text(LEAF)
    return path


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """The records of `leaf`, and one of another split."""
    rows = [record(f"c{i}", CLASSES[i % 3], speaker=f"s{i // 4}", lang="en" if i < 20 else "de") for i in range(24)]
    path = tmp_path / "records" / "little.jsonl"
    path.parent.mkdir()
    write_records(path, [*rows, record("other", "sad", split="train")])
    return path


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine that every model name opens: it answers by the id of a record."""
    import emollm.api

    fake = FakeEngine()
    monkeypatch.setattr(emollm.api, "open_engine", lambda *_, **__: fake)
    return fake


@pytest.fixture
def server() -> Iterator[Server]:
    """A server whose replies a test writes."""
    made = Server("somebody")
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A random sentence encoder that knows a few words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = "[PAD] [UNK] [CLS] [SEP] [MASK] he she is angry sad and weeps shouts ."
    (tmp_path / "vocab.txt").write_text(words.replace(" ", "\n"))
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words.split()), **size)).save_pretrained(tmp_path / "encoder")
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


def record(id_: str, label: str, split: str = "test", speaker: str = "s", lang: str = "en", **fields: Any) -> Record:
    """Return a record of the little data set."""
    row = {
        "id": id_,
        "dataset": "little",
        "split": split,
        "subject_id": speaker,
        "text": [{"text": "Well.", "lang": lang}],
        "targets": {"label": {"space": "t", "name": label}},
    }
    return Record.model_validate(row | fields)


def answers(path: Path, labels: Mapping[str, Sequence[str]]) -> Path:
    """Write predictions: id -> labels."""
    made = {"model": "m", "engine": "fake", "emollm": "0"}
    rows = [
        Prediction.model_validate(
            {
                "id": id_,
                "task": "labels",
                "status": "ok" if words else "insufficient_evidence",
                "labels": [{"text": word} for word in words],
                "parse": "ok",
                "provenance": made,
            }
        )
        for id_, words in labels.items()
    ]
    write_rows(path, rows)
    return path


def results(folder: Path) -> dict[str, Any]:
    """Return the results of a folder."""
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found
