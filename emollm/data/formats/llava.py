"""LLaVA's conversations, with `video` as R1-Omni has it: one JSON list.

Source: https://github.com/haotian-liu/LLaVA/blob/main/docs/Finetune_Custom_Data.md.
`<audio>` stands in the text when the clip has sound; R1-Omni reads it from the video file. A sound file of its own is named in `audio`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from emollm.data.formats import Row, own_columns, row_of


def write(rows: Iterable[Row], folder: Path, name: str) -> None:
    """Write `folder/name.json`, row by row."""
    with (folder / f"{name}.json").open("w", encoding="utf-8") as out:
        separator = "[\n"
        for row in rows:
            out.write(separator + json.dumps(_line(row), ensure_ascii=False))
            separator = ",\n"
        out.write("\n]\n" if separator == ",\n" else "[]\n")


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows that `write` wrote."""
    (path,) = folder.glob("*.json")
    for line in json.loads(path.read_text(encoding="utf-8")):
        media = {f"{kind}s": line.get(kind) for kind in ("video", "audio", "image")}
        media = {column: [paths] if isinstance(paths, str) else paths for column, paths in media.items()}
        human, gpt = (turn["value"] for turn in line["conversations"])
        if line["emo_sound_in_video"] and "audio" not in line:
            human = human.replace("<audio>\n", "", 1)
        yield row_of(line, human, gpt, media)


def _line(row: Row) -> dict[str, Any]:
    tags = row.tags + ("<audio>\n" if row.sound_in_video and row.audio is None else "")
    images = list(row.images) if len(row.images) > 1 else row.images[0] if row.images else None
    files = {"video": row.video, "audio": row.audio, "image": images}
    return {
        "id": row.id if row.question == 0 else f"{row.id}?{row.question}",
        **{kind: paths for kind, paths in files.items() if paths is not None},
        "conversations": [{"from": "human", "value": tags + row.text}, {"from": "gpt", "value": row.answer}],
        **own_columns(row),
    }
