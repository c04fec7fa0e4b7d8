"""TRL's conversations (https://huggingface.co/docs/trl/dataset_formats): JSONL, `prompt` and `completion`, or `chosen` and `rejected`.

SFT learns the completion; GRPO uses the prompt and hands our `emo_` columns to reward functions (`remove_unused_columns=False`). Media are
content blocks that hold a path. TRL itself collates images only: sound and video need a collator that opens these paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from emollm.data.formats import Row, own_columns, read_lines, row_of, write_lines


def write(rows: Iterable[Row], folder: Path, name: str) -> None:
    """Write `folder/name.jsonl`."""
    write_lines(map(_line, rows), folder / f"{name}.jsonl")


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows that `write` wrote."""
    for line in read_lines(folder):
        *blocks, text = line["prompt"][0]["content"]
        media: dict[str, list[str]] = {}
        for block in blocks:
            media.setdefault(f"{block['type']}s", []).append(block["path"])
        answer, rejected = (
            _text_of(line.get(key)) for key in ("chosen" if "chosen" in line else "completion", "rejected")
        )
        yield row_of(line, text["text"], answer or "", media, rejected)


def _line(row: Row) -> dict[str, Any]:
    blocks = [{"type": column[:-1], "path": path} for column, paths in row.media.items() for path in paths]
    prompt = [{"role": "user", "content": [*blocks, {"type": "text", "text": row.text}]}]
    answers = {"completion": row.answer} if row.rejected is None else {"chosen": row.answer, "rejected": row.rejected}
    turns = {key: [{"role": "assistant", "content": [{"type": "text", "text": text}]}] for key, text in answers.items()}
    return {"prompt": prompt, **turns, **own_columns(row)}


def _text_of(messages: list[dict[str, Any]] | None) -> str | None:
    """Return the text of the only message, or None when there is none."""
    return messages[0]["content"][0]["text"] if messages else None
