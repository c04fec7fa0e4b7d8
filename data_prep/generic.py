"""Any table or folder of clips: a mapping file says what its columns mean.

    emollm data prep generic clips/ -o records.jsonl
    emollm data prep generic /data/mine -o records.jsonl --set mapping=mapping.yaml

Without a mapping each media file below the root is a record without targets. A mapping (YAML) gives each field as text with columns
in braces:

    name: mine                     # the records' data set
    license: CC BY 4.0
    file: labels.csv               # .csv .tsv .jsonl .json (a list) .xlsx; without it: folder of clips, columns {path} {stem} {folder}
    id: "{clip}"
    split: "{fold}"                # or a word, such as train
    video: "clips/{clip}.mp4"
    text: "{sentence}"
    lang: en
    label: "{emotion}"
    labels: {0: happy, 1: sad}     # the closed set: code -> label, or a list of labels

Does not guess columns, and keeps the rows of a file with `dialogue` in memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from emollm.config_yaml import YamlFile, validate
from emollm.data.leaf import Line, Root, Spec, check_inside, clock_s, votes, words
from emollm.data.sources import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from emollm.errors import ConfigError
from emollm.records import (
    QA,
    ClassLabel,
    ClassLabels,
    Consent,
    Description,
    License,
    MediaRef,
    OpenLabel,
    Record,
    Sentiment,
    Speaker,
    Targets,
    TextLine,
    Time,
    Turn,
    Vad,
)

SPEC = Spec(
    name="generic",
    title="Any table or folder of clips",
    license=License(name="unknown"),
    url="",
    access="Your own files.",
    layout="""
ROOT/
  labels.csv, .tsv, .jsonl, .json or .xlsx     what the mapping names; or nothing but clips
  clips, wherever the mapping says
""",
    options={"mapping": "YAML file that says what the columns mean (see data_prep/generic.py)"},
)
Template = Callable[[Line], str]


class Columns(BaseModel):
    """The mapping file. Each text may hold columns in braces."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="generic", pattern=r"^[a-z0-9_]+$")
    license: str = "unknown"
    file: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    id: str = "{stem}"
    split: str = "all"
    subset: str = ""
    video: str = ""
    audio: str = ""
    face: str = ""
    start_s: str = ""
    end_s: str = ""
    clock: str = Field(default="clip", pattern="^(clip|source)$")
    text: str = ""
    asr: str = ""
    translation: str = ""
    lang: str | None = None
    speaker: str = ""
    subject: str = ""
    dialogue: str = ""
    label: str = ""
    labels: list[str] | dict[str | int, str] = []
    labels_multi: str = ""
    labels_ov: str = ""
    votes: dict[str, str] = {}
    valence: str = ""
    arousal: str = ""
    dominance: str = ""
    scale: tuple[float, float] | None = None
    sentiment: str = ""
    sentiment_scale: tuple[float, float] | None = None
    description: str = ""
    reasoning: str = ""
    question: str = ""
    answer: str = ""
    parent: str = ""
    consent: str = ""
    consent_expires: str = ""

    @cached_property
    def codes(self) -> dict[str, str]:
        """The closed set of labels, by what stands in the file."""
        pairs = self.labels.items() if isinstance(self.labels, dict) else ((name, name) for name in self.labels)
        return {str(code): name for code, name in pairs}

    @cached_property
    def templates(self) -> dict[str, Template]:
        """How each field that is set is made from a row."""
        plain = {"name", "license", "file", "delimiter", "sheet", "lang", "clock", "dialogue"}
        texts = {key: value for key, value in self if isinstance(value, str) and value and key not in plain}
        return {
            key: _template(text) for key, text in (texts | {f"votes {k}": v for k, v in self.votes.items()}).items()
        }

    @property
    def needed(self) -> list[str]:
        """The columns that the mapping speaks of."""
        texts = [value for _, value in self if isinstance(value, str)] + list(self.votes.values())
        return sorted({column for text in texts for column in re.findall(r"\{([^{}]+)\}", text)})


def rows(root: Root) -> Iterator[Record]:
    """Yield a record a row, or a clip."""
    mapping = root.options.get("mapping")
    columns = validate(Columns, YamlFile.read(Path(mapping))) if mapping else Columns(video="{path}")
    _check(columns, mapping or "")
    root.spec = replace(SPEC, name=columns.name, license=License(name=columns.license))
    root.spaces = {columns.name: tuple(dict.fromkeys(columns.codes.values()))} if columns.labels else {}
    lines = _read(root, columns)
    if not columns.dialogue:
        yield from root.each(lines, lambda line: _record(root, columns, line))
        return
    (key,) = re.findall(r"\{([^{}]+)\}", columns.dialogue)
    for group in root.groups(lines, key):
        turns: list[Turn] = []
        for record in root.each(group, lambda line, turns=turns: _record(root, columns, line, tuple(turns))):  # type: ignore[misc]
            yield record
            if record.transcript:
                who = record.speaker.id if record.speaker else None
                turns.append(Turn(id=record.id, speaker=who, text=record.transcript.text))


