"""OV-MERD+: 532 clips of MER2023 and MER2024 with open-vocabulary labels, in the layout of MER-UniBench.

emollm data prep ov_merd_plus /data/ovmerdplus-process -o ov_merd_plus.jsonl
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import ACCESS, PAGE, flags_of, mer_clip, mer_license, mer_media, open_labels
from emollm.records import Record, Targets, TextLine

SPEC = Spec(
    name="ov_merd_plus",
    title="OV-MERD+",
    license=mer_license("MER2025"),
    url=f"{PAGE}/MER2025",
    access=ACCESS,
    citation="https://arxiv.org/abs/2501.16566",
    layout="""
ovmerdplus-process/
  ovlabel.csv               name, openset
  subtitle_eng.csv          name, sentence
  video/NAME.mp4  audio/NAME.wav  openface_face/NAME.npy
""",
    languages=("zh",),
    counts={"all": 532},
    splits="none; a test set as a whole (MER-UniBench)",
    metrics=("mean EW F over five wheels",),
    overlaps=("mer2023", "mer2024", "mer2025", "mer2026", "emer", "ov_merd"),
    media=("video", "audio"),
    notes=(
        "332 clips are those of OV-MERD (62 % of it, in MER2023 train); 200 `samplenew3_*` are new. Subtitles are in English.",
    ),
)


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    spoken = root.table(root.csv("subtitle_eng.csv", "name", "sentence"), "name")

    def record(line: Line) -> Record:
        name, labels = line["name"], open_labels(line)
        words = spoken[name].text("sentence") if name in spoken else None
        return root.record(
            name,
            "all",
            line,
            **mer_media(root, name),
            text=(TextLine(text=words, lang="en", kind="translation"),) if words else (),
            targets=Targets(labels_ov=labels),
            parents=(mer_clip(name),),
            flags=flags_of(labels),
            origin="human",
        )

    yield from root.each(root.csv("ovlabel.csv", "name", "openset"), record)
