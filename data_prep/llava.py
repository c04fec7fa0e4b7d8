"""Data files of LLaVA and its kin (R1-Omni, HumanOmni, EmoBench-M): one JSON list of chats about a video each.

    emollm data prep llava /data/mine -o records.jsonl
    emollm data prep llava /data/mine -o records.jsonl --set file=train.json --set strip=/mnt/data/

Questions and answers become `targets.qa`; an answer is not taken apart into labels.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.chat import FACTS, chat_record, exchanges, the_file
from emollm.data.leaf import Line, Root, Spec
from emollm.records import License, Record

SPEC = Spec(
    name="llava",
    title="LLaVA data files",
    license=License(name="that of the data in it"),
    url="https://github.com/haotian-liu/LLaVA",
    access="Your own files, or a peer's.",
    layout="""
ROOT/
  NAME.json        list of {id?, video, conversations: [{from: human, value: "<video>...", }, {from: gpt, value: ...}]}
  media, wherever the file says
""",
    options=FACTS,
)


def rows(root: Root) -> Iterator[Record]:
    """Yield a record a chat."""

    def record(line: Line) -> Record:
        pairs = exchanges(line["conversations"], line.where, ("from", "value"), ("human", "user"), ("gpt", "assistant"))
        return chat_record(
            root, line, "all", pairs, videos=line.get("video"), audios=line.get("audio"), images=line.get("image")
        )

    if file := the_file(root, ".json"):
        yield from root.each(root.items(file, "conversations"), record)
