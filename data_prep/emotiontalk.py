"""EmotionTalk: dialogues of nineteen Chinese actors; each turn labelled with everything, and again from sound, picture or words alone.

    emollm data prep emotiontalk /data/Emotiontalk -o emotiontalk.jsonl

Reads the release (a JSON file for each turn and modality), else the CSV files of its repository, which have no single answers and no
sentiment. Does not read the captions, nor the pickled arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from emollm.data.leaf import Line, Root, Spec
from emollm.data.tables import line_of
from emollm.errors import EmoError
from emollm.records import (
    ClassLabel,
    Distribution,
    License,
    Record,
    Sentiment,
    Speaker,
    Targets,
    TextLine,
    Turn,
)

SPEC = Spec(
    name="emotiontalk",
    title="EmotionTalk",
    license=License(name="CC BY-NC-SA 4.0", url="https://huggingface.co/datasets/BAAI/Emotiontalk", commercial=False),
    url="https://github.com/NKU-HLT/EmotionTalk",
    access="Ask for access on its Hugging Face page.",
    citation="https://arxiv.org/abs/2505.23018",
    layout="""
Emotiontalk/
  Multimodal/json/G00009/G00009_42/G00009_42_14/G00009_42_14_024.json   data, emotion_result, Continuous label_result
  Multimodal/mp4/G00009/G00009_42/G00009_42_14/G00009_42_14_024.mp4
  Text/json/...  Audio/json/...  Video/json/...                         the same folders (if you have them)
  Audio/wav/...                                                         the same folders (if you have them)
or
  mm-process/mm.csv                       file_name, emotion            (or dataset/mm-process/)
  mm-process/transcription.csv            name, emotion, chinese        (if you have it)
  mm-process/{audio,video}.csv            file_name, emotion            (if you have them)
  G00009/G00009_42/...                    or Multimodal/mp4/G00009/...
