"""CH-SIMS v2 (s): the supervised part of CH-SIMS v2.0, clips in Chinese with a sentiment from -1 to 1.

    emollm data prep simsv2 /data/ch-simsv2s -o simsv2.jsonl

Reads meta.csv and its clips. Does not read the unlabelled pool v2(u) or feature pickles.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Root, Spec
from emollm.data.mmsa import mmsa_records
from emollm.records import License, Record

SPEC = Spec(
    name="simsv2",
    title="CH-SIMS v2 (s)",
    license=License(name="unknown"),
    url="https://github.com/thuiar/ch-sims-v2",
    access="From the drives of its authors (THUIAR).",
    citation="https://arxiv.org/abs/2209.02604",
    layout="""
ch-simsv2s/
  meta.csv                              video_id, clip_id, text, label, ..., mode
  Raw/VIDEO/CLIP.mp4
""",
    languages=("zh",),
    counts={"train": 2722, "dev": 647, "test": 1034},
    splits="train, valid (here dev), test",
    metrics=("Acc-2, Acc-3, Acc-5 and F1 on (-1, 1]", "Non0 F1 (MER-UniBench)", "MAE", "Pearson r"),
    overlaps=("sims", "mmeverse", "emobench_m"),
    media=("Raw",),
    notes=("Acc-2 of MMSA counts 0 as negative; MER-UniBench drops it: two metrics.",),
)


def rows(root: Root) -> Iterator[Record]:
    """Yield the clips."""
    key, video = (
        "{video}_{clip}",
        ("Raw/{video}/{clip}.mp4", "Raw/{video}/{clip:0>4}.mp4", "Raw/{video}/{clip:0>5}.mp4"),
    )
    parents = (f"simsv2:{key}",)
    yield from mmsa_records(root, "meta.csv", lang="zh", scale=(-1.0, 1.0), key=key, video=video, parents=parents)
