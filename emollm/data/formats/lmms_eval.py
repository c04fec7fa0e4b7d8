"""lmms-eval: a task folder of a YAML file, documents and functions; run it inside the folder.

    lmms-eval --include_path . --tasks NAME --model qwen2_5_omni --log_samples

Source: https://github.com/EvolvingLMMs-Lab/lmms-eval/blob/main/docs/guides/task_guide.md. The folder's `utils.py` takes its functions from
here, so emollm must be installed beside lmms-eval (its core needs no torch). Scores there: `fs`, the open-vocabulary F on our own wheels,
which is what `emollm score --metric fs` gives the logged answers (joined by `emo_id`), and two that compare words as written. For other
metrics, wheels and intervals, give the logged answers to `emollm score`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emollm.data.formats import Row, own_columns, read_lines, row_of, write_lines
from emollm.emotions.maps import load_maps
from emollm.errors import EmoError
from emollm.metrics import wheel
from emollm.metrics.open_vocabulary import set_scores
from emollm.prompts import TASKS, parse

_YAML = """\
# Run inside this folder (the documents are found by a relative path):
#   lmms-eval --include_path . --tasks {name} --model MODEL --log_samples
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: docs.jsonl
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: answer
doc_to_messages: !function utils.doc_to_messages
process_results: !function utils.process_results
generation_kwargs:
  max_new_tokens: 512
  temperature: 0
  do_sample: false
metric_list:
  - metric: fs
    aggregation: !function utils.fs
    higher_is_better: true
  - metric: f_exact
    aggregation: !function utils.f_exact
    higher_is_better: true
  - metric: accuracy_exact
    aggregation: !function utils.accuracy_exact
    higher_is_better: true
  - metric: unreadable
    aggregation: !function utils.unreadable
    higher_is_better: false
metadata:
  - version: 1.0
"""
_UTILS = '''\
"""Functions of this task; they live in emollm (pip install emollm)."""

from emollm.data.formats.lmms_eval import (
    accuracy_exact,
    doc_to_messages,
    doc_to_text,
    doc_to_visual,
    f_exact,
    fs,
    process_results,
    unreadable,
)

__all__ = [
    "accuracy_exact",
    "doc_to_messages",
    "doc_to_text",
    "doc_to_visual",
    "f_exact",
    "fs",
    "process_results",
    "unreadable",
]
'''
Doc = Mapping[str, Any]


def write(rows: Iterable[Row], folder: Path, name: str) -> None:
    """Write `folder/name.yaml`, `folder/docs.jsonl` and `folder/utils.py`."""
    (folder / f"{name}.yaml").write_text(_YAML.format(name=name), encoding="utf-8")
    (folder / "utils.py").write_text(_UTILS, encoding="utf-8")
    write_lines(
        ({"text": row.text, "answer": row.answer, **row.media, **own_columns(row)} for row in rows),
        folder / "docs.jsonl",
    )


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows that `write` wrote."""
    for doc in read_lines(folder):
        yield row_of(doc, doc["text"], doc["answer"], doc)


def doc_to_visual(doc: Doc) -> list[str]:
    """Return the files of a document, for models that take one list of them."""
    return [path for column in ("images", "videos", "audios") for path in doc[column] or ()]


def doc_to_text(doc: Doc, lmms_eval_specific_kwargs: Doc | None = None) -> str:
    """Return the prompt, between the model's own words before and after it if there are any."""
    around = lmms_eval_specific_kwargs or {}
    return f"{around.get('pre_prompt', '')}{doc['text']}{around.get('post_prompt', '')}"


def doc_to_messages(doc: Doc, lmms_eval_specific_kwargs: Doc | None = None) -> list[dict[str, Any]]:
    """Return the document as chat messages, media before the text."""
    media = [
        {"type": column[:-1], "url": path} for column in ("images", "videos", "audios") for path in doc[column] or ()
    ]
    text = {"type": "text", "text": doc_to_text(doc, lmms_eval_specific_kwargs)}
    return [{"role": "user", "content": [*media, text]}]


def process_results(doc: Doc, results: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read gold and written labels; the scores are of the whole set, so each metric gets the pair."""
    task = TASKS.get(doc["emo_task"], TASKS["ask"])
    readings = [parse(text, task) for text in (doc["answer"], results[0])]
    gold, written = (
        sorted({label.lower() for label in reading.answer.labels})
        if task.style != "text"
        else [(reading.answer.explanation or "").lower()]
        for reading in readings
    )
    pair = {"id": doc["emo_id"], "gold": gold, "written": written, "parse": readings[1].status}
    return dict.fromkeys(("fs", "f_exact", "accuracy_exact", "unreadable"), pair)


def fs(pairs: Sequence[Doc]) -> float:
    """Return the level-1 F on our own wheels; NaN where they know no gold label, as with answers in free text."""
    gold, written = ([pair[side] for pair in pairs] for side in ("gold", "written"))
    try:
        return wheel.score("fs", load_maps(), gold, written).value
    except EmoError:
        return math.nan


def f_exact(pairs: Sequence[Doc]) -> float:
    """Return F over sets of words as written (see emollm.metrics.open_vocabulary)."""
    gold, written = ([pair[side] for pair in pairs] for side in ("gold", "written"))
    return set_scores(gold, written, {word: word for words in [*gold, *written] for word in words}).f


def accuracy_exact(pairs: Sequence[Doc]) -> float:
    """Return the share of documents whose written labels are the gold ones; with single labels, WAR."""
    return sum(pair["gold"] == pair["written"] for pair in pairs) / max(len(pairs), 1)


def unreadable(pairs: Sequence[Doc]) -> float:
    """Return the share of answers that hold no readable labels; they count as wrong above."""
    return sum(pair["parse"] == "failed" for pair in pairs) / max(len(pairs), 1)
