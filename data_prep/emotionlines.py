"""EmotionLines: the dialogues of *Friends* and of private chats (EmotionPush), with the votes of five raters for each line. Text only.

    emollm data prep emotionlines /data/EmotionLines -o emotionlines.jsonl

Reads the files of 2018 (train, dev, test) or those of the EmotionX 2019 challenge (no splits). Does not read the machine translations of
the challenge's augmented files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emollm.data.leaf import Root, Spec, votes
from emollm.data.tables import line_of
from emollm.errors import EmoError
from emollm.records import ClassLabel, License, Quality, Record, Speaker, Targets, TextLine, Turn

SPEC = Spec(
    name="emotionlines",
    title="EmotionLines",
    license=License(name="unknown; research use", redistributable=None),
    url="http://doraemon.iis.sinica.edu.tw/emotionlines/",
    access="Friends: open download. EmotionPush: by request to the authors.",
    citation="https://arxiv.org/abs/1802.08379",
    layout="""
EmotionLines/                                      of 2018
  Friends/friends_{train,dev,test}.json
  EmotionPush/emotionpush_{train,dev,test}.json    (if you have it)
or                                                 of EmotionX 2019
  friends.json
  emotionpush.json                                 (if you have it)
a list of dialogues, each a list of {speaker, utterance, emotion, annotation}
""",
    languages=("en",),
    spaces=("emotionlines8",),
    counts={"all": 29245},
    optional=("all",),
    versions={"friends": {"all": 14503}, "emotionpush": {"all": 14742}},
    splits="train, dev, test in the files of 2018; none in those of 2019 (split `all`; --set version=friends for Friends alone)",
    metrics=("unweighted accuracy", "weighted F1"),
    overlaps=("meld", "ecf"),
    notes=(
        "MELD and ECF are made of the same Friends dialogues, under other numbers: keep them out of each other's tests.",
        "`annotation` counts votes in the order neutral, joy, sadness, fear, anger, surprise, disgust.",
        "non-neutral is the class of lines whose raters did not agree.",
    ),
)
VOTED = ("neutral", "joy", "sadness", "fear", "anger", "surprise", "disgust")
CORPORA = {"friends": "Friends", "emotionpush": "EmotionPush"}
FIELDS = ("speaker", "utterance", "emotion", "annotation")


def rows(root: Root) -> Iterator[Record]:
    """Yield the lines of all dialogues, each with the lines before it."""
    whole = [corpus for corpus in CORPORA if root.has(f"{corpus}.json")]
    for corpus in whole:
        yield from _file(root, corpus, "all", f"{corpus}.json")
    if whole:
        return
    for corpus in [corpus for corpus, folder in CORPORA.items() if root.has(folder)] or CORPORA:
        for split in ("train", "dev", "test"):
            yield from _file(root, corpus, split, f"{CORPORA[corpus]}/{corpus}_{split}.json")


def _file(root: Root, corpus: str, split: str, file: str) -> Iterator[Record]:
    name = file.rpartition("/")[2].removesuffix(".json")
    for number, dialogue in enumerate(root.json(file) or ()):
        past: list[Turn] = []

        def record(item: tuple[int, Any], number: int = number, past: list[Turn] = past) -> Record:
            line = line_of(item[1], f"{file}, dialogue {number + 1}", item[0] + 1, FIELDS)
            counts = line.text("annotation") or ""
            if len(counts) != len(VOTED) or not counts.isdigit():
                raise EmoError(
                    f"annotation is {counts!r}", line.where, "seven digits, the votes for " + ", ".join(VOTED)
                )
            soft = votes("emotionlines8", dict(zip(VOTED, map(int, counts), strict=True)), modality="t")
            emotion = line.pick("emotion", SPEC.labels("emotionlines8"))
            words = line.text("utterance") or ""
            made = root.record(
                f"{name}_dia{number}_utt{item[0]}",
                split,
                line,
                subset=corpus,
                text=(TextLine(text=words, lang="en", source="official"),),
                speaker=Speaker(id=line.text("speaker"), role="speaker" if corpus == "friends" else "author"),
                subject_id=line.text("speaker") if corpus == "friends" else None,
                context=tuple(past),
                targets=Targets(
                    label=ClassLabel(space="emotionlines8", name=emotion), distribution=(soft,) if soft else ()
                ),
                quality=Quality(label_origin="majority", n_raters=soft.n if soft else None),
            )
            past.append(Turn(id=made.id, speaker=line.text("speaker"), text=words, emotion=emotion))
            return made

        yield from root.each(enumerate(dialogue if isinstance(dialogue, list) else [dialogue]), record)