def _check(columns: Columns, where: str) -> None:
    wrong = {
        "labels": bool(columns.label or columns.labels_multi or columns.votes) and not columns.labels,
        "scale": bool(columns.valence or columns.arousal or columns.dominance) and columns.scale is None,
        "sentiment_scale": bool(columns.sentiment) and columns.sentiment_scale is None,
        "answer": bool(columns.question) != bool(columns.answer),
    }
    if missing := [key for key, is_wrong in wrong.items() if is_wrong]:
        raise ConfigError(
            f"lacks {', '.join(missing)}",
            where,
            "classes need their labels, numbers their scale, questions their answer",
        )
    if columns.dialogue and not re.fullmatch(r"\{[^{}]+\}", columns.dialogue):
        raise ConfigError(f"dialogue is {columns.dialogue!r}", where, "one column, such as {dialogue_id}")


def _read(root: Root, columns: Columns) -> Iterator[Line]:
    name = columns.file
    if name is None:
        for number, path in enumerate(root.walk("", *VIDEO_SUFFIXES, *AUDIO_SUFFIXES), 1):
            values = {
                "path": path,
                "stem": path.rsplit(".", 1)[0],
                "folder": path.split("/")[-2] if "/" in path else "",
            }
            yield Line(values, path, number)
        return
    check_inside(name)
    suffix, needed = Path(name).suffix.lower(), columns.needed
    if suffix == ".jsonl":
        yield from root.jsonl(name, *needed)
    elif suffix == ".json":
        yield from root.items(name, *needed)
    elif suffix == ".xlsx":
        yield from root.xlsx(name, *needed, sheet=columns.sheet)
    else:
        yield from root.csv(name, *needed, delimiter=columns.delimiter or ("\t" if suffix == ".tsv" else ","))


def _record(root: Root, columns: Columns, line: Line, context: tuple[Turn, ...] = ()) -> Record:
    values = {key: value for key, make in columns.templates.items() if (value := make(line).strip())}
    fields: dict[str, Any] = {}
    start_s, end_s = (_seconds(values[key]) if key in values else None for key in ("start_s", "end_s"))
    part = start_s is not None or end_s is not None
    if part and columns.clock == "source":
        fields["time"] = Time(start_s=start_s, end_s=end_s, clock="source")
    if "speaker" in values:
        fields["speaker"] = Speaker(id=values["speaker"])
    if "consent" in values:
        fields["consent"] = Consent(scope=values["consent"], expires=values.get("consent_expires"))
    kinds = {"text": "transcript", "asr": "asr", "translation": "translation"}
    lang = columns.lang
    text = tuple(TextLine(text=values[key], lang=lang, kind=kind) for key, kind in kinds.items() if key in values)  # type: ignore[arg-type]
    media: dict[str, Any] = {key: values[key] for key in ("video", "audio", "face") if key in values}
    if columns.file is None and Path(line["path"]).suffix.lower() in AUDIO_SUFFIXES and "video" in media:
        media["audio"] = media.pop("video")
    if part and columns.clock == "clip":
        media = {key: MediaRef(path=path, start_s=start_s, end_s=end_s) for key, path in media.items()}
    return root.record(
        values.get("id", ""),
        values.get("split", "all"),
        line,
        **media,
        text=text,
        context=context,
        targets=_targets(columns, line, values),
        subset=values.get("subset"),
        subject_id=values.get("subject"),
        parents=(values["parent"],) if "parent" in values else (),
        **fields,
    )


def _targets(columns: Columns, line: Line, values: dict[str, str]) -> Targets:
    space = columns.name
    found: dict[str, Any] = {}
    if "label" in values:
        found["label"] = ClassLabel(space=space, name=_label(columns, values["label"], line))
    if "labels_multi" in values:
        names = tuple(_label(columns, word, line) for word in words(values["labels_multi"]))
        found["labels_multi"] = ClassLabels(space=space, names=names)
    if "labels_ov" in values:
        found["labels_ov"] = tuple(OpenLabel(text=word, lang=columns.lang) for word in words(values["labels_ov"]))
    if columns.votes:
        counts = {label: float(values.get(f"votes {label}", 0)) for label in columns.votes}
        found["distribution"] = (soft,) if (soft := votes(space, counts)) else ()
    if columns.scale:
        axes = {
            key: _number(key, values[key], columns.scale, line)
            for key in ("valence", "arousal", "dominance")
            if key in values
        }
        found["vad"] = Vad(**axes, scale=columns.scale) if axes else None
    if columns.sentiment_scale and "sentiment" in values:
        value = _number("sentiment", values["sentiment"], columns.sentiment_scale, line)
        found["sentiment"] = Sentiment(value=value, scale=columns.sentiment_scale)
    if told := [
        Description(text=values[kind], kind=kind, author="unknown")
        for kind in ("description", "reasoning")
        if kind in values
    ]:
        found["description"] = tuple(told)
    if "question" in values:
        found["qa"] = (QA(question=values["question"], answer=values.get("answer", "")),)
    return Targets(**found)


def _label(columns: Columns, code: str, line: Line) -> str:
    return Line({"label": code}, line.file, line.number).pick("label", columns.codes)


def _number(key: str, text: str, scale: tuple[float, float], line: Line) -> float | None:
    return Line({key: text}, line.file, line.number).number_of(key, *scale)


def _seconds(text: str) -> float:
    return clock_s(text) if ":" in text else float(text)


def _template(text: str) -> Template:
    """Return how a text with columns in braces is filled; anything else in it stands as it is."""
    parts = re.split(r"\{([^{}]+)\}", text)
    if len(parts) == 1:
        return lambda line: text
    if parts[0] == parts[2] == "" and len(parts) == 3:
        column = parts[1]
        return lambda line: _text(line[column])
    return lambda line: "".join(_text(line[part]) if at % 2 else part for at, part in enumerate(parts))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
