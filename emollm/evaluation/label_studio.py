"""Samples for Label Studio, and what its users said (https://labelstud.io/guide/export, format JSON).

A task names the clip and nothing that the model said: whoever sees an answer tends to agree with it. `labels` of the project are Choices or
TextArea (words with commas between); any name of theirs is understood.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from emollm.errors import EmoError, collect
from emollm.evaluation.audit import Drawn, Rated, word
from emollm.paths import whole_file
from emollm.records import Record

_VIEW = """<View>
  <Video name="clip" value="$clip"/>
  <Text name="words" value="$words"/>
  <Choices name="labels" toName="clip" choice="multiple">
{choices}
  </Choices>
  <TextArea name="other" toName="clip" placeholder="other labels, with commas between"/>
</View>
"""


def write_tasks(path: Path, sample: Iterable[Drawn], records: Mapping[str, Record]) -> int:
    """Write a sample as tasks to import, and beside it the project's labelling view (.xml); returns the number of tasks.

    Args:
        path: The tasks (JSON).
        sample: What was drawn.
        records: By id; they tell the file and the words of a clip. A clip without a record is its id.
    """
    tasks, labels = [], set()
    for one in sample:
        record = records.get(one.answer.id)
        media = record.media.video or record.media.audio if record else None
        words = record.transcript if record else None
        labels |= {word(label.text) for label in one.answer.labels}
        data = {
            "clip": media.path if media else one.answer.id,
            "words": words.text if words else "",
            "id": one.answer.id,
            "key": one.answer.key,
            "weight": one.weight,
        }
        tasks.append({"data": data})
    choices = "\n".join(f"    <Choice value={quoteattr(label)}/>" for label in sorted(labels))
    with whole_file(path.with_suffix(".xml")) as out:
        out.write(_VIEW.format(choices=choices))
    with whole_file(path) as out:
        json.dump(tasks, out, ensure_ascii=False, indent=1)
    return len(tasks)


def read_tasks(path: Path) -> list[Rated]:
    """Read the project's export (JSON); cancelled annotations are passed over.

    Raises:
        EmoError: It is no such export, or tasks are not of our making; all of them are told.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EmoError(f"no export of Label Studio ({error})", str(path), "export the project as JSON") from None
    if not isinstance(tasks, list):
        raise EmoError("no list of tasks", str(path), "export the project as JSON (not JSON-MIN)")
    found, problems = [], []
    for number, task in enumerate(tasks, 1):
        try:
            raters = tuple(
                _labels(annotation["result"])
                for annotation in task.get("annotations", ())
                if not annotation.get("was_cancelled")
            )
            found.append(Rated(str(task["data"]["key"]), float(task["data"]["weight"]), raters))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            fix = "import the tasks that `emollm label audit` wrote, and export as JSON"
            problems.append(
                EmoError(f"not a task of ours ({type(error).__name__}: {error})", f"{path}: task {number}", fix)
            )
    if wrong := collect(problems[:20], "{n} problems in the export:"):
        raise wrong
    return found


def _labels(result: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return what one person chose or wrote."""
    said = []
    for part in result:
        value = part["value"]
        said += value.get("choices", ())
        texts = value.get("text", ())
        said += [label for text in ([texts] if isinstance(texts, str) else texts) for label in text.split(",")]
    return frozenset(label for text in said if (label := word(text)))
