"""Answers as parquet, for those who query them: a few plain columns, and the whole prediction as JSON beside them.

The JSONL file is what a run appends to and goes on from; this is written whole from it when the run is done.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from emollm.jsonl import read_rows, to_line
from emollm.records import Prediction

ROWS_AT_ONCE = 1024


def write_parquet(answers: Path, output: Path) -> int:
    """Write the predictions of a JSONL file as parquet, beside its place and then there; returns the number of rows.

    Columns: id, task, status, labels, scores (one for each label, or null), explanation, confidence, key, prediction (JSON).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number = pa.string(), pa.float64()
    schema = pa.schema(
        [(name, text) for name in ("id", "task", "status")]
        + [("labels", pa.list_(text)), ("scores", pa.list_(number)), ("explanation", text), ("confidence", number)]
        + [("key", text), ("prediction", text)]
    )
    beside, count = output.with_name(f".{output.name}.part"), 0
    rows = _rows(answers)
    try:
        with pq.ParquetWriter(beside, schema) as out:
            while group := list(islice(rows, ROWS_AT_ONCE)):
                out.write_batch(pa.RecordBatch.from_pylist(group, schema))
                count += len(group)
        os.replace(beside, output)
    finally:
        beside.unlink(missing_ok=True)
    return count


def _rows(answers: Path) -> Iterator[dict[str, Any]]:
    for answer in read_rows(answers, Prediction):
        plain = answer.model_dump(include={"id", "task", "status", "explanation", "confidence", "key"})
        labels = [label.text for label in answer.labels]
        yield {
            **plain,
            "labels": labels,
            "scores": [label.score for label in answer.labels],
            "prediction": to_line(answer),
        }
