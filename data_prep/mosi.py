"""CMU-MOSI: opinions of one speaker each, in English, with a sentiment from -3 to 3.

    emollm data prep mosi /data/MOSI -o mosi.jsonl

Reads the release of MMSA (label.csv) with its clips or with those of the first release. Does not read feature pickles.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Root, Spec
from emollm.data.mmsa import mmsa_records
from emollm.records import License, Record

SPEC = Spec(
    name="mosi",
    title="CMU-MOSI",
    license=License(name="unknown"),
    url="https://github.com/thuiar/MMSA",
    access="From CMU MultiComp (immortal.multicomp.cs.cmu.edu) or the drives that MMSA names; videos of YouTube, for research.",
    citation="https://arxiv.org/abs/1606.06259",
    layout="""
MOSI/
  label.csv                             video_id, clip_id, text, label, label_T, label_A, label_V, annotation, mode
  Raw/VIDEO/CLIP.mp4                    or Raw/Video/Segmented/VIDEO_CLIP.mp4
""",
    languages=("en",),
    counts={"train": 1284, "dev": 229, "test": 686},
    splits="train, valid (here dev), test: 52, 10 and 31 videos",
    metrics=("Has0 and Non0 Acc-2 and F1", "Acc-5", "Acc-7", "MAE", "Pearson r"),
    overlaps=("mosei", "mmeverse", "emobench_m"),
    media=("Raw",),
    notes=(
        "Acc-2 is two metrics: `>= 0` over all clips (Has0), or `> 0` without the clips of sentiment 0 (Non0).",
        "The split keeps videos apart; the parents of a record are its clip and its video.",
    ),
)


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    yield from mmsa_records(
        root,
        "label.csv",
        lang="en",
        scale=(-3.0, 3.0),
        key="{video}_{clip}",
        video=("Raw/{video}/{clip}.mp4", "Raw/Video/Segmented/{video}_{clip}.mp4"),
        parents=("mosi:{video}_{clip}", "youtube:{video}"),
    )
