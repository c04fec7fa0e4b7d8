"""IEMOCAP: dyadic scenes, acted and improvised; every turn with its raters' words and marks.

    emollm data prep iemocap /data/IEMOCAP_full_release -o iemocap.jsonl --set way=4

`way=4` gives the 5,531 turns of the four-way task (excited is happy), `way=6` the 7,433 of the six-way task, `way=all` every turn, also
those without agreement. The lists do not agree on what "session 5" is, so their splits are named apart (`session5-4way`, `session5-6way`).
Does not read self reports, motion capture, or the third list of session 5 (MMEVerse's own, of 1,496 turns).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from emollm.data.leaf import Line, Root, Spec, votes
from emollm.errors import EmoError
from emollm.records import (
    ClassLabel,
    License,
    MediaRef,
    Quality,
    Record,
    Speaker,
    Targets,
    TextLine,
    Time,
    Turn,
    Vad,
)

CODES = {
    "hap": "happy", "sad": "sad", "neu": "neutral", "ang": "angry", "exc": "excited", "fru": "frustrated",
    "fea": "fearful", "sur": "surprised", "dis": "disgusted", "oth": "other",
}  # fmt: skip
PER_SESSION = {"4way": (1085, 1023, 1151, 1031, 1241), "6way": (1373, 1356, 1569, 1512, 1623)}
COUNTS = {f"session{i}-{way}": n for way, sizes in PER_SESSION.items() for i, n in enumerate(sizes, 1)}
SPEC = Spec(
    name="iemocap",
    title="IEMOCAP",
    license=License(name="IEMOCAP release form", url="https://sail.usc.edu/iemocap", redistributable=False),
    url="https://sail.usc.edu/iemocap",
    access="Sign the release form of USC SAIL.",
    citation="https://doi.org/10.1007/s10579-008-9076-6",
    layout="""
IEMOCAP_full_release/
  Session{1..5}/dialog/EmoEvaluation/Ses01F_impro01.txt
  Session{1..5}/dialog/transcriptions/Ses01F_impro01.txt
  Session{1..5}/dialog/avi/DivX/Ses01F_impro01.avi              both people, side by side
  Session{1..5}/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav
