"""MER2023: film and television clips in Chinese with one of six emotions and valence.

    emollm data prep mer2023 /data/mer2023-dataset -o mer2023.jsonl

Reads the release (`train/`, `test1/`, ... with label CSVs) and the processed layout of peers (`video/`, `audio/`, `openface_face/`)
as long as the CSVs lie beside; pickled labels are refused. Does not read the unlabelled pool.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import ACCESS, PAGE, VALENCE, mer_clip, mer_license, mer_media, refuse_pickles, subtitles
from emollm.records import ClassLabel, Record, Targets, Vad

SPEC = Spec(
    name="mer2023",
    title="MER2023",
    license=mer_license("MER2023"),
    url=f"{PAGE}/MER2023",
    access=ACCESS,
    citation="https://arxiv.org/abs/2304.08981",
    layout="""
mer2023-dataset/
  train-label.csv test1-label.csv test2-label.csv   name, discrete, valence
  test3-label.csv                                   name, discrete
  train/ test1/ test2/ test3/                       NAME.mp4 or NAME.avi
    or, for all splits: video/NAME.mp4 audio/NAME.wav openface_face/NAME.npy
  transcription-engchi-polish.csv                   name, chinese, english (if you have it)
""",
    languages=("zh",),
    spaces=("mer6",),
    counts={"train": 3373, "test1": 411, "test2": 412, "test3": 834},
    classes={"train": {"neutral": 871, "angry": 822, "happy": 689, "worried": 462, "sad": 383, "surprise": 146}},
    optional=("test1", "test2", "test3"),
    splits="train; test1 (MER-MULTI), test2 (MER-NOISE), test3 (MER-SEMI); no official dev (peers cross-validate on train)",
    metrics=("WAF", "WAF - 0.25 MSE(valence)"),
    overlaps=("mer2024", "mer2025", "mer2026", "ov_merd", "ov_merd_plus", "emer"),
    media=("train", "test1", "test2", "test3"),
    notes=(
        "All clips of EMER and OV-MERD lie in its train split.",
        "test3 has no valence; elsewhere -10 stands for none.",
    ),
)
SUBSETS = {"train": None, "test1": "MER-MULTI", "test2": "MER-NOISE", "test3": "MER-SEMI"}


def rows(root: Root) -> Iterator[Record]:
    """Yield the labelled clips."""
    refuse_pickles(root, "label-6way.npz", *(f"{split}-label.csv" for split in SUBSETS))
    spoken = subtitles(root, "transcription-engchi-polish.csv")
    for split, subset in SUBSETS.items():
        if subset and not root.has(f"{split}-label.csv"):
            continue
        columns = ("name", "discrete") if split == "test3" else ("name", "discrete", "valence")
        own_folder = root.has(split)

        def record(
            line: Line, split: str = split, subset: str | None = subset, own_folder: bool = own_folder
        ) -> Record:
            name = line["name"]
            own = {"video": [f"{split}/{name}{suffix}" for suffix in (".mp4", ".avi")]}
            valence = line.number_of("valence", *VALENCE, missing=(-10,)) if "valence" in line else None
            targets = Targets(
                label=ClassLabel(space="mer6", name=line.pick("discrete", SPEC.labels("mer6"))),
                vad=None if valence is None else Vad(valence=valence, scale=VALENCE),
            )
            return root.record(
                name,
                split,
                line,
                subset=subset,
                **(own if own_folder else mer_media(root, name)),
                text=spoken.get(name, ()),
                targets=targets,
                parents=(mer_clip(name),),
                origin="human",
            )

        yield from root.each(root.csv(f"{split}-label.csv", *columns), record)
