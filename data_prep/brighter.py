"""BRIGHTER / SemEval-2025 Task 11: texts in 28 languages, each with any of six emotions, or with their intensities. Text only.

    emollm data prep brighter /data/BRIGHTER-emotion-categories -o brighter.jsonl
    emollm data prep brighter /data/semeval2025-task11 -o intensities.jsonl --set track=b

Reads a folder of parquet files for each language, as on Hugging Face, or the CSV files of the shared task. Parquet needs pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterator

from emollm.data.leaf import Line, Root, Spec
from emollm.errors import EmoError
from emollm.records import ClassLabels, License, Record, Salience, Targets, TextLine

LANGUAGES = (
    "af", "ar", "de", "en", "es", "ha", "hi", "id", "ig", "jv", "mr", "pcm", "pt",
    "ro", "ru", "rw", "su", "sv", "sw", "tt", "uk", "vmw", "xh", "yo", "zh", "zu",
)  # fmt: skip
SPEC = Spec(
    name="brighter",
    title="BRIGHTER (SemEval-2025 Task 11)",
    license=License(
        name="CC BY 4.0", url="https://creativecommons.org/licenses/by/4.0/", redistributable=True, commercial=True
    ),
    url="https://huggingface.co/datasets/brighter-dataset/BRIGHTER-emotion-categories",
    access="Open download; intensities in BRIGHTER-emotion-intensities.",
    citation="https://arxiv.org/abs/2502.11926",
    layout="""
BRIGHTER-emotion-categories/
  LANGUAGE/{train,dev,test}-*.parquet        id, text, anger, disgust, fear, joy, sadness, surprise
or
semeval2025-task11/
  track_{a,b}/{train,dev,test}/LANGUAGE.csv  the same columns
""",
    languages=LANGUAGES,
    spaces=("ekman6",),
    splits="train, dev, test for each language",
    metrics=("macro-F1 (tracks A and C)", "Pearson r (track B)"),
    options={"track": "a: an emotion is there or not; b: its intensity from 0 to 3. a if not said"},
    notes=(
        "The authors report 139,595 texts of all languages.",
        "Some languages were not asked for every emotion: flag not_asked:disgust. No emotion at all is an empty list, not neutral.",
        "An intensity of 3 is a salience of 1. The language is the name of the folder or file.",
    ),
)
SPLITS = ("train", "dev", "test")


def rows(root: Root) -> Iterator[Record]:
    """Yield the texts of all languages."""
    track, space = root.option("track", ("a", "b"), default="a"), SPEC.labels("ekman6")
    most = 1 if track == "a" else 3

    for language, split, file in _files(root, track):

        def record(line: Line, language: str = language, split: str = split) -> Record:
            name, asked = line["id"], [label for label in space if label in line]
            level = {label: line.number_of(label, 0, most) for label in asked}
            found = {label: value for label, value in level.items() if value}
            hidden = not any(value is not None for value in level.values())
            return root.record(
                name if name.startswith(language) else f"{language}_{name}",
                split,
                line,
                subset=language,
                text=(TextLine(text=line["text"], lang=language, source="official"),),
                targets=Targets(
                    labels_multi=None if hidden else ClassLabels(space="ekman6", names=tuple(found)),
                    salience=tuple(Salience(label=label, weight=value / 3) for label, value in found.items())
                    if most == 3
                    else None,
                ),
                flags=[f"not_asked:{label}" for label in space if label not in asked],
                origin=None if hidden else "majority",
            )

        yield from root.each(_lines(root, file), record)


def _files(root: Root, track: str) -> list[tuple[str, str, str]]:
    """Return language, split and path of each file, of whichever layout is there."""
    tables = [
        (path.stem, split, f"track_{track}/{split}/{path.name}")
        for split in SPLITS
        for path in sorted((root.path / f"track_{track}" / split).glob("*.csv"))
    ]
    parquet = [
        (path.parent.name, split, f"{path.parent.name}/{path.name}")
        for split in SPLITS
        for path in sorted(root.path.glob(f"*/{split}-*.parquet"))
    ]
    if not tables and not parquet:
        root.missing(f"LANGUAGE/train-*.parquet or track_{track}/train/LANGUAGE.csv")
    return tables or parquet


def _lines(root: Root, file: str) -> Iterator[Line]:
    if file.endswith(".csv"):
        for line in root.csv(file, "id", "text"):
            yield Line({key.lower(): value for key, value in line.items()}, file, line.number)
        return
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        root.bad(
            EmoError(
                "a parquet file needs pyarrow", file, "pip install pyarrow, or take the CSV files of the shared task"
            )
        )
        return
    number = 0
    try:
        for batch in parquet.ParquetFile(root.path / file).iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield Line(row, file, number)
    except (ArrowException, OSError) as error:
        root.bad(EmoError(f"no parquet file ({str(error)[:80]})", file, "download it again"))
