"""Hugging Face `datasets` (>= 4.7, which has `Json`): one parquet file with the whole record, nothing lost.

    load_dataset("parquet", data_files="FOLDER/NAME.parquet")

Media are string paths that count from the folder; cast a column to `Video()` or `Audio()` after loading, when the decoder is there. Targets
and what else is open in shape are `Json`: fixed columns would force every null and every vote of one data set on all others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from emollm.data.formats import ROWS_AT_ONCE, in_groups
from emollm.records import Record, resolve

JSON = ("time", "speaker", "targets", "quality", "license", "consent", "provenance")


def write(records: Iterable[Record], folder: Path, name: str) -> None:
    """Write `folder/name.parquet` in groups of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = _features()
    with pq.ParquetWriter(folder / f"{name}.parquet", features.arrow_schema) as out:
        for group in in_groups(records):
            rows = [features.encode_example(_columns(record)) for record in group]
            out.write_batch(pa.RecordBatch.from_pylist(rows, features.arrow_schema))


def read(folder: Path) -> Iterator[Record]:
    """Yield the records that `write` wrote, with their media paths joined to the folder."""
    import pyarrow.parquet as pq

    (path,) = folder.glob("*.parquet")
    for group in pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE):
        for row in group.to_pylist():
            yield resolve(Record.model_validate(known_fields(row)), folder)


def known_fields(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a row tells of its record, unchecked."""
    known = {name: value for name, value in row.items() if value is not None}
    return known | {name: json.loads(known[name]) for name in JSON if name in known}


def _columns(record: Record) -> dict[str, Any]:
    """Return a record as a row; what is open in shape without its nulls, as text (`Json` itself would round 0.7 to 0.7000000000000001)."""
    row = record.model_dump(mode="json", by_alias=True, exclude=set(JSON))
    parts = {name: part for name in JSON if (part := getattr(record, name)) is not None}
    return row | {name: json.dumps(part.model_dump(mode="json", exclude_defaults=True)) for name, part in parts.items()}


def _features() -> Any:
    """Return the columns with their types."""
    from datasets import Features, Json, List, Value

    text, number = Value("string"), Value("float64")
    span = {"start_s": number, "end_s": number}
    file = {"path": text, **span, "has_audio": Value("bool"), "crop": List(number)}
    names = ("schema", "id", "dataset", "dataset_version", "subset", "split", "native_id", "subject_id", "root_id")
    return Features(
        {
            **dict.fromkeys(names, text),
            "fold": Value("int32"),
            "media": {"video": file, "audio": file, "images": List(file), "face": file},
            "text": List(dict.fromkeys(("text", "lang", "kind", "source"), text)),
            "context": List({**dict.fromkeys(("id", "speaker", "text", "emotion"), text), **span}),
            **{name: Json() for name in JSON},
        }
    )
