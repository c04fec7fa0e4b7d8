"""Data folders of LLaMA-Factory: `dataset_info.json` and the files that it names.

    emollm data prep llama_factory /data/mine -o records.jsonl --set file=my_set

Each entry (or the one named by `--set file=...`) becomes a split. Reads the formats sharegpt, openai and alpaca; questions and
answers become `targets.qa`, `chosen` and `rejected` a preference. Does not read entries that live on a hub.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emollm.data.chat import FACTS, chat_record, exchanges
from emollm.data.leaf import Line, Root, Spec, check_inside
from emollm.errors import EmoError
from emollm.records import QA, License, Record

SPEC = Spec(
    name="llama_factory",
    title="LLaMA-Factory data folders",
    license=License(name="that of the data in it"),
    url="https://github.com/hiyouga/LLaMA-Factory",
    access="Your own files, or a peer's.",
    layout="""
ROOT/
  dataset_info.json    ENTRY -> {file_name, formatting?, columns?, tags?}
  FILE_NAME            .json (a list) or .jsonl
  media, wherever the files say
""",
    options=FACTS | {"file": "the entry of dataset_info.json to read; all of them without it"},
)
TAGS = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"}


def rows(root: Root) -> Iterator[Record]:
    """Yield a record a chat, entry by entry."""
    entries = root.json("dataset_info.json", dict) or {}
    if "file" in root.options:
        name = root.option("file", tuple(entries))
        entries = {name: entries[name]}
    for name, entry in entries.items():
        file = entry.get("file_name") if isinstance(entry, dict) else None
        if not isinstance(file, str):
            root.bad(EmoError(f"{name} has no file_name", "dataset_info.json", "--set file=ENTRY reads one entry only"))
            continue
        check_inside(file)
        lines = root.jsonl(file) if file.endswith(".jsonl") else root.items(file)

        def record(line: Line, name: str = name, entry: dict[str, Any] = entry) -> Record:
            return _record(root, line, name, entry)

        yield from root.each(lines, record)


def _record(root: Root, line: Line, name: str, entry: dict[str, Any]) -> Record:
    columns, tags = entry.get("columns", {}), TAGS | entry.get("tags", {})
    chosen: Any = line[columns["chosen"]] if entry.get("ranking") else None
    rejected: Any = line[columns["rejected"]] if entry.get("ranking") else None
    if entry.get("formatting", "alpaca") == "alpaca":
        asked = [
            line.get(columns.get(key, usual), "") for key, usual in (("prompt", "instruction"), ("query", "input"))
        ]
        answer = chosen if chosen is not None else line[columns.get("response", "output")]
        pairs = [QA(question="\n".join(filter(None, asked)), answer=answer)]
    else:
        messages = line[columns.get("messages", "conversations")]
        keys = (tags["role_tag"], tags["content_tag"])
        if chosen is not None:
            messages, rejected = [*messages, chosen], rejected[keys[1]]
        pairs = exchanges(messages, line.where, keys, (tags["user_tag"],), (tags["assistant_tag"],))
    media = {key: line.get(columns[key]) for key in ("videos", "audios", "images") if key in columns}
    return chat_record(root, line, name, pairs, **media, rejected=rejected)
