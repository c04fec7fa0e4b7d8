"""VEATIC: films and home videos in which raters followed the valence and arousal of one person, frame by frame.

    emollm data prep veatic /data/VEATIC -o veatic.jsonl

A record is a part of a video, by the published rule: the first 70 % of its frames are train, the rest is test. Its targets are a series
with a value of each a frame; frames count from 0, as the files have no times. Does not cut the videos: both parts name the same file.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Root, Spec
from emollm.errors import EmoError
from emollm.records import License, Record, Targets, Vad

SPEC = Spec(
    name="veatic",
    title="VEATIC",
    license=License(name="unknown"),
    url="https://veatic.github.io",
    access="Download from its project page (Google Drive).",
    citation="https://arxiv.org/abs/2309.06745",
    layout="""
VEATIC/
  rating_averaged/0_valence.csv         a row a frame, no header; the second cell is the value
  rating_averaged/0_arousal.csv
  video/0.mp4                           or videos/0.mp4
""",
    counts={"train": 124, "test": 124},
    splits="the first 70 % of the frames of each video are train, the rest is test",
    metrics=("CCC", "Pearson r", "RMSE", "SAGR"),
    media=("video", "videos"),
    notes=("Train and test are parts of the same videos: people and scenes are known at the test.",),
)
TRAIN_SHARE = 0.7
DIMENSIONS = ("valence", "arousal")


def rows(root: Root) -> Iterator[Record]:
    """Yield the two parts of each video."""
    rated = root.files("rating_averaged", "_valence.csv")
    if not rated:
        root.missing("rating_averaged/0_valence.csv")

    def parts(path: str) -> Iterator[Record]:
        video = path.rpartition("/")[2].removesuffix("_valence.csv")
        valence, arousal = (_values(root, f"rating_averaged/{video}_{name}.csv") for name in DIMENSIONS)
        if len(valence) != len(arousal):
            raise EmoError(f"{len(valence)} values, {len(arousal)} of arousal", path, "a value of each for every frame")
        series = [
            {"frame": frame, "valence": v, "arousal": a}
            for frame, (v, a) in enumerate(zip(valence, arousal, strict=True))
        ]
        cut = int(len(series) * TRAIN_SHARE)
        for split, part in (("train", series[:cut]), ("test", series[cut:])):
            yield root.record(
                video,
                split,
                video=(f"video/{video}.mp4", f"videos/{video}.mp4"),
                targets=Targets(vad=Vad(scale=(-1.0, 1.0), series=part)),
                origin="human",
            )

    yield from root.each(rated, parts)


def _values(root: Root, file: str) -> list[float]:
    """Return the value of each frame."""
    values = []
    for line in root.csv(file, header=("row", "value")):
        value = line.number_of("value", -1, 1)
        if value is None:
            raise EmoError("an empty value", line.where, "a number from -1 to 1")
        values.append(value)
    return values
