"""MER-Caption+ and MER-Caption: open-vocabulary labels and descriptions that models wrote for clips of the MER pool.

    emollm data prep mer_caption /data/mer2025-dataset -o mer_caption_plus.jsonl
    emollm data prep mer_caption /data/mer-caption -o mer_caption.jsonl --set captions=FILE.csv

MER-Caption+ is read as MER2025 ships it. How the coarse MER-Caption lies on disk is not known: name its CSV
(columns name, and openset or reason or both).
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec, check_inside
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
from emollm.errors import ConfigError
from emollm.records import Description, Record, Targets

LABELS, REASONS = "track2_train_mercaptionplus.csv", "track3_train_mercaptionplus.csv"
SPEC = Spec(
    name="mer_caption",
    title="MER-Caption+ (and MER-Caption)",
    license=mer_license("MER2025"),
    url=f"{PAGE}/MER2025",
    access=ACCESS,
    citation="https://arxiv.org/abs/2501.16566",
    version="plus",
    layout=f"""
mer2025-dataset/
  {LABELS}     name, openset
  {REASONS}     name, reason
  subtitle_chieng.csv                 name, chinese, english
  video/NAME.mp4  audio/NAME.wav  openface_face/NAME/NAME.npy
""",
    languages=("zh",),
    counts={"train": 31327},
    versions={"coarse": {}},
    splits="train only",
    overlaps=("mer2025", "mer2026"),
    options={
        "captions": "CSV below the root with the columns name, and openset or reason or both (with --set version=coarse)"
    },
    notes=("Labels and descriptions are a model's, filtered; not human.",),
)


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips of one version."""
    spoken = subtitles(root, "subtitle_chieng.csv")
    reasons: dict[str, Line] = {}

    def record(line: Line) -> Record:
        name = line["name"]
        reason = line if "reason" in line else reasons.pop(name, None)
        labels = open_labels(line) if "openset" in line else None
        told = (Description(text=reason["reason"], kind="reasoning", author="model"),) if reason else ()
        return root.record(
            name,
            "train",
            line,
            **mer_media(root, name),
            text=spoken.get(name, ()),
            targets=Targets(labels_ov=labels, description=told),
            parents=(mer_clip(name),),
            flags=flags_of(labels),
            origin="model",
        )

    if root.version == "coarse":
        file = root.option("captions")
        check_inside(file)
        yield from root.each(_with_labels_or_reasons(root.csv(file, "name")), record)
    else:
        reasons |= root.table(root.csv(REASONS, "name", "reason"), "name")
        yield from root.each(root.csv(LABELS, "name", "openset"), record)
        unpartnered(root, set(reasons), REASONS)


def _with_labels_or_reasons(lines: Iterator[Line]) -> Iterator[Line]:
    for line in lines:
        if not {"openset", "reason"} & line.keys():
            raise ConfigError(
                "neither a column openset nor reason", f"{line.file}:1", "columns there: " + ", ".join(line)
            )
        yield line
