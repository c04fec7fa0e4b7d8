"""DFEW: clips of films with one of seven expressions, in five folds; ten raters voted on each.

    emollm data prep dfew /data/DFEW -o dfew.jsonl

A record is a clip, with the fold whose test part holds it. With Annotation/annotation.xlsx it has the votes, too, and the clips that no
fold has, for want of a clear majority or a face, are the split `rest`. Reads the films' clips if they are there, else the frames of
faces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from emollm.data.folds import folds_of_clips
from emollm.data.leaf import Line, Root, Spec, votes
from emollm.errors import EmoError
from emollm.records import ClassLabel, Distribution, License, Quality, Record, Targets

SPEC = Spec(
    name="dfew",
    title="DFEW",
    license=License(name="DFEW licence (academic)", redistributable=False, commercial=False),
    url="https://dfew-dataset.github.io",
    access="Application form, signed by academic staff.",
    citation="https://dl.acm.org/doi/10.1145/3394171.3413620",
    layout="""
DFEW/
  EmoLabel_DataSplit/test(single-labeled)/set_1.csv     video_name, label (1 to 5; train(single-labeled)/ alike)
  Annotation/annotation.xlsx            1happy, 2sad, ..., 7fear, order (if you have it)
  Clip/original/part_1/1.mp4            or Clip/original/1.mp4, or:
  Clip/clip_224x224_avi/00001.avi       or:
  Clip/jpg_256/00001/*.jpg              or Clip/clip_224x224/00001/*.jpg, or data/00001/*.jpg
""",
    spaces=("dfew7",),
    counts={"all": 11697},
    splits="five folds of the clips with a single label; fold: the one whose test part holds the clip",
    metrics=("WAR", "UAR", "mean over the five folds"),
    overlaps=("emorealm", "mmeverse"),
    media=("Clip/original",),
    notes=(
        "Some papers score fold 1 only.",
        "The column `order` of the votes is taken as the clip's number; votes that contradict a label are refused.",
    ),
)
LABELS = {str(code): label for code, label in enumerate(SPEC.labels("dfew7"), 1)}
COLUMNS = {f"{code}{label}": label for code, label in LABELS.items()}


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    voted = _votes(root) if root.has("Annotation/annotation.xlsx") else {}
    media = _media(root)
    folds = folds_of_clips(root, lambda part, fold: _list(root, part, fold), lambda line: int(line["video_name"]))

    def record(clip: int) -> Record:
        fold, line = folds.get(clip, (None, None))
        label = line.pick("label", LABELS) if line else None
        one = voted.get(clip)
        if one and label and one.probs.get(label, 0) < max(one.probs.values()):
            raise EmoError(
                f"clip {clip} is {label}, its votes are {one.probs}",
                line.where if line else None,
                "the column order must be the clip's number",
            )
        majority = Quality(
            label_origin="majority", n_raters=one and one.n, agreement=max(one.probs.values()) if one else None
        )
        return root.record(
            str(clip),
            "all" if fold else "rest",
            line,
            fold=fold,
            targets=Targets(
                label=ClassLabel(space="dfew7", name=label) if label else None, distribution=(one,) if one else ()
            ),
            quality=majority if label else None,
            parents=(f"dfew:{clip}",),
            **media(clip),
        )

    yield from root.each(sorted(folds.keys() | voted.keys()), record)


def _list(root: Root, part: str, fold: int) -> Iterator[Line]:
    file = root.first(f"EmoLabel_DataSplit/{part}(single-labeled)/set_{fold}.csv", f"label/single_{part}set_{fold}.csv")
    for line in root.csv(file, "video_name", "label") if file else ():
        if line["video_name"].isdecimal():
            yield line
        else:
            root.bad(EmoError(f"video_name is {line['video_name'][:40]!r}", line.where, "the number of a clip"))


def _votes(root: Root) -> dict[int, Distribution]:
    """Return the votes of each clip."""
    found: dict[int, Distribution] = {}
    for line in root.xlsx("Annotation/annotation.xlsx", *COLUMNS, "order"):
        try:
            clip = line.number_of("order", 1, 1e6)
            counts = {label: line.number_of(column, 0, 1000) or 0 for column, label in COLUMNS.items()}
            if clip and (one := votes("dfew7", counts, "v")):
                found[int(clip)] = one
        except EmoError as error:
            root.bad(error)
    return found


def _media(root: Root) -> Callable[[int], dict[str, Any]]:
    """Return what gives the media of a clip, by what is there."""
    if root.has("Clip/original"):
        films = {path.rpartition("/")[2]: path for path in root.walk("Clip/original", ".mp4")}
        return lambda clip: {"video": films.get(f"{clip}.mp4", f"Clip/original/{clip}.mp4")}
    if root.has("Clip/clip_224x224_avi"):
        return lambda clip: {"video": f"Clip/clip_224x224_avi/{clip:05}.avi"}
    folder = root.first("Clip/jpg_256", "Clip/clip_224x224", "data") or "Clip/jpg_256"
    return lambda clip: {"images": root.files(f"{folder}/{clip:05}", ".jpg") or [f"{folder}/{clip:05}/*.jpg"]}
