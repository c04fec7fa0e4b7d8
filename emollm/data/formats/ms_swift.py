"""ms-swift (https://swift.readthedocs.io/en/latest/Customization/Custom-dataset.html): JSONL, `messages` and lists of files.

SFT ignores our `emo_` columns; GRPO hands them to reward functions. Pairs carry `rejected_response`. Sound inside a video is heard only
with `USE_AUDIO_IN_VIDEO=True` in the environment, or when the row names it in `audios`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from emollm.data.formats import Row, own_columns, read_lines, row_of, turns, write_lines


def write(rows: Iterable[Row], folder: Path, name: str) -> None:
    """Write `folder/name.jsonl`."""
    write_lines(
        (
            {
                "messages": turns(row),
                **row.media,
                **({} if row.rejected is None else {"rejected_response": row.rejected}),
                **own_columns(row),
            }
            for row in rows
        ),
        folder / f"{name}.jsonl",
    )


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows that `write` wrote."""
    for line in read_lines(folder):
        user, assistant = (message["content"] for message in line["messages"])
        yield row_of(line, user, assistant, line, line.get("rejected_response"))
