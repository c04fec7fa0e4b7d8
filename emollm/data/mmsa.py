"""The release layout of MMSA, which CMU-MOSI, CMU-MOSEI, CH-SIMS and CH-SIMS v2 share: a table with a row a clip, and clips by video.

Source: https://github.com/thuiar/MMSA (columns `video_id, clip_id, text, label, label_T, label_A, label_V, annotation, mode`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emollm.data.leaf import Line, Root
from emollm.records import Record, Sentiment, Targets, TextLine

MODES = {"train": "train", "valid": "dev", "val": "dev", "test": "test"}
COLUMNS = ("video_id", "clip_id", "text", "label", "mode")


def mmsa_records(
    root: Root,
    table: str,
    *,
    lang: str,
    scale: tuple[float, float],
    key: str,
    video: Sequence[str],
    parents: Sequence[str],
) -> Iterator[Record]:
    """Yield the clips of a table.

    Args:
        root: The copy.
        table: Name of the table.
        lang: Language of the words.
        scale: Least and greatest sentiment.
        key: Native key of a clip, with the places `{video}` and `{clip}`.
        video: Where its file may lie, with the same places.
        parents: What other data sets call the clip, and the film that it is cut from, with the same places.
    """

    def record(line: Line) -> Record:
        ids = {"video": line["video_id"], "clip": line["clip_id"]}
        words = line.text("text")
        return root.record(
            key.format(**ids),
            line.pick("mode", MODES),
            line,
            video=[place.format(**ids) for place in video],
            text=(TextLine(text=words, lang=lang),) if words else (),
            targets=Targets(sentiment=_sentiment(line, scale)),
            parents=[parent.format(**ids) for parent in parents],
            origin="human",
        )

    yield from root.each(root.csv(table, *COLUMNS), record)


def _sentiment(line: Line, scale: tuple[float, float]) -> Sentiment | None:
    """Return the sentiment of a row, as a whole and by modality; None in the unlabelled pool."""
    values = {one: line.number_of(f"label_{one}", *scale) for one in "TAV" if f"label_{one}" in line}
    by_modality = values if any(value is not None for value in values.values()) else None
    value = line.number_of("label", *scale)
    if value is None and by_modality is None:
        return None
    name = line.text("annotation") if "annotation" in line else None
    return Sentiment(value=value, scale=scale, name=name and name.lower(), by_modality=by_modality)
