"""MER2025: six emotions (track 1), open-vocabulary labels (track 2) and descriptions (track 3) of film and television clips in Chinese.

    emollm data prep mer2025 /data/mer2025-dataset -o mer2025.jsonl

The labels (track 2) and the reasons (track 3) of a clip become one record. The test labels are hidden among the candidates:
those are records without targets. Does not score: see eval/.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import (
    ACCESS,
    PAGE,
    flags_of,
    mer_clip,
    mer_license,
    mer_media,
    open_labels,
    subtitles,
    unpartnered,
)
from emollm.records import ClassLabel, Description, Record, Targets

SPEC = Spec(
    name="mer2025",
    title="MER2025",
    license=mer_license("MER2025"),
    url=f"{PAGE}/MER2025",
    access=ACCESS,
    citation="https://arxiv.org/abs/2504.19423",
    layout="""
mer2025-dataset/
  video/NAME.mp4  audio/NAME.wav  openface_face/NAME/NAME.npy
  subtitle_chieng.csv                 name, chinese, english
  track1_train_disdim.csv             name, discrete
  track2_train_mercaptionplus.csv     name, openset      track3_train_mercaptionplus.csv   name, reason
  track2_train_ovmerd.csv             name, openset      track3_train_ovmerd.csv           name, reason
  track_all_candidates.csv            name
""",
    languages=("zh",),
    spaces=("mer6",),
    counts={"train-track1": 7369, "train-mercaptionplus": 31327, "train-ovmerd": 332, "test-candidates": 20000},
    optional=("train-track1", "train-mercaptionplus", "train-ovmerd", "test-candidates"),
    splits="train-track1, train-mercaptionplus (labels of models), train-ovmerd; tests hidden among test-candidates; no official dev",
    metrics=("track 1: WAF", "track 2: mean EW F over five wheels", "track 3: no scoring code is published"),
    overlaps=("mer2023", "mer2024", "mer2026", "ov_merd", "ov_merd_plus", "emer", "mer_caption"),
    dev_by="clip",
    notes=(
        "By its number of rows train-track1 holds all labelled clips of MER2024, and so of MER2023.",
        "Readers of peers take an empty list of labels as `neutral`; here it stays empty, with the flag empty_openset.",
    ),
)
OPEN = {"train-mercaptionplus": ("mercaptionplus", "model"), "train-ovmerd": ("ovmerd", "human")}


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips of all tracks that the copy has."""
    spoken = subtitles(root, "subtitle_chieng.csv")

    def record(line: Line, split: str, targets: Targets, origin: str | None) -> Record:
        name = line["name"]
        return root.record(
            name,
            split,
            line,
            **mer_media(root, name),
            text=spoken.get(name, ()),
            targets=targets,
            parents=(mer_clip(name),),
            flags=flags_of(targets.labels_ov),
            origin=origin,
        )

    def of_track_1(line: Line) -> Record:
        label = ClassLabel(space="mer6", name=line.pick("discrete", SPEC.labels("mer6")))
        return record(line, "train-track1", Targets(label=label), "human")

    if root.has("track1_train_disdim.csv"):
        yield from root.each(root.csv("track1_train_disdim.csv", "name", "discrete"), of_track_1)
    for split, (part, origin) in OPEN.items():
        file, reasons_file = f"track2_train_{part}.csv", f"track3_train_{part}.csv"
        if not root.has(file):
            continue
        reasons = root.table(root.csv(reasons_file, "name", "reason"), "name")

        def of_track_2(
            line: Line, split: str = split, origin: str = origin, reasons: dict[str, Line] = reasons
        ) -> Record:
            reason = reasons.pop(line["name"], None)
            told = (Description(text=reason["reason"], kind="reasoning", author=origin),) if reason else ()
            return record(line, split, Targets(labels_ov=open_labels(line), description=told), origin)

        yield from root.each(root.csv(file, "name", "openset"), of_track_2)
        unpartnered(root, set(reasons), reasons_file)
    if root.has("track_all_candidates.csv"):
        candidates = root.csv("track_all_candidates.csv", "name")
        yield from root.each(candidates, lambda line: record(line, "test-candidates", Targets(), None))
