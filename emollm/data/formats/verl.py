"""verl: parquet with `prompt`, files, `reward_model.ground_truth` and `extra_info`.

Source: https://verl.readthedocs.io/en/latest/preparation/prepare_data.html.
The ground truth is the answer string; a reward function finds the whole truth as JSON in `extra_info.emo_targets`. Nested values that verl
does not know stay text, so that rows of different data sets fit one schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from emollm.data.formats import ROWS_AT_ONCE, Row, in_groups, own_columns, row_of, turns


def write(rows: Iterable[Row], folder: Path, name: str) -> None:
    """Write `folder/name.parquet` in groups of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    with pq.ParquetWriter(folder / f"{name}.parquet", schema) as out:
        for group in in_groups(enumerate(rows)):
            out.write_batch(pa.RecordBatch.from_pylist([_line(index, row) for index, row in group], schema))


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows that `write` wrote."""
    import pyarrow.parquet as pq

    (path,) = folder.glob("*.parquet")
    for group in pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE):
        for line in group.to_pylist():
            media = {f"{kind}s": [file[kind] for file in line[f"{kind}s"]] for kind in ("image", "video", "audio")}
            yield row_of(line["extra_info"], line["prompt"][0]["content"], line["reward_model"]["ground_truth"], media)


def _line(index: int, row: Row) -> dict[str, Any]:
    files = {column: [{column[:-1]: path} for path in paths] for column, paths in row.media.items()}
    return {
        "data_source": row.dataset or "emollm",
        "prompt": turns(row)[:1],
        **files,
        "ability": "emotion",
        "reward_model": {"style": "rule", "ground_truth": row.answer},
        "extra_info": {"index": index, **own_columns(row)},
    }


def _schema() -> Any:
    """Return the columns with their types."""
    import pyarrow as pa

    text, number = pa.string(), pa.int64()
    own = {"emo_question": number, "emo_sound_in_video": pa.bool_()}
    names = ("id", "task", "question", "dataset", "split", "sound_in_video", "targets")
    extra = [("index", number), *((f"emo_{name}", own.get(f"emo_{name}", text)) for name in names)]
    return pa.schema(
        [
            ("data_source", text),
            ("prompt", pa.list_(pa.struct([("role", text), ("content", text)]))),
            *((f"{kind}s", pa.list_(pa.struct([(kind, text)]))) for kind in ("image", "video", "audio")),
            ("ability", text),
            ("reward_model", pa.struct([("style", text), ("ground_truth", text)])),
            ("extra_info", pa.struct(extra)),
        ]
    )
