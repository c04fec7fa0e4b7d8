"""BLEMORE: actors show one emotion, or a blend of two of which one may dominate, without words.

    emollm data prep blemore /data/blemore -o blemore.jsonl

Reads the train part with its five folds, and the test part if its table is there (its labels are hidden from the public). Clips may lie
in any folder. The salience of a blend is a share: 0.7 and 0.3, or 0.5 each. The paper's metric asks for the exact shares, of blends only.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.data.sources import VIDEO_SUFFIXES
from emollm.errors import EmoError
from emollm.records import ClassLabel, ClassLabels, License, Record, Salience, Speaker, Targets

SPEC = Spec(
    name="blemore",
    title="BLEMORE",
    license=License(name="unknown", url="https://zenodo.org/records/17787362"),
    url="https://zenodo.org/records/17787362",
    access="From Zenodo; test predictions are scored on CodaBench.",
    citation="https://arxiv.org/abs/2601.13225",
    layout="""
blemore/
  train_metadata.csv    filename, video_id, gender, mix, emotion_1, emotion_2, emotion_1_salience, emotion_2_salience, fold, ...
  .../A102_ang_int1_ver1.*              one emotion
  .../A411_mix_ang_hap_30_70_ver1.*     a blend
""",
    spaces=("blemore6",),
    counts={"train": 2456},
    optional=("test",),
    splits="train in five folds (counted from 1 here, from 0 on disk), test with hidden labels; actors kept apart",
    metrics=("ACC_presence", "ACC_salience"),
    notes=("No one speaks; sounds are sighs, laughs and the like.",),
)
CODES = dict(zip(("ang", "disg", "fea", "hap", "sad", "neu"), SPEC.labels("blemore6"), strict=True))
SEXES = {"f": "female", "m": "male"}
COLUMNS = (
    "filename",
    "video_id",
    "gender",
    "mix",
    "emotion_1",
    "emotion_2",
    "emotion_1_salience",
    "emotion_2_salience",
)


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    clips = root.stems(*VIDEO_SUFFIXES)

    for split, columns in (("train", (*COLUMNS, "fold")), ("test", COLUMNS)):
        if split == "test" and not root.has("test_metadata.csv"):
            continue

        def record(line: Line, split: str = split) -> Record:
            name, shown = line["filename"], _shown(line)
            names = tuple(one.label for one in shown)
            return root.record(
                name,
                split,
                line,
                video=clips.get(name, f"{name}.mp4"),
                fold=1 + int(float(line["fold"])) if split == "train" else None,
                speaker=Speaker(id=line["video_id"], role="actor", gender=line.pick("gender", SEXES)),
                subject_id=line["video_id"],
                targets=Targets(
                    label=ClassLabel(space="blemore6", name=names[0]) if len(names) == 1 else None,
                    labels_multi=ClassLabels(space="blemore6", names=names) if len(names) > 1 else None,
                    salience=shown,
                ),
            )

        yield from root.each(root.csv(f"{split}_metadata.csv", *columns), record)


def _shown(line: Line) -> tuple[Salience, ...]:
    """Return the emotions of a clip, with their shares."""
    first = line.pick("emotion_1", CODES)
    if line.pick("mix", {"0": "", "1": "blend"}) == "":
        return (Salience(label=first, weight=1.0),)
    shares = [line.number_of(f"emotion_{one}_salience", 0, 100) or 0.0 for one in (1, 2)]
    if sum(shares) != 100:
        raise EmoError(f"shares of {shares[0]:g} and {shares[1]:g}", line.where, "percent that make 100")
    second = line.pick("emotion_2", CODES)
    return tuple(
        Salience(label=label, weight=share / 100) for label, share in zip((first, second), shares, strict=True)
    )
