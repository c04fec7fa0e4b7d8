"""Folders in the layout of AffectGPT: CSVs keyed by name beside `video/`, `audio/` and `openface_face/`.

    emollm data prep affectgpt /data/mine-process -o records.jsonl

Every CSV in the root with the columns name and openset, or name and reason, gives labels and reasons (a file may have both); one with
name and chinese, english or sentence gives words. Rows of one name become one record. Face arrays (.npy) are named, not opened; pickled
labels are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from emollm.data.leaf import Line, Root, Spec
from emollm.data.mer import flags_of, mer_clip, mer_media, open_labels, refuse_pickles
from emollm.records import Description, License, Record, Targets, TextLine

SPEC = Spec(
    name="affectgpt",
    title="AffectGPT folders",
    license=License(name="that of the data in it"),
    url="https://github.com/zeroQiaoba/AffectGPT",
    access="Your own files, or a peer's.",
    layout="""
ROOT/
  *.csv                             name, openset and/or reason
  *.csv                             name, chinese and/or english, or sentence
  video/NAME.mp4  audio/NAME.wav    openface_face/NAME.npy or openface_face/NAME/NAME.npy
""",
)
WORDS = {"chinese": ("zh", "transcript"), "english": ("en", "translation"), "sentence": ("en", "translation")}


def rows(root: Root) -> Iterator[Record]:
    """Yield a record a name."""
    refuse_pickles(root, "label.npz", *root.files("", ".csv"))
    labels: dict[str, Line] = {}
    reasons: dict[str, Line] = {}
    spoken: dict[str, Line] = {}
    for file in root.files("", ".csv"):
        columns = root.columns(file)
        for key, rows_by_name in (("openset", labels), ("reason", reasons), *((key, spoken) for key in WORDS)):
            if key in columns:
                rows_by_name |= root.table(root.csv(file, "name"), "name")

    def record(name: str) -> Record:
        line = labels.get(name) or reasons[name]
        found = open_labels(labels[name]) if name in labels else None
        told = (
            (Description(text=reasons[name]["reason"], kind="reasoning", author="unknown"),) if name in reasons else ()
        )
        heard: Mapping[str, str] = spoken.get(name, {})
        text = [
            TextLine.model_validate({"lang": lang, "kind": kind, "text": heard[key].strip()})
            for key, (lang, kind) in WORDS.items()
            if heard.get(key, "").strip()
        ]
        return root.record(
            name,
            "all",
            line,
            **mer_media(root, name),
            text=tuple(text),
            targets=Targets(labels_ov=found, description=told),
            parents=(mer_clip(name),) if name.startswith("sample") else (),
            flags=flags_of(found),
        )

    if not labels and not reasons:
        root.missing("a CSV with the columns name, and openset or reason")
    yield from root.each(dict.fromkeys([*labels, *reasons]), record)
