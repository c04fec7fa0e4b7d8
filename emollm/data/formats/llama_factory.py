"""LLaMA-Factory (https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md): JSONL in sharegpt form, `dataset_info.json`.

Use the folder as `dataset_dir` and its name as `dataset`. The number of placeholders equals the number of files, as it asks. It leaves our
`emo_` columns alone and has no place for targets. Sound inside a video is heard only with `use_audio_in_video`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from emollm.data.formats import Row, own_columns, read_lines, row_of, turns, write_lines


def write(rows: Iterable[Row], folder: Path, name: str) -> None:
    """Write `folder/name.jsonl` and the registry entry."""
    rows = iter(rows)
    first = next(rows, None)
    columns = {column: column for column in ("messages", "images", "videos", "audios")}
    pairs = first is not None and first.rejected is not None
    entry: dict[str, Any] = {
        "file_name": f"{name}.jsonl",
        "formatting": "sharegpt",
        "columns": columns | ({"chosen": "chosen", "rejected": "rejected"} if pairs else {}),
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    }
    if pairs:
        entry["ranking"] = True
    (folder / "dataset_info.json").write_text(json.dumps({name: entry}, indent=2) + "\n", encoding="utf-8")
    write_lines(map(_line, chain([] if first is None else [first], rows)), folder / f"{name}.jsonl")


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows that `write` wrote."""
    for line in read_lines(folder):
        user = line["messages"][0]["content"]
        if "rejected" in line:
            yield row_of(line, user, line["chosen"]["content"], line, line["rejected"]["content"])
        else:
            yield row_of(line, user, line["messages"][1]["content"], line)


def _line(row: Row) -> dict[str, Any]:
    user, assistant = turns(row)
    columns = {**row.media, **own_columns(row)}
    if row.rejected is None:
        return {"messages": [user, assistant], **columns}
    return {"messages": [user], "chosen": assistant, "rejected": {**assistant, "content": row.rejected}, **columns}
