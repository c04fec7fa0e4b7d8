"""RAVDESS: 24 actors speak and sing two sentences with eight emotions; everything is told by the file names.

    emollm data prep ravdess /data/RAVDESS -o ravdess.jsonl

A record is a performance: its picture with sound (01), else without (02), and its sound (03), as far as they are there. `calm` stays a
label of its own; papers keep it, drop it or count it as neutral, so say which. Does not read the validation ratings.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import product

from emollm.data.leaf import Root, Spec
from emollm.errors import EmoError
from emollm.records import ClassLabel, License, MediaRef, Record, Salience, Speaker, Targets, TextLine

SPEC = Spec(
    name="ravdess",
    title="RAVDESS",
    license=License(
        name="CC BY-NC-SA 4.0", url="https://zenodo.org/records/1188976", redistributable=True, commercial=False
    ),
    url="https://zenodo.org/records/1188976",
    access="Download from Zenodo and unpack; the zip files' folders may stay.",
    citation="https://doi.org/10.1371/journal.pone.0196391",
    layout="""
RAVDESS/
  Actor_01/01-01-03-02-01-02-01.mp4     modality, channel, emotion, intensity, statement, repetition, actor
  Actor_01/03-01-03-02-01-02-01.wav     modality 01 picture and sound, 02 picture, 03 sound
""",
    languages=("en",),
    spaces=("ravdess8",),
    counts={"speech": 1440, "song": 1012},
    optional=("song",),
    splits="none official; speech and song are scored apart; fold: the six folds of MAE-DFER, four actors each",
    metrics=("WAR", "UAR"),
    overlaps=("emobench_m",),
    notes=(
        "Song has no disgust and no surprise, neutral has one intensity only.",
        "State the policy for calm (8 labels, dropped, or merged into neutral) with every score.",
    ),
)
LABELS = dict(zip((f"{code:02}" for code in range(1, 9)), SPEC.labels("ravdess8"), strict=True))
CHANNELS = {"01": "speech", "02": "song"}
SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
NAME = re.compile(r"(0[1-3])-((0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4]))\.(?:mp4|wav)")


def rows(root: Root) -> Iterator[Record]:
    """Yield the performances."""
    files: dict[str, dict[str, str]] = defaultdict(dict)
    for path in root.walk("", ".mp4", ".wav"):
        found = NAME.fullmatch(path.rpartition("/")[2])
        if found is None:
            root.problems.add("unknown file", EmoError("no name of RAVDESS", path, "MM-VV-EE-II-SS-RR-AA.mp4 or .wav"))
        elif found[1] in files[found[2]]:
            root.bad(EmoError(f"{found[2]} is there twice", path, f"also as {files[found[2]][found[1]]}"))
        else:
            files[found[2]][found[1]] = path
    _report_missing(root, set(files))

    def record(key: str) -> Record:
        channel, emotion, _, sentence, _, actor = key.split("-")
        media, label = files[key], LABELS[emotion]
        silent = MediaRef(path=media["02"], has_audio=False) if "02" in media else None
        return root.record(
            key,
            CHANNELS[channel],
            video=media.get("01", silent),
            audio=media.get("03"),
            text=(TextLine(text=SENTENCES[sentence], lang="en"),),
            speaker=Speaker(id=actor, role="actor", gender="male" if int(actor) % 2 else "female"),
            subject_id=actor,
            fold=(int(actor) - 1) // 4 + 1,
            targets=Targets(
                label=ClassLabel(space="ravdess8", name=label), intended=(Salience(label=label, weight=1.0),)
            ),
        )

    yield from root.each(sorted(files), record)


def _report_missing(root: Root, there: set[str]) -> None:
    """Report performances that are not there, of the actors of whom there are others."""
    for channel, actor in sorted({(key[:2], key[-2:]) for key in there}):
        for emotion, intensity, sentence, take in product(LABELS, ("01", "02"), SENTENCES, ("01", "02")):
            key = "-".join((channel, emotion, intensity, sentence, take, actor))
            exists = (emotion != "01" or intensity == "01") and (channel == "01" or emotion < "07")
            if exists and key not in there:
                root.problems.add("missing media", EmoError("no such performance", f"Actor_{actor}/0?-{key}"))
