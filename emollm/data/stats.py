"""Count what records hold, in one pass and in memory that does not grow with their number.

    found = count(["records.jsonl"], wheels="emollm")
    write_stats(found, Path("stats"))   # stats.json, labels.svg, durations.svg

Durations come from the records (start and end of the clip or its media), in bins of 0.1 s; clips whose length no record tells are counted
as unknown, never opened. Wheel coverage is the share of labels, as often as they occur, that a grouping of the wheels knows a group for.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from emollm.data.stream import new_folder, stream
from emollm.emotions.maps import Maps, load_maps
from emollm.gold import gold_labels
from emollm.records import MediaRef, Record

BIN_S = 0.1
STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600)  # widths of a plot's bins
_SHOWN = 12


@dataclass
class Stats:
    """Counts of records; `durations` counts bins of `BIN_S` seconds, `coverage` is the share of labels by grouping."""

    records: int = 0
    by: dict[str, Counter[str]] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    durations: Counter[int] = field(default_factory=Counter)
    wheels: str = ""
    coverage: dict[str, float] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Count one record."""
        self.records += 1
        for kind, values in _facts(record):
            self.by.setdefault(kind, Counter()).update(values)
        self.labels.update(label.strip().lower() for label in gold_labels(record) or ())
        seconds = duration_s(record)
        if seconds is not None:
            self.durations[math.floor(seconds / BIN_S)] += 1

    def quantile_s(self, share: float) -> float | None:
        """Return the duration that so many clips do not exceed, to the upper edge of its bin; None when none is known."""
        left = share * sum(self.durations.values())
        for number in sorted(self.durations):
            left -= self.durations[number]
            if left <= 0:
                return round((number + 1) * BIN_S, 1)
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "schema": "emollm.stats/1",
            "records": self.records,
            **{kind: dict(counts.most_common()) for kind, counts in self.by.items() if kind != "speaker"},
            "speakers": len(self.by.get("speaker", ())),
            "labels": dict(self.labels.most_common()),
            "wheels": self.wheels,
            "coverage": self.coverage,
            "labels_in_no_wheel": self.unknown,
            "durations": {
                "known": sum(self.durations.values()),
                **{f"p{share}_s": self.quantile_s(share / 100) for share in (5, 50, 95, 100)},
            },
        }


def count(records: Sequence[Path | str], wheels: str = "emollm") -> Stats:
    """Count the records of files.

    Args:
        records: Records files.
        wheels: Maps that coverage is of: `emollm`, or what `emollm wheels import` made.

    Raises:
        EmoError: A file is broken, or there are no such maps.
    """
    maps = load_maps(wheels)
    found = Stats(wheels=maps.version)
    for record in stream(records):
        found.add(record)
    found.coverage, found.unknown = cover(found.labels, maps)
    return found


def cover(labels: Counter[str], maps: Maps) -> tuple[dict[str, float], list[str]]:
    """Return the share of label occurrences with a group, by grouping, and the labels that are in none (most frequent first)."""
    whole = sum(labels.values())
    known = {
        label: {name for word in maps.labels([label]) for name in maps.groupings if maps.group(word, name)}
        for label in labels
    }
    shares = {
        name: sum(n for label, n in labels.items() if name in known[label]) / whole if whole else 0.0
        for name in maps.groupings
    }
    return shares, [label for label, _ in labels.most_common() if not known[label]]


def duration_s(record: Record) -> float | None:
    """Return how long a clip is as far as its record tells: by the span of its media, else by its place in the source."""
    media = record.media
    spans: list[Any] = [media.video, media.audio, record.time]
    for span in spans:
        if span is not None and span.end_s is not None and (isinstance(span, MediaRef) or span.start_s is not None):
            return float(span.end_s - (span.start_s or 0.0))
    return None


