"""Which files of a folder hold records."""

import json
from pathlib import Path

import pytest

from emollm.errors import ConfigError
from emollm.evaluation.selecting import records_files
from emollm.records import Record, write_records


def test_a_folder_gives_its_records_and_not_what_lies_beside_them(tmp_path: Path) -> None:
    """As `emollm data make-synth` leaves a folder: the truth of the generator has ids, too, and pairs tell their own schema."""
    write_records(tmp_path / "records.jsonl", [Record(id="a")])
    (tmp_path / "bare.jsonl").write_text(json.dumps({"id": "b", "split": "dev"}) + "\n")
    (tmp_path / "truth.jsonl").write_text(json.dumps({"id": "a", "split": "dev", "primary": "fear"}) + "\n")
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"schema": "emollm.pair/1", "id": "a#1"}) + "\n")
    assert [path.name for path in records_files([tmp_path])] == ["bare.jsonl", "records.jsonl"]


def test_a_folder_without_records_is_told(tmp_path: Path) -> None:
    (tmp_path / "truth.jsonl").write_text(json.dumps({"id": "a", "primary": "fear"}) + "\n")
    with pytest.raises(ConfigError, match="no records file here"):
        records_files([tmp_path])