""",
    languages=("zh",),
    spaces=("emotiontalk7",),
    counts={"train": 15413, "dev": 1908, "test": 1929},
    classes={
        "train": {
            "neutral": 5377,
            "happy": 2986,
            "sad": 919,
            "angry": 2950,
            "surprised": 1367,
            "disgusted": 1142,
            "fearful": 672,
        },
        "dev": {
            "neutral": 675,
            "happy": 360,
            "sad": 111,
            "angry": 409,
            "surprised": 133,
            "disgusted": 95,
            "fearful": 125,
        },
        "test": {
            "neutral": 801,
            "happy": 246,
            "sad": 123,
            "angry": 339,
            "surprised": 161,
            "disgusted": 134,
            "fearful": 125,
        },
    },
    splits="by group: dev (val) G00001 and G00012, test G00003 and G00015, the others train",
    metrics=("weighted F1", "ACC"),
    media=("Multimodal/mp4",),
    notes=(
        "Labels from one modality differ from the label from all: they are distributions of kind `label`, modality a, v or t.",
        "A name is group_dialogue_speaker_turn; turns are in order of their number.",
        "Marks in the words ([over/]...[/over], [laughing], [interrupted]) are taken out; flags tell of them.",
        "Sentiment goes from -2 to 2. The annotators' answers are kept as the release writes them.",
    ),
)
NAME = re.compile(r"(G\d{5})_(\d+)_(\d+)_(\d+)")
MARK = re.compile(r"\[/?([a-z]+)/?\]")
SPLIT_OF = {"G00001": "dev", "G00012": "dev", "G00003": "test", "G00015": "test"}
FOLDERS = {"avt": "Multimodal", "a": "Audio", "v": "Video", "t": "Text"}
TABLES = {"avt": "mm.csv", "a": "audio.csv", "v": "video.csv", "t": "transcription.csv"}


def rows(root: Root) -> Iterator[Record]:
    """Yield the turns, each with the turns before it."""
    if root.has("Multimodal/json"):
        told = {modality: dict(_release(root, f"{folder}/json")) for modality, folder in FOLDERS.items()}
    elif file := root.first("mm-process/mm.csv", "dataset/mm-process/mm.csv"):
        below = file.removesuffix("mm.csv")
        told = {modality: dict(_table(root, below + table)) for modality, table in TABLES.items()}
    else:
        return
    turns = told.pop("avt").values()
    yield from root.each(root.groups(turns, "dialogue"), lambda turns: _dialogue(root, turns, told))


def _dialogue(root: Root, turns: list[Line], told: dict[str, dict[str, Line]]) -> Iterator[Record]:
    past: list[Turn] = []
    sounds = root.has("Audio/wav")
    for line in sorted(turns, key=lambda line: int(line["turn"])):
        stem, place, who = line["stem"], line["place"], line["speaker"]
        written = next((told[modality][stem]["words"] for modality in ("t", "a") if stem in told[modality]), None) or ""
        words, emotion = MARK.sub("", written).strip(), line.pick("emotion", SPEC.labels("emotiontalk7"))
        value = line.number_of("sentiment", -2, 2)
        made = root.record(
            stem,
            SPLIT_OF.get(place[:6], "train"),
            line,
            video=[f"Multimodal/mp4/{place}.mp4", f"{place}.mp4"],
            audio=f"Audio/wav/{place}.wav" if sounds else None,
            text=(TextLine(text=words, lang="zh", source="official"),) if words else (),
            speaker=Speaker(id=who, role="actor"),
            subject_id=who,
            context=tuple(past),
            targets=Targets(
                label=ClassLabel(space="emotiontalk7", name=emotion),
                distribution=tuple(_label(lines[stem], modality) for modality, lines in told.items() if stem in lines),
                sentiment=Sentiment(value=value, scale=(-2, 2)) if value is not None else None,
                raters=line["answers"],
            ),
            flags=sorted({f"mark:{mark}" for mark in MARK.findall(written)}),
            origin="majority",
        )
        past.append(Turn(id=made.id, speaker=who, text=words, emotion=emotion))
        yield made


def _release(root: Root, folder: str) -> Iterator[tuple[str, Line]]:
    """Yield the turns of one modality by name, out of a file for each."""
    for file in root.walk(folder, ".json"):
        try:
            value = line_of(root.json(file), file, 1, ("emotion_result",))
            answers = value.get("data")
            kept = (
                tuple(answers) if isinstance(answers, list) and all(isinstance(one, dict) for one in answers) else None
            )
            emotion = (value.text("emotion_result") or "").lower()
            more = {"sentiment": value.get("Continuous label_result"), "words": value.get("content"), "answers": kept}
            yield _named(file, {"emotion": emotion, **more}, value)
        except EmoError as error:
            root.bad(error)


def _table(root: Root, file: str) -> Iterator[tuple[str, Line]]:
    """Yield the turns of one CSV file by name."""
    key = "name" if file.endswith(TABLES["t"]) else "file_name"
    for line in root.csv(file, key, "emotion") if root.has(file) else ():
        try:
            values = {"emotion": line["emotion"], "sentiment": None, "words": line.get("chinese"), "answers": None}
            yield _named(line[key], values, line)
        except EmoError as error:
            root.bad(error)


def _named(path: str, values: dict[str, Any], line: Line) -> tuple[str, Line]:
    """Return the turn by its name, with what the name tells."""
    stem = re.sub(r"\.\w+$", "", path.rpartition("/")[2])
    found = NAME.fullmatch(stem)
    if not found:
        raise EmoError(f"no turn: {path[:80]!r}", line.where, "GROUP_DIALOGUE_SPEAKER_TURN")
    group, dialogue, speaker, turn = found.groups()
    place = f"{group}/{group}_{dialogue}/{group}_{dialogue}_{speaker}/{stem}"
    parts = {"stem": stem, "place": place, "dialogue": f"{group}_{dialogue}", "speaker": speaker, "turn": turn}
    return stem, Line({**values, **parts}, line.file, line.number)


def _label(line: Line, modality: str) -> Distribution:
    name = line.pick("emotion", SPEC.labels("emotiontalk7"))
    return Distribution(space="emotiontalk7", kind="label", probs={name: 1.0}, modality=modality)
