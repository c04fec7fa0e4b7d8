"""GoEmotions: Reddit comments with 27 emotions and neutral, several for each. Text only.

    emollm data prep goemotions /data/goemotions -o goemotions.jsonl

Reads the three official splits; with the raw files beside them every rater's vote and the author of the comment, too. Does not group the
labels into Ekman's: that is the task's choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec, votes
from emollm.errors import EmoError
from emollm.records import ClassLabels, License, Quality, Record, Speaker, Targets, TextLine

SPEC = Spec(
    name="goemotions",
    title="GoEmotions",
    license=License(name="Apache-2.0", url="https://github.com/google-research/google-research/tree/master/goemotions"),
    url="https://github.com/google-research/google-research/tree/master/goemotions",
    access="Open download.",
    citation="https://arxiv.org/abs/2005.00547",
    layout="""
goemotions/
  data/{train,dev,test}.tsv                  text, label numbers, comment id; no header
  data/full_dataset/goemotions_{1,2,3}.csv   a row for each rater (if you have them)
""",
    languages=("en",),
    spaces=("goemotions28",),
    counts={"train": 43410, "dev": 5426, "test": 5427},
    splits="train, dev, test",
    metrics=("macro-F1 over 28, 7 or 4 classes",),
    notes=(
        "Votes need the raw files; a rater may vote for several emotions, so the shares are of votes, not of raters.",
        "Names of people are masked as [NAME].",
    ),
)
RAW = tuple(f"data/full_dataset/goemotions_{part}.csv" for part in (1, 2, 3))


def rows(root: Root) -> Iterator[Record]:
    """Yield the comments."""
    space = SPEC.labels("goemotions28")
    code = {str(number): name for number, name in enumerate(space)}
    raters, authors = _raw(root, space)

    for split in ("train", "dev", "test"):

        def record(line: Line, split: str = split) -> Record:
            name = line["id"]
            if wrong := [number for number in line["labels"].split(",") if number not in code]:
                raise EmoError(
                    f"label numbers {wrong}", line.where, "0 (admiration) to 27 (neutral), with commas between"
                )
            soft = votes("goemotions28", raters[name][1], modality="t") if name in raters else None
            author = authors.get(name)
            return root.record(
                name,
                split,
                line,
                text=(TextLine(text=line["text"], lang="en", source="official"),),
                speaker=Speaker(id=author, role="author"),
                subject_id=author,
                targets=Targets(
                    labels_multi=ClassLabels(
                        space="goemotions28", names=tuple(code[n] for n in line["labels"].split(","))
                    ),
                    distribution=(soft,) if soft else (),
                ),
                quality=Quality(label_origin="majority", n_raters=raters[name][0] if name in raters else None),
            )

        lines = root.csv(f"data/{split}.tsv", delimiter="\t", header=("text", "labels", "id"))
        yield from root.each(lines, record)


def _raw(root: Root, space: tuple[str, ...]) -> tuple[dict[str, tuple[int, Counter[str]]], dict[str, str]]:
    """Return the number of raters and their votes, and the author, of each comment; nothing without the raw files."""
    raters: dict[str, tuple[int, Counter[str]]] = {}
    authors: dict[str, str] = {}
    for file in RAW if root.has(RAW[0]) else ():
        for line in root.csv(file, "id", "author", *space):
            n, counts = raters.get(line["id"], (0, Counter()))
            counts.update(name for name in space if line[name] == "1")
            raters[line["id"]] = (n + 1, counts)
            authors[line["id"]] = line["author"]
    return raters, authors
