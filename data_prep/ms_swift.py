"""Data files of ms-swift: JSONL with `messages` and lists of media.

    emollm data prep ms_swift /data/mine -o records.jsonl

Questions and answers become `targets.qa`, a `rejected_response` a preference; an answer is not taken apart into labels. Media are paths (no
base64).
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.chat import FACTS, chat_record, exchanges, the_file
from emollm.data.leaf import Line, Root, Spec
from emollm.records import License, Record

SPEC = Spec(
    name="ms_swift",
    title="ms-swift data files",
    license=License(name="that of the data in it"),
    url="https://github.com/modelscope/ms-swift",
    access="Your own files, or a peer's.",
    layout="""
ROOT/
  NAME.jsonl       lines {messages: [{role, content}], videos: [...], audios: [...], images: [...], rejected_response?}
  media, wherever the file says
""",
    options=FACTS,
)


def rows(root: Root) -> Iterator[Record]:
    """Yield a record a chat."""

    def record(line: Line) -> Record:
        media = {key: line.get(key) for key in ("videos", "audios", "images")}
        pairs = exchanges(line["messages"], line.where)
        return chat_record(root, line, "all", pairs, **media, rejected=line.get("rejected_response"))

    if file := the_file(root, ".jsonl"):
        yield from root.each(root.jsonl(file, "messages"), record)
