"""OV-MERD: 332 clips of MER2023 with open-vocabulary labels.

    emollm data prep ov_merd /data/ov -o ov_merd.jsonl

Media are those of MER2023: put (or link) its train clips as `video/`. Without them: `--allow-missing`.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import ACCESS, PAGE, flags_of, mer_clip, mer_license, mer_media, open_labels, subtitles
from emollm.records import Record, Targets

SPEC = Spec(
    name="ov_merd",
    title="OV-MERD",
    license=mer_license("MER2024"),
    url=f"{PAGE}/MER2024",
    access=ACCESS,
    citation="https://arxiv.org/abs/2410.01495",
    layout="""
ov/
  check-openset.csv                    name, openset
  video/NAME.mp4                       clips of MER2023 train
  transcription-engchi-polish.csv      name, chinese, english (if you have it)
""",
    languages=("zh",),
    counts={"all": 332},
    splits="none; used whole, for training and for tests",
    metrics=("mean EW F over five wheels", "set accuracy and recall (MER2024)"),
    overlaps=("mer2023", "mer2024", "mer2025", "mer2026", "emer", "ov_merd_plus"),
    media=(),
    notes=("The same 332 clips as EMER v2, all in the train split of MER2023.",),
)


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    spoken = subtitles(root, "transcription-engchi-polish.csv")

    def record(line: Line) -> Record:
        name, labels = line["name"], open_labels(line)
        return root.record(
            name,
            "all",
            line,
            **mer_media(root, name),
            text=spoken.get(name, ()),
            targets=Targets(labels_ov=labels),
            parents=(mer_clip(name),),
            flags=flags_of(labels),
            origin="human",
        )

    yield from root.each(root.csv("check-openset.csv", "name", "openset"), record)