""",
    languages=("en",),
    spaces=("iemocap4", "iemocap6", "iemocap10"),
    counts=COUNTS,
    optional=tuple(COUNTS),
    splits="none official: five folds, one session left out (record.fold), or sessions 1-4 against session 5",
    metrics=("UA", "WA", "weighted F1"),
    overlaps=("mmeverse", "mme_emotion"),
    options={"way": "4 (excited counts as happy), 6, or all turns; 6 if not said"},
    notes=(
        "The left half of the picture shows the person whose letter is in the recording's name (Ses01F), the right the other.",
        "Times count from the start of the dialogue's film; some transcript lines have broken times and are passed over.",
        "Activation is arousal. Some raters name several emotions: each then weighs a part of that rater's vote.",
        "Marks of self reports (C-F, C-M, A-F, A-M) are left out.",
    ),
)
HEAD = re.compile(
    r"\[(\d+\.\d+) - (\d+\.\d+)\]\t(Ses0[1-5][FM]_\w+_[FM]\w{3})\t(\w{3})\t\[([\d.]+), ([\d.]+), ([\d.]+)\]"
)
SPOKEN = re.compile(r"(Ses0[1-5][FM]_\w+_[FM]\d{3}) \[\d+\.\d+-\d+\.\d+\]:(.*)")
RATER = re.compile(r"([CA])-(E\d+):\s*([^(]*)(?:\((.*)\))?")
WORDS = {
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "frustration": "frustrated",
    "fear": "fearful",
    "surprise": "surprised",
    "disgust": "disgusted",
}


def rows(root: Root) -> Iterator[Record]:
    """Yield the turns of the list, each with all turns before it."""
    way = root.option("way", ("4", "6", "all"), default="6")
    for session in range(1, 6):
        folder = root.path / f"Session{session}/dialog/EmoEvaluation"
        files = sorted(path.name for path in folder.glob("Ses*.txt"))
        if not files:
            root.missing(f"Session{session}/dialog/EmoEvaluation/Ses*.txt")
        for file in files:
            yield from _dialogue(root, session, file.removesuffix(".txt"), way)


def _dialogue(root: Root, session: int, dialogue: str, way: str) -> Iterator[Record]:
    transcript = root.lines(f"Session{session}/dialog/transcriptions/{dialogue}.txt")
    spoken = {found[1]: found[2].strip() for _, text in transcript if (found := SPOKEN.match(text))}
    past: list[Turn] = []

    def record(turn: Line) -> Record | None:
        name, label, before = turn["name"], _label(turn["code"], way), tuple(past)
        words, person, span = spoken.get(name), _person(name), {"start_s": turn["start_s"], "end_s": turn["end_s"]}
        if words:
            past.append(Turn(id=f"iemocap:{name}", speaker=person, text=words, emotion=CODES.get(turn["code"]), **span))
        if label is None and way != "all":
            return None
        crop = (0, 0, 0.5, 1) if name[5] == name[-4] else (0.5, 0, 1, 1)
        return root.record(
            name,
            f"session{session}" + ("" if way == "all" else f"-{way}way"),
            turn,
            video=MediaRef(path=f"Session{session}/dialog/avi/DivX/{dialogue}.avi", crop=crop, **span),
            audio=f"Session{session}/sentences/wav/{dialogue}/{name}.wav",
            time=Time(clock="source", **span),
            text=(TextLine(text=words, lang="en", source="official"),) if words else (),
            subset="improvised" if "impro" in name else "scripted",
            fold=session,
            speaker=Speaker(id=person, role="actor", gender="female" if name[-4] == "F" else "male"),
            subject_id=person,
            context=before,
            targets=_targets(turn, label),
            parents=(f"iemocap:{name}",),
            flags=[] if words else ["no_transcript"],
            quality=Quality(
                label_origin="majority", n_raters=sum("labels" in told for told in turn["raters"].values()) or None
            ),
        )

    turns = _turns(root, f"Session{session}/dialog/EmoEvaluation/{dialogue}.txt")
    yield from root.each(sorted(turns, key=lambda turn: turn["start_s"]), record)


def _turns(root: Root, file: str) -> Iterator[Line]:
    """Yield the turns of an evaluation file: a head line for each, then the lines of its raters."""
    raters: dict[str, dict[str, Any]] = {}
    for number, text in root.lines(file):
        if text.startswith("["):
            raters = {}
            if head := HEAD.match(text):
                start, end, name, code, *vad = head.groups()
                turn = {"name": name, "code": code, "start_s": float(start), "end_s": float(end)}
                yield Line({**turn, "vad": tuple(map(float, vad)), "raters": raters}, file, number)
            elif "TURN_NAME" not in text:
                root.bad(
                    EmoError(
                        f"no turn: {text[:80]!r}", f"{file}:{number}", "[START - END]<tab>NAME<tab>CODE<tab>[V, A, D]"
                    )
                )
        elif found := RATER.match(text):
            kind, rater, marks, comment = found.groups()
            told = raters.setdefault(rater, {"rater": rater})
            if kind == "C":
                told["labels"] = [WORDS.get(word, word) for part in marks.split(";") if (word := part.strip().lower())]
            else:
                told["vad"] = [_mark(marks, key) for key in ("val", "act", "dom")]
            if comment:
                told["comment"] = comment


def _mark(marks: str, key: str) -> float | None:
    """Return a mark out of `val 3; act 2; dom  2;`; a few lines lack one."""
    found = re.search(rf"{key}\s+(\d)", marks)
    return float(found[1]) if found else None


def _targets(turn: Line, label: ClassLabel | None) -> Targets:
    counts: dict[str, float] = {}
    for told in turn["raters"].values():
        named = [word if word in CODES.values() else "other" for word in told.get("labels", ())]
        for word in named:
            counts[word] = counts.get(word, 0) + 1 / len(named)
    soft = votes("iemocap10", counts)
    valence, arousal, dominance = turn["vad"]
    return Targets(
        label=label,
        vad=Vad(valence=valence, arousal=arousal, dominance=dominance, scale=(1, 5)),
        distribution=(soft,) if soft else (),
        raters=tuple(turn["raters"].values()) or None,
    )


def _label(code: str, way: str) -> ClassLabel | None:
    """Return the class in the space of the list; None when the list has no such class."""
    space = {"4": "iemocap4", "6": "iemocap6", "all": "iemocap10"}[way]
    name = "happy" if way == "4" and code == "exc" else CODES.get(code, "")
    return ClassLabel(space=space, name=name) if name in SPEC.labels(space) else None


def _person(name: str) -> str:
    """Return who speaks: the session, and the letter of the turn's number."""
    return name[:5] + name[-4]
