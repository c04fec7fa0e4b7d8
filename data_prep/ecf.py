"""ECF 2.0 (SemEval-2024 Task 3): *Friends* dialogues in which each emotion's causes are marked, as words (subtask 1) and as turns (2).

    emollm data prep ecf /data/SemEval-2024_ECAC/data -o ecf.jsonl --set clips=clips

Reads both subtasks, joined by conversation and utterance, or one of them. The clips are not part of the release: cut them by the times and
say with `--set clips=FOLDER` where they are. With `all_data_pair_ECFvsMELD.txt` of ECF 1.0 beside them, records name their MELD clip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from emollm.data.leaf import Line, Root, Spec, clock_s
from emollm.errors import EmoError
from emollm.records import Cause, ClassLabel, License, Record, Speaker, Targets, TextLine, Time, Turn

SPEC = Spec(
    name="ecf",
    title="ECF 2.0 (SemEval-2024 Task 3)",
    license=License(name="research use; the films are copyrighted", redistributable=False, commercial=False),
    url="https://github.com/NUSTM/SemEval-2024_ECAC",
    access="JSON files in the repository; clips must be cut by the user.",
    citation="https://aclanthology.org/2024.semeval-1.277",
    layout="""
data/
  Subtask_{1,2}_{train,test}.json       conversations with emotion-cause pairs; one subtask is enough
  CLIPS/dia1utt1.mp4                    if you cut them: --set clips=CLIPS
  all_data_pair_ECFvsMELD.txt           (if you have it)
""",
    languages=("en",),
    spaces=("meld7",),
    counts={"train": 13619, "test": 3101},
    splits="train, test (1,374 and 341 conversations); its train set is all of ECF 1.0",
    metrics=("weighted strict F1", "weighted proportional F1", "weighted pair F1"),
    overlaps=("meld", "emotionlines"),
    options={"clips": "folder of the clips dia{conversation}utt{utterance}.mp4, relative to the root"},
    notes=(
        "A cause with `text` is of subtask 1 (span: characters of the cause's turn), one without of subtask 2.",
        "Times count from the start of the episode (subset).",
    ),
)
TOKENS = re.compile(r"(\d+)_(\d+)")


def rows(root: Root) -> Iterator[Record]:
    """Yield the utterances, each with the turns before it and the causes of its emotion."""
    clips, parents = root.option("clips", default="").strip("/"), _meld(root)
    for split in ("train", "test"):
        files = [file for task in (2, 1) if root.has(file := f"Subtask_{task}_{split}.json")]
        if not files:
            root.missing(f"Subtask_1_{split}.json or Subtask_2_{split}.json")
        lines = (line for file in files for line in root.items(file, "conversation_ID", "conversation"))

        def conversation(told: list[Line], split: str = split) -> Iterator[Record]:
            return _conversation(root, split, told, clips, parents if split == "train" else {})

        yield from root.each(root.groups(lines, "conversation_ID"), conversation)


def _conversation(
    root: Root, split: str, told: list[Line], clips: str, parents: dict[tuple[int, int], str]
) -> Iterator[Record]:
    source, past = told[0], list[Turn]()  # of subtask 2, if there: it has the times, too
    number = source["conversation_ID"]
    turns = {turn["utterance_ID"]: Line(turn, source.file, source.number) for turn in source["conversation"]}
    causes: dict[int, list[Cause]] = {}
    for line in told:
        for pair in line.get("emotion-cause_pairs", ()):
            utterance, cause = _cause(pair, turns, f"ecf:{split}:dia{number}utt", line)
            causes.setdefault(utterance, []).append(cause)
    for utterance, turn in sorted(turns.items()):
        key, words, emotion = f"dia{number}utt{utterance}", turn.text("text") or "", None
        if "emotion" in turn:
            emotion = turn.pick("emotion", SPEC.labels("meld7"))
        video = f"{clips}/{turn.get('video_name') or key + '.mp4'}" if clips else None
        parent, episode = parents.get((number, utterance)), (turn.get("video_source") or (None,))[0]
        made = root.record(
            key,
            split,
            source,
            video=video,
            text=(TextLine(text=words, lang="en", source="official"),),
            subset=episode,
            time=_time(turn.get("video_source")),
            speaker=Speaker(id=turn.text("speaker"), role="speaker"),
            subject_id=turn.text("speaker"),
            context=tuple(past),
            targets=Targets(
                label=ClassLabel(space="meld7", name=emotion) if emotion else None,
                cause=tuple(causes.get(utterance, ())) or None,
            ),
            parents=(parent,) if parent else (),
            origin="human" if emotion else None,
        )
        past.append(Turn(id=made.id, speaker=turn.text("speaker"), text=words, emotion=emotion))
        yield made


def _cause(pair: Any, turns: dict[int, Line], prefix: str, line: Line) -> tuple[int, Cause]:
    """Read `["3_surprise", "1_words of turn 1"]`, `["3_surprise", "1_0_4"]` (tokens, half-open) or `["3_surprise", "1"]`."""
    try:
        felt, emotion = pair[0].split("_", 1)
        by, _, words = str(pair[1]).partition("_")
        utterance, turn = int(felt), turns[int(by)]
        if turns[utterance].get("emotion", emotion) != emotion:
            raise EmoError(f"pair {pair}: turn {felt} is {turns[utterance]['emotion']}", line.where)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise EmoError(
            f"no emotion-cause pair: {str(pair)[:80]}", line.where, "[TURN_emotion, TURN_words] or [TURN_emotion, TURN]"
        ) from None
    if not words:
        return utterance, Cause(utterance=f"{prefix}{by}")
    text = turn["text"]
    if found := TOKENS.fullmatch(words):
        words = " ".join(text.split()[int(found[1]) : int(found[2])])
    start = text.find(words)
    span = (start, start + len(words)) if start >= 0 and text.count(words) == 1 else None
    return utterance, Cause(utterance=f"{prefix}{by}", text=words, span=span, modality="text")


def _time(source: Any) -> Time | None:
    """Return the place in the episode out of `["S01E01", "00:07:40.335", "00:07:44.880"]`."""
    return Time(start_s=clock_s(source[1]), end_s=clock_s(source[2]), clock="source") if source else None


def _meld(root: Root) -> dict[tuple[int, int], str]:
    """Return the MELD clip of each utterance of ECF 1.0, out of lines such as `4 | Joey | surprise | words | train_dia559_utt3`."""
    file, clips, number = "all_data_pair_ECFvsMELD.txt", {}, 0
    for _, text in root.lines(file) if root.has(file) else ():
        cells = [cell.strip() for cell in text.split("|")]
        if found := re.fullmatch(r"(\d+) \d+", text.strip()):
            number = int(found[1])
        elif len(cells) >= 5 and (clip := re.fullmatch(r"(train|dev|test)_(dia\d+_utt\d+)", cells[-1])):
            clips[number, int(cells[0])] = f"meld:{clip[1]}:{clip[2]}"
    return clips