def stats_text(found: Stats) -> str:
    """Return the counts as a person reads them."""
    lines = [f"{found.records} records, {len(found.by.get('speaker', ()))} speakers"]
    for kind, counts in found.by.items():
        if kind != "speaker":
            lines.append(f"  {kind:<12}{_listed(counts)}")
    lines.append(f"  {'labels':<12}{len(found.labels)} different: {_listed(found.labels)}")
    shares = ", ".join(f"{name} {share:.1%}" for name, share in found.coverage.items())
    lines.append(f"  {'coverage':<12}{found.wheels}: {shares}")
    if found.unknown:
        lines.append(f"  {'in no wheel':<12}{', '.join(found.unknown[:_SHOWN])}")
    known = sum(found.durations.values())
    length = f"median {found.quantile_s(0.5)} s, 95 % up to {found.quantile_s(0.95)} s; " if known else ""
    return "\n".join([*lines, f"  {'duration':<12}{length}unknown for {found.records - known}"])


def write_stats(found: Stats, folder: Path) -> None:
    """Write stats.json and two plots into a new folder."""
    files = {
        "stats.json": json.dumps(found.to_dict(), ensure_ascii=False, indent=1) + "\n",
        "labels.svg": bars("Most frequent labels", found.labels.most_common(30)),
        "durations.svg": bars("Durations that the records tell", _durations(found.durations)),
    }
    with new_folder(folder) as part:
        for name, text in files.items():
            (part / name).write_text(text, encoding="utf-8")


def _facts(record: Record) -> Iterable[tuple[str, list[str]]]:
    """Yield what is counted of a record, by kind."""
    media, targets, quality = record.media, record.targets, record.quality
    files = {"video": media.video, "audio": media.audio, "images": media.images, "face": media.face}
    there = [kind for kind, file in files.items() if file] + (["text"] if record.transcript else [])
    known = [kind for kind in type(targets).model_fields if getattr(targets, kind)]
    yield "dataset", [record.dataset or "unknown"]
    yield "split", [record.split or "unknown"]
    yield "modalities", ["+".join(there) or "none"]
    yield "targets", known or ["none"]
    yield "label space", [targets.label.space] if targets.label else []
    yield "language", [record.transcript.lang or "unknown"] if record.transcript else []
    yield "label origin", [(quality and quality.label_origin) or "unknown"]
    yield "flags", list(quality.flags) if quality else []
    yield "licence", [record.license.name if record.license else "unknown"]
    speaker = record.subject_id or (record.speaker.id if record.speaker else None)
    yield "speaker", [f"{record.dataset}:{speaker}"] if speaker else []


def _listed(counts: Counter[str]) -> str:
    shown = ", ".join(f"{name} {n}" for name, n in counts.most_common(_SHOWN))
    more = len(counts) - _SHOWN
    return (shown or "none") + (f", and {more} more" if more > 0 else "")


def _durations(durations: Counter[int]) -> list[tuple[str, int]]:
    """Return at most 30 bins of equal width as (name, clips)."""
    longest_s = (max(durations, default=0) + 1) * BIN_S
    width_s = next((step for step in STEPS_S if longest_s / step <= 30), longest_s / 30)
    wide: Counter[int] = Counter()
    for number, clips in durations.items():
        wide[int((number + 0.5) * BIN_S / width_s)] += clips
    return [(f"{at * width_s:g}-{(at + 1) * width_s:g} s", wide[at]) for at in range(max(wide, default=-1) + 1)]


def bars(title: str, rows: Sequence[tuple[str, int]]) -> str:
    """Return horizontal bars as SVG: text stays text, so a label shows in whatever script the viewer has."""
    most = max((n for _, n in rows), default=1)
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="720" '
        f'height="{50 + 18 * len(rows)}" font-family="sans-serif" font-size="12">',
        f'<text x="10" y="24" font-size="15">{escape(title)}</text>',
    ]
    for at, (name, n) in enumerate(rows):
        y, width = 40 + 18 * at, 420 * n / most
        lines.append(f'<text x="190" y="{y + 12}" text-anchor="end">{escape(name[:28])}</text>')
        lines.append(f'<rect x="200" y="{y + 1}" width="{width:.1f}" height="14" fill="#4878a8"/>')
        lines.append(f'<text x="{206 + width:.1f}" y="{y + 12}">{n}</text>')
    return "\n".join([*lines, "</svg>", ""])
