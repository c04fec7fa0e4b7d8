"""Answers of any source as predictions: our own files, and what other projects write, for scoring them again.

| format | file | what is read |
|---|---|---|
| emollm | .jsonl, `emollm.prediction/1` | as it stands |
| csv | .csv with columns `name`, `openset` | label lists (MER2024, OV-MER, MER2025) |
| affectgpt | .npz with `filenames`, `fileitems`, or with `name2reason` | label lists, or texts (AffectGPT, MER2025 and MER2026 baselines) |
| emotion-llama | .txt, `name frames label` a line | one label each (Emotion-LLaMA's annotation format) |
| lmms-eval | .jsonl of `--log_samples` | the first of `filtered_resps` or `resps` |
| ms-swift | .jsonl of `swift infer` | `response` |
| text | .jsonl with an id and `output`, `text` or `answer` | R1-Omni's tags and the like |

A text gives labels when it is our answer string, holds an `<answer>` tag (R1-Omni), is a label list, a few words with commas, or one of
AffectGPT's sentences ("The character's emotional state is ..."). Prose does not: its row is kept as unreadable, without labels, and
counted. Labels that a language model extracts from prose are another experiment, whose numbers differ from run to run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emollm import __version__
from emollm.emotions.labels import answer_problem, reference_labels
from emollm.errors import EmoError
from emollm.evaluation.reading import Problems, csv_rows, json_lines, label_list, readable, text_of
from emollm.evaluation.unpickle import read_npz
from emollm.prompts import TASKS, parse
from emollm.prompts.answers import Answer, Parsed
from emollm.records import PredictedLabel, Prediction, Provenance

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_SENTENCE = re.compile(
    r"(?:the )?(?:character's )?(?:emotional state|most likely label|sentiment state) is ([^.]+)\.?", re.IGNORECASE
)
_MOST_WORDS = 3
"""Words of one label in a list without brackets; more are a sentence."""
_TEXT_KEYS = ("output", "text", "answer")
_ID_KEYS = ("emo_id", "id", "name")


@dataclass(frozen=True)
class Outputs:
    """The predictions of a file, and in which format it was; `problems`: what is wrong in it."""

    path: Path
    format: str
    predictions: list[Prediction]
    problems: Problems = field(default_factory=list)


def read_outputs(path: Path) -> Outputs:
    """Read a file of answers, whoever wrote it.

    Raises:
        EmoError: The file cannot be opened, or its format is not known.
    """
    problems: Problems = []
    readers: dict[str, Callable[[Path, Problems], Iterator[Prediction]]] = {
        ".npz": _affectgpt,
        ".csv": _csv,
        ".txt": _emotion_llama,
    }
    suffix = path.suffix.lower()
    if suffix in readers:
        name = readers[suffix].__name__.removeprefix("_").replace("_", "-")
        return Outputs(path, name, list(readers[suffix](path, problems)), problems)
    if suffix != ".jsonl":
        known = ", ".join([".jsonl", *readers])
        raise EmoError("a file of answers of an unknown kind", str(path), f"known are {known}: see docs/score.md")
    lines = list(json_lines(path, problems))
    name = _format_of(lines[0][1]) if lines else "emollm"
    make = _own if name == "emollm" else _logged
    found = (make(path, name, where, row, problems) for where, row in lines)
    return Outputs(path, name, [one for one in found if one is not None], problems)


def read_text(text: str) -> Parsed:
    """Return the labels of an answer as a model wrote it; `failed` for prose, which keeps its words as the explanation."""
    for task in ("labels", "cues", "explain", "full"):
        if (parsed := parse(text, TASKS[task])).status == "ok":
            return parsed
    if parsed.status == "repaired":
        return parsed
    tags = _ANSWER.findall(text)
    body = (tags[-1] if tags else text).strip()
    if sentence := _SENTENCE.fullmatch(body):
        body = sentence[1].strip()
    if body.startswith("["):
        labels = None if answer_problem(body) else reference_labels(body)
    else:
        labels = reference_labels(body.rstrip(".")) or None
        if labels and any(len(label.split()) > _MOST_WORDS for label in labels):
            labels = None
    if labels is None:
        return Parsed(Answer(explanation=text.strip()), "failed")
    return Parsed(Answer(labels=tuple(labels)), "repaired")


def _format_of(row: dict[str, Any]) -> str:
    """Return the format of a JSONL file by its first row."""
    if str(row.get("schema", "")).startswith("emollm.prediction/"):
        return "emollm"
    if "filtered_resps" in row or "resps" in row:
        return "lmms-eval"
    return "ms-swift" if "response" in row else "text"


def _own(path: Path, name: str, where: str, row: dict[str, Any], problems: Problems) -> Prediction | None:
    """Return the prediction of a line of ours."""
    try:
        return Prediction.model_validate(row)
    except ValidationError as error:
        problems.append(EmoError(readable(error), where, "fields of a prediction: see docs/predictions.md"))
        return None


def _logged(path: Path, name: str, where: str, row: dict[str, Any], problems: Problems) -> Prediction | None:
    """Return the prediction of a line that holds an id and a text, wherever the writer puts them."""
    # lmms-eval logs our id in the value of each metric
    places = [row, *(value for value in row.values() if isinstance(value, dict))]
    ids = [place[key] for place in places for key in _ID_KEYS if place.get(key) is not None]
    text: Any = next((row[key] for key in ("filtered_resps", "resps", "response", *_TEXT_KEYS) if key in row), None)
    while isinstance(text, list) and text:
        text = text[0]
    if not ids:
        fix = f"add one of {', '.join(_ID_KEYS)} to each row; a row's number is no id"
        problems.append(EmoError("no id", where, fix))
    if not isinstance(text, str):
        problems.append(EmoError("no text of an answer", where, "see docs/score.md for the fields that are read"))
    return _prediction(str(ids[0]), read_text(text), text, name, path) if ids and isinstance(text, str) else None


def _csv(path: Path, problems: Problems) -> Iterator[Prediction]:
    """Yield the rows of a CSV file of label lists."""
    for where, row in csv_rows(path, problems, "name", "openset"):
        labels = label_list(row["openset"], f"{where} ({row['name']})", problems)
        if labels is not None:
            yield _prediction(row["name"], Parsed(Answer(tuple(labels)), "ok"), row["openset"], "csv", path)


def _affectgpt(path: Path, problems: Problems) -> Iterator[Prediction]:
    """Yield the entries of an archive of label lists (`filenames`, `fileitems`) or of texts (`name2reason`)."""
    arrays = read_npz(path)
    if isinstance(arrays.get("name2reason"), dict):
        for name, text in arrays["name2reason"].items():
            yield _prediction(str(name), read_text(str(text)), str(text), "affectgpt", path)
        return
    names, items = arrays.get("filenames"), arrays.get("fileitems")
    if not isinstance(names, list) or not isinstance(items, list) or len(names) != len(items):
        fix = "expected `filenames` and `fileitems` of one length, or `name2reason`"
        raise EmoError(f"holds {', '.join(arrays) or 'nothing'}", str(path), fix)
    for name, item in zip(names, items, strict=True):
        labels = label_list(item, f"{path} ({name})", problems)
        if labels is not None:
            yield _prediction(str(name), Parsed(Answer(tuple(labels)), "ok"), str(item), "affectgpt", path)


def _emotion_llama(path: Path, problems: Problems) -> Iterator[Prediction]:
    """Yield the lines `name frames label`; what follows the label (a valence) is not read."""
    for number, line in enumerate(text_of(path).splitlines(), 1):
        words = line.split()
        if len(words) >= 3 and words[1].isdigit():
            yield _prediction(words[0], Parsed(Answer((words[2],)), "ok"), line, "emotion-llama", path)
        elif words:
            problems.append(
                EmoError("not `name frames label`", f"{path}:{number}", "one clip a line, words with spaces between")
            )


def _prediction(id_: str, parsed: Parsed, raw: str, engine: str, path: Path) -> Prediction:
    """Return another project's answer as a prediction."""
    answer = parsed.answer
    return Prediction(
        id=id_,
        task="labels",
        status="ok" if answer.labels or parsed.status == "failed" else "insufficient_evidence",
        labels=tuple(PredictedLabel(text=label) for label in answer.labels),
        explanation=answer.explanation,
        cues=answer.cues,
        confidence=answer.confidence,
        confidence_source=None if answer.confidence is None else "verbalised",
        raw=raw,
        parse=parsed.status,
        provenance=Provenance(model=path.name, engine=engine, emollm=__version__),
    )
