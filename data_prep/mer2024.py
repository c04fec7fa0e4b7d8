"""MER2024: film and television clips in Chinese with one of six emotions; the labels of its two test sets as peers redistribute them.

    emollm data prep mer2024 /data/mer2024-dataset -o mer2024.jsonl

Reads the labelled clips (`train`) and, where their label files are there, the tests SEMI and NOISE; the processed layout of
peers, too, as long as these CSVs lie beside. Does not read the unlabelled pool; the open-vocabulary test is `ov_merd`.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import ACCESS, PAGE, mer_clip, mer_media, refuse_pickles, subtitles
from emollm.records import ClassLabel, License, Record, Targets

SPEC = Spec(
    name="mer2024",
    title="MER2024",
    license=License(name="CC BY-NC 4.0, EULA", url=f"{PAGE}/MER2024", redistributable=False, commercial=False),
    url=f"{PAGE}/MER2024",
    access=ACCESS,
    citation="https://arxiv.org/abs/2404.17113",
    layout="""
mer2024-dataset/
  label-disdim.csv                           name, discrete
  video-labeled/                             NAME.mp4 or NAME.avi
  video-unlabeled-with-test2noise/           NAME.mp4 or NAME.avi
  reference-semi.csv reference-noise.csv     name, discrete (if you have them)
    or, for all splits: video/NAME.mp4 audio/NAME.wav openface_face/NAME.npy
  transcription_merge.csv                    name, chinese  (if you have it)
""",
    languages=("zh",),
    spaces=("mer6",),
    counts={"train": 5030, "test-semi": 1169, "test-noise": 1170},
    classes={"test-semi": {"sad": 317, "happy": 246, "neutral": 201, "angry": 163, "worried": 159, "surprise": 83}},
    optional=("test-semi", "test-noise"),
    splits="train; tests SEMI and NOISE; no official dev",
    metrics=("WAF", "ACC"),
    overlaps=("mer2023", "mer2025", "mer2026", "ov_merd", "ov_merd_plus", "emer"),
    media=("video-labeled",),
    dev_by="clip",
    notes=("By its number of rows the train split holds all labelled clips of MER2023, the tests included.",),
)
TESTS = "video-unlabeled-with-test2noise"
PARTS = {
    "train": ("label-disdim.csv", "video-labeled"),
    "test-semi": ("reference-semi.csv", TESTS),
    "test-noise": ("reference-noise.csv", TESTS),
}


def rows(root: Root) -> Iterator[Record]:
    """Yield the labelled clips."""
    refuse_pickles(root, "label-6way.npz", *(file for file, _ in PARTS.values()))
    spoken = subtitles(root, "transcription_merge.csv")
    for split, (file, folder) in PARTS.items():
        if split in SPEC.optional and not root.has(file):
            continue

        def record(line: Line, split: str = split, folder: str = folder) -> Record:
            name = line["name"]
            own = {"video": [f"{folder}/{name}{suffix}" for suffix in (".mp4", ".avi")]}
            label = ClassLabel(space="mer6", name=line.pick("discrete", SPEC.labels("mer6")))
            return root.record(
                name,
                split,
                line,
                **(own if root.has(folder) else mer_media(root, name)),
                text=spoken.get(name, ()),
                targets=Targets(label=label),
                parents=(mer_clip(name),),
                origin="human",
            )

        yield from root.each(root.csv(file, "name", "discrete"), record)
