"""MER2026: six emotions (track 1), open-vocabulary labels (track 2), which of two descriptions people prefer (track 3).

    emollm data prep mer2026 /data/mer2026-dataset -o mer2026.jsonl

The test labels are hidden among the candidates: those are records without targets (tracks 1 and 2) or with both descriptions and no choice
(track 3). Does not score: see eval/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import ACCESS, PAGE, flags_of, mer_clip, mer_license, mer_media, open_labels, subtitles
from emollm.records import ClassLabel, Description, Preference, Quality, Record, Targets

SPEC = Spec(
    name="mer2026",
    title="MER2026",
    license=mer_license("MER2026"),
    url=f"{PAGE}/MER2026",
    access=ACCESS,
    layout="""
mer2026-dataset/
  video/NAME.mp4  audio/NAME.wav  openface_face/NAME/NAME.npy
  subtitle_chieng.csv                 name, chinese, english
  track1_train.csv                    name, discrete
  track2_train_human.csv track2_train_mercaptionplus.csv   name, openset
  track1_track2_candidate.csv         name
  track3_emoprefer.csv track3_emopreferv2.csv              name, a1, a2, preference (a1, a2 or same)
  track3_candidate.csv                name, a1, a2
""",
    languages=("zh",),
    spaces=("mer6",),
    counts={
        "train-track1": 9395,
        "train-human": 1532,
        "train-mercaptionplus": 31327,
        "test-candidates": 20000,
        "train-emoprefer": 574,
        "train-emopreferv2": 2096,
        "test-preference": 10000,
    },
    optional=(
        "train-track1",
        "train-human",
        "train-mercaptionplus",
        "test-candidates",
        "train-emoprefer",
        "train-emopreferv2",
        "test-preference",
    ),
    splits="track 1: train-track1; track 2: train-human, train-mercaptionplus; track 3: train-emoprefer, train-emopreferv2; hidden tests",
    metrics=("track 1: WAF", "track 2: mean EW F over five wheels", "track 3: WAF and ACC over a1 and a2"),
    overlaps=("mer2023", "mer2024", "mer2025", "ov_merd", "ov_merd_plus", "emer", "mer_caption"),
    dev_by="clip",
    notes=(
        "Track 1: the training labels are of the person who speaks, the test asks for the one who listens.",
        "Track 3: the scorer leaves out pairs whose truth is `same`, and counts the answer `same` as a1.",
        "emoprefer holds the majority of three people, emopreferv2 the choice of one.",
    ),
)
PREFERENCES = {"train-emoprefer": (3, "majority"), "train-emopreferv2": (1, "single")}
CHOICES = {"a1": "a", "a2": "b", "same": "tie"}


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips and pairs of all tracks that the copy has."""
    spoken = subtitles(root, "subtitle_chieng.csv")
    pairs: Counter[str] = Counter()

    def record(line: Line, split: str, targets: Targets, **more: Any) -> Record:
        name = line["name"]
        key = more.pop("key", name)
        return root.record(
            key,
            split,
            line,
            **mer_media(root, name),
            text=spoken.get(name, ()),
            targets=targets,
            parents=(mer_clip(name),),
            **more,
        )

    def label(line: Line) -> Record:
        found = ClassLabel(space="mer6", name=line.pick("discrete", SPEC.labels("mer6")))
        return record(line, "train-track1", Targets(label=found), origin="human")

    def words(line: Line, split: str, origin: str) -> Record:
        labels = open_labels(line)
        return record(line, split, Targets(labels_ov=labels), origin=origin, flags=flags_of(labels))

    def pair(line: Line, split: str) -> Record:
        name = line["name"]
        pairs[f"{split}:{name}"] += 1
        key = f"{name}/{pairs[f'{split}:{name}']}"  # a clip has several pairs
        if split not in PREFERENCES:
            both = tuple(Description(text=line[a], kind=f"candidate-{a}", author="unknown") for a in ("a1", "a2"))
            return record(line, split, Targets(description=both), key=key)
        n_raters, origin = PREFERENCES[split]
        chosen = line.pick("preference", CHOICES)
        choice = Preference.model_validate({"a": line["a1"], "b": line["a2"], "chosen": chosen, "n_raters": n_raters})
        quality = Quality.model_validate({"label_origin": origin, "n_raters": n_raters})
        return record(line, split, Targets(preference=choice), key=key, quality=quality)

    parts = (
        ("track1_train.csv", ("discrete",), label),
        ("track2_train_human.csv", ("openset",), lambda line: words(line, "train-human", "human")),
        ("track2_train_mercaptionplus.csv", ("openset",), lambda line: words(line, "train-mercaptionplus", "model")),
        ("track1_track2_candidate.csv", (), lambda line: record(line, "test-candidates", Targets())),
        ("track3_emoprefer.csv", ("a1", "a2", "preference"), lambda line: pair(line, "train-emoprefer")),
        ("track3_emopreferv2.csv", ("a1", "a2", "preference"), lambda line: pair(line, "train-emopreferv2")),
        ("track3_candidate.csv", ("a1", "a2"), lambda line: pair(line, "test-preference")),
    )
    for file, columns, make in parts:
        if root.has(file):
            yield from root.each(root.csv(file, "name", *columns), make)
