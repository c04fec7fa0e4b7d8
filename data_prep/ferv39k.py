"""FERV39k: clips of faces from many kinds of scenes with one of seven expressions, as pictures without sound.

    emollm data prep ferv39k /data/FERV39k -o ferv39k.jsonl
    emollm data prep ferv39k /data/FERV39k -o ferv39k.jsonl --set frames=scene

Reads the setup All_scenes with the cropped faces, or with the whole pictures. Does not read the setups of single scenes.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.errors import EmoError
from emollm.records import ClassLabel, License, Record, Targets

SPEC = Spec(
    name="ferv39k",
    title="FERV39k",
    license=License(name="FERV39k terms (non-commercial)", redistributable=False, commercial=False),
    url="https://github.com/wangyanckxx/FERV39k",
    access="Download from its drives; ask for the password from a university address.",
    citation="https://arxiv.org/abs/2203.09463",
    layout="""
FERV39k/
  4_setups/All_scenes/train_All.csv     "Interview/Happy/0118 Happy", no header (test_All.csv alike)
  2_ClipsforFaceCrop/SCENE/EMOTION/0118/*.jpg
  3_ClipsforScenImages/SCENE/EMOTION/0118/*.jpg     for --set frames=scene
""",
    spaces=("ferv7",),
    counts={"train": 31088, "test": 7847},
    splits="train, test",
    metrics=("WAR", "UAR"),
    options={"frames": "face (the cropped faces) or scene (the whole pictures)"},
    notes=("No sound is released.",),
)
FOLDERS = {"face": "2_ClipsforFaceCrop", "scene": "3_ClipsforScenImages"}


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    folder = FOLDERS[root.option("frames", tuple(FOLDERS), default="face")]
    for split in ("train", "test"):

        def record(line: Line, split: str = split) -> Record:
            clip, label = line["clip"], line["label"]
            scene, _, rest = clip.partition("/")
            if rest.partition("/")[0] != label:
                raise EmoError(f"{clip} is said to be {label}", line.where, "SCENE/EMOTION/NUMBER EMOTION")
            frames = f"{folder}/{clip}"
            return root.record(
                clip,
                split,
                line,
                images=root.files(frames, ".jpg") or [f"{frames}/*.jpg"],
                subset=scene,
                targets=Targets(label=ClassLabel(space="ferv7", name=label.lower())),
                origin="human",
            )

        setup = f"4_setups/All_scenes/{split}_All.csv"
        yield from root.each(root.csv(setup, header=("clip", "label"), delimiter=" "), record)
