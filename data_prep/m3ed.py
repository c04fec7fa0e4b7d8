"""M3ED: dialogues of Chinese television series; three raters for each utterance, blended emotions.

    emollm data prep m3ed /data/M3ED -o m3ed.jsonl --set audio=wav/{speaker}_{utterance}.wav

Reads the annotations. Where the clips lie is not documented: say it with `--set audio=...` or `--set video=...`, else the records hold text
only. What the last field of a time counts is not documented either: say it with `--set time_base=...`, else records have no times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from emollm.data.leaf import Line, Root, Spec, votes
from emollm.data.tables import line_of
from emollm.errors import ConfigError, EmoError
from emollm.records import ClassLabel, ClassLabels, License, Quality, Record, Speaker, Targets, TextLine, Time, Turn

SPEC = Spec(
    name="m3ed",
    title="M3ED",
    license=License(name="research use; the films are copyrighted", redistributable=False, commercial=False),
    url="https://github.com/AIM3-RUC/RUCM3ED",
    access="Annotations in the repository; ask its authors for the clips.",
    citation="https://arxiv.org/abs/2205.10237",
    layout="""
M3ED/
  annotation.json                             series -> dialogue -> {SpeakerInfo, Dialog}
  splitInfo/movie_list_{train,val,test}.txt   a series a line
  and clips, wherever --set audio=... or --set video=... says
""",
    languages=("zh",),
    spaces=("m3ed7",),
    splits="train, val, test by series (38, 7, 11)",
    metrics=("weighted F1",),
    options={
        "audio": "place of an utterance's sound, such as wav/{speaker}_{utterance}.wav; also {series} and {dialogue}",
        "video": "place of an utterance's film, in the same way",
        "time_base": "how many units of the last field of a time make a second: 100 for hundredths, the frame rate for frames",
    },
    notes=(
        "The authors report 990 dialogues and 24,449 utterances.",
        "label is the main emotion, labels_multi the blend; each rater's word is a vote.",
        "Ages are given as words (young, mid): they stay in the source.",
    ),
)
SPLITS = {"train": "train", "val": "dev", "test": "test"}
RATERS = ("EmoAnnotator1", "EmoAnnotator2", "EmoAnnotator3")
TIME = re.compile(r"(\d+):(\d+):(\d+):(\d+)")


def rows(root: Root) -> Iterator[Record]:
    """Yield the utterances, each with the turns before it."""
    places = {kind: template for kind in ("audio", "video") if (template := root.option(kind, default=""))}
    base = root.option("time_base", default="0")
    if not re.fullmatch(r"\d{1,4}(\.\d+)?", base):
        raise ConfigError(f"time_base is {base!r}", "--set time_base", SPEC.options["time_base"])
    split_of = {
        series.strip(): split
        for part, split in SPLITS.items()
        for _, series in root.lines(f"splitInfo/movie_list_{part}.txt")
    }

    def dialogue(line: Line) -> Iterator[Record]:
        if line["series"] not in split_of:
            raise EmoError(f"the series {line['series']!r} is in no split", line.where, "see splitInfo/")
        return _dialogue(root, line, split_of[line["series"]], places, float(base))

    file = "annotation.json"
    told = [
        Line(
            {**line_of(value, f"{file}, {name}", 1, ("SpeakerInfo", "Dialog")), "series": series, "name": name}, file, 1
        )
        for series, dialogues in line_of(root.json(file) or {}, file, 1).items()
        for name, value in line_of(dialogues, f"{file}, {series}", 1).items()
    ]
    yield from root.each(told, dialogue)


def _dialogue(root: Root, dialogue: Line, split: str, places: dict[str, str], base: float) -> Iterator[Record]:
    series, name = dialogue["series"], dialogue["name"]
    people, past, file = dialogue["SpeakerInfo"], list[Turn](), f"annotation.json, {name}"

    def record(line: Line) -> Record:
        marks = Line(line["EmoAnnotation"], line.file, line.number)
        emotion, words, letter = _label(marks["final_main_emo"], marks), line.text("Text") or "", line["Speaker"]
        who = people.get(letter, {})
        soft, n_raters = _votes(marks)
        names = {"{series}": series, "{dialogue}": name, "{utterance}": line["id"], "{speaker}": letter}
        start_s, end_s = (_seconds(line[key], base, line) for key in ("StartTime", "EndTime"))
        backwards = start_s is not None and end_s is not None and end_s < start_s
        made = root.record(
            line["id"],
            split,
            line,
            **{kind: _fill(template, names) for kind, template in places.items()},
            text=(TextLine(text=words, lang="zh", source="official"),),
            time=None if start_s is None or backwards else Time(start_s=start_s, end_s=end_s, clock="source"),
            speaker=Speaker(id=who.get("Name") or letter, role="speaker", gender=who.get("Gender")),
            subject_id=f"{series}:{who.get('Name') or letter}",
            context=tuple(past),
            targets=Targets(
                label=ClassLabel(space="m3ed7", name=emotion),
                labels_multi=ClassLabels(space="m3ed7", names=_blend(marks)),
                distribution=(soft,) if soft else (),
            ),
            flags=["times_reversed"] if backwards else [],
            quality=Quality(label_origin="majority", n_raters=n_raters),
        )
        past.append(Turn(id=made.id, speaker=who.get("Name") or letter, text=words, emotion=emotion, **_span(made)))
        return made

    turns = sorted(dialogue["Dialog"].items(), key=lambda item: int(item[0].rpartition("_")[2]))
    lines = (
        Line({**line_of(turn, file, number), "id": key}, file, number) for number, (key, turn) in enumerate(turns, 1)
    )
    yield from root.each(lines, record)


def _label(word: str, line: Line) -> str:
    return Line({"emotion": word.strip().lower()}, line.file, line.number).pick("emotion", SPEC.labels("m3ed7"))


def _blend(marks: Line) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_label(word, marks) for word in marks["final_mul_emo"].split(",") if word.strip()))


def _votes(marks: Line) -> tuple[Any, int]:
    """Return the raters' votes and their number; one who names several emotions gives each a part of the vote."""
    counts: dict[str, float] = {}
    n_raters = 0
    for rater in RATERS:
        named = [_label(word, marks) for word in (marks.get(rater) or "").split(",") if word.strip()]
        n_raters += bool(named)
        for label in named:
            counts[label] = counts.get(label, 0) + 1 / len(named)
    return votes("m3ed7", counts, modality="avt"), n_raters


def _seconds(text: str, base: float, line: Line) -> float | None:
    """Return a time `hours:minutes:seconds:units` in seconds; None when it is not known what a unit is."""
    found = TIME.fullmatch(text.strip())
    if not found:
        raise EmoError(f"no time: {text[:40]!r}", line.where, "hours:minutes:seconds:units")
    hours, minutes, seconds, units = map(int, found.groups())
    if base and units >= base:
        raise EmoError(f"{text}: the last field counts to {units}", line.where, f"time_base={base:g} is too small")
    return hours * 3600 + minutes * 60 + seconds + units / base if base else None


def _fill(template: str, names: dict[str, str]) -> str:
    for field, value in names.items():
        template = template.replace(field, value)
    return template


def _span(record: Record) -> dict[str, float | None]:
    return {"start_s": record.time.start_s, "end_s": record.time.end_s} if record.time else {}
