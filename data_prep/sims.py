"""CH-SIMS: clips of Chinese films and shows with a sentiment from -1 to 1, judged as a whole and by modality.

    emollm data prep sims /data/CH-SIMS -o sims.jsonl

Reads the first release (metadata/) and that of MMSA (label.csv). Does not read feature pickles.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mmsa import mmsa_records
from emollm.errors import EmoError
from emollm.records import License, Record, Sentiment, Targets, TextLine

SPEC = Spec(
    name="sims",
    title="CH-SIMS",
    license=License(name="unknown"),
    url="https://github.com/thuiar/MMSA",
    access="From the drives of its authors (THUIAR).",
    citation="https://aclanthology.org/2020.acl-main.343",
    layout="""
CH-SIMS/
  Raw/video_0001/0001.mp4
  label.csv                             video_id, clip_id, text, label, label_T, label_A, label_V, annotation, mode; or:
  metadata/sentiment/label_M.csv        video_id, clip_id, label (T, A, V alike)
  metadata/train_index.csv              index (val, test alike)
  metadata/Translation.csv              video_id, clip_id, Chinese, English (if you have it)
""",
    languages=("zh", "en"),
    counts={"train": 1368, "dev": 456, "test": 457},
    splits="train, val (here dev), test",
    metrics=("Acc-2, Acc-3, Acc-5 and F1 on (-1, 1]", "Non0 F1 (MER-UniBench)", "MAE", "Pearson r"),
    overlaps=("simsv2", "mmeverse", "emobench_m"),
    media=("Raw",),
    notes=("Acc-2 of MMSA counts 0 as negative; MER-UniBench drops it: two metrics.",),
)
SCALE = (-1.0, 1.0)
INDEX = {"train": "train", "dev": "val", "test": "test"}


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    if not root.has("metadata"):
        key, video = "{video}_{clip:0>4}", ("Raw/{video}/{clip:0>4}.mp4",)
        parents = (f"sims:{key}",)
        yield from mmsa_records(root, "label.csv", lang="zh", scale=SCALE, key=key, video=video, parents=parents)
        return
    labels = list(root.csv("metadata/sentiment/label_M.csv", "video_id", "clip_id", "label"))
    parts = {one: _by_clip(root, f"metadata/sentiment/label_{one}.csv", "label") for one in "TAV"}
    translation = "metadata/Translation.csv"
    spoken = _by_clip(root, translation, "Chinese", "English") if root.has(translation) else {}

    for split, name in INDEX.items():

        def record(place: Line, split: str = split) -> Record:
            number = int(place["index"])
            if not 0 <= number < len(labels):
                raise EmoError(f"index {number}", place.where, f"rows of label_M.csv: 0 to {len(labels) - 1}")
            line = labels[number]
            clip = _clip(line)
            words = spoken.get(clip)
            by_modality = {one: part[clip].number_of("label", *SCALE) for one, part in parts.items() if clip in part}
            return root.record(
                clip,
                split,
                line,
                video=f"Raw/{line['video_id']}/{line['clip_id']:0>4}.mp4",
                text=_texts(words) if words else (),
                targets=Targets(
                    sentiment=Sentiment(
                        value=line.number_of("label", *SCALE), scale=SCALE, by_modality=by_modality or None
                    )
                ),
                parents=(f"sims:{clip}",),
                origin="human",
            )

        yield from root.each(root.csv(f"metadata/{name}_index.csv", "index"), record)


def _clip(line: Line) -> str:
    return f"{line['video_id']}_{line['clip_id']:0>4}"


def _by_clip(root: Root, file: str, *columns: str) -> dict[str, Line]:
    return {_clip(line): line for line in root.csv(file, "video_id", "clip_id", *columns)}


def _texts(line: Line) -> tuple[TextLine, ...]:
    chinese, english = line.text("Chinese"), line.text("English")
    spoken = (TextLine(text=chinese, lang="zh"),) if chinese else ()
    return (*spoken, TextLine(text=english, lang="en", kind="translation")) if english else spoken
