"""MELD: utterances of *Friends* in their dialogues, with one of seven emotions and a sentiment.

    emollm data prep meld /data/MELD.Raw -o meld.jsonl

Reads the three CSV files and finds the clips under the folder names of the release, or under `train/ dev/ test/`. Does not read the dyadic
variant, nor clips without a row.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec, clock_s
from emollm.records import ClassLabel, License, Record, Sentiment, Speaker, Targets, TextLine, Time, Turn

SPEC = Spec(
    name="meld",
    title="MELD",
    license=License(
        name="GPL-3.0 (annotations); the clips are copyrighted",
        redistributable=False,
        url="https://github.com/declare-lab/MELD",
    ),
    url="https://github.com/declare-lab/MELD",
    access="Open download of MELD.Raw.tar.gz; unpack the three archives in it, too.",
    citation="https://arxiv.org/abs/1810.02508",
    layout="""
MELD.Raw/
  {train,dev,test}_sent_emo.csv         or data/MELD/..., as in the repository
  train_splits/dia0_utt0.mp4            or train/
  dev_splits_complete/dia0_utt0.mp4     or dev/
  output_repeated_splits_test/...       or test/
""",
    languages=("en",),
    spaces=("meld7",),
    counts={"train": 9989, "dev": 1109, "test": 2610},
    classes={
        "train": {
            "anger": 1109,
            "disgust": 271,
            "fear": 268,
            "joy": 1743,
            "neutral": 4710,
            "sadness": 683,
            "surprise": 1205,
        },
        "dev": {"anger": 153, "disgust": 22, "fear": 40, "joy": 163, "neutral": 470, "sadness": 111, "surprise": 150},
        "test": {"anger": 345, "disgust": 68, "fear": 50, "joy": 402, "neutral": 1256, "sadness": 208, "surprise": 281},
    },
    splits="train, dev, test; 1,038, 114 and 280 dialogues, whose numbers start again in each split (train has no dialogue 60)",
    metrics=("weighted F1", "ACC"),
    overlaps=("emotionlines", "ecf"),
    media=("train_splits", "dev_splits_complete", "output_repeated_splits_test"),
    faults={"train:dia125_utt3": "corrupt", "dev:dia110_utt7": "missing"},
    notes=(
        "Times count from the start of the episode (subset), not of the clip; picture and words are loosely aligned.",
        "A few clips are cut minutes too long (flag long_cut); extra clips without a row are counted, not read.",
        "A speaker is a name in the script: `All` or `Woman` is not one person.",
    ),
)
FOLDERS = {
    "train": ("train_splits", "train"),
    "dev": ("dev_splits_complete", "dev"),
    "test": ("output_repeated_splits_test", "test"),
}
COLUMNS = (
    "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode", "StartTime", "EndTime",
)  # fmt: skip
# https://github.com/declare-lab/MELD/issues/20
LONG_CUTS = {"train:dia309_utt0", "test:dia220_utt0", "test:dia38_utt4"}


def rows(root: Root) -> Iterator[Record]:
    """Yield the utterances, each with the turns before it."""
    for split in FOLDERS:
        if file := root.first(f"{split}_sent_emo.csv", f"data/MELD/{split}_sent_emo.csv"):
            for dialogue in root.groups(root.csv(file, *COLUMNS), "Dialogue_ID"):
                yield from _dialogue(root, split, dialogue)


def _dialogue(root: Root, split: str, dialogue: list[Line]) -> Iterator[Record]:
    past: list[Turn] = []

    def record(line: Line) -> Record:
        key = f"dia{line['Dialogue_ID']}_utt{line['Utterance_ID']}"
        words, who = line.text("Utterance") or "", line.text("Speaker")
        emotion = line.pick("Emotion", SPEC.labels("meld7"))
        start_s, end_s = clock_s(line["StartTime"]), clock_s(line["EndTime"])
        flags = ["long_cut"] if f"{split}:{key}" in LONG_CUTS else []
        if end_s < start_s:
            flags.append("times_reversed")
        made = root.record(
            key,
            split,
            line,
            video=[f"{folder}/{key}.mp4" for folder in FOLDERS[split]],
            text=(TextLine(text=words, lang="en", source="official"),),
            subset=f"S{line['Season']:0>2}E{line['Episode']:0>2}",
            time=Time(start_s=start_s, end_s=end_s, clock="source") if start_s <= end_s else None,
            speaker=Speaker(id=who, role="speaker"),
            subject_id=who,
            context=tuple(past),
            targets=Targets(
                label=ClassLabel(space="meld7", name=emotion),
                sentiment=Sentiment(name=line.pick("Sentiment", ("positive", "neutral", "negative"))),
            ),
            flags=flags,
            origin="majority",
        )
        past.append(Turn(id=made.id, speaker=who, text=words, emotion=emotion))
        # Numbers start again in each split: without it, train and test would seem to share their clips.
        return made.model_copy(update={"native_id": f"{split}_{key}"})

    yield from root.each(sorted(dialogue, key=lambda line: line.number_of("Utterance_ID", 0, 999) or 0), record)
