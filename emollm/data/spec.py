"""What is known about a data set before its files are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from emollm.data.spaces import SPACES
from emollm.records import License


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What is known about a data set, before its files are looked at. Unknown stays empty.

    Attributes:
        name: Name of the leaf and of `Record.dataset`: lower case, no blanks.
        title: Name as its authors write it.
        license: Terms of the data (not of the code that comes with it).
        url: Where it comes from.
        access: How one gets it.
        layout: The folder tree that the leaf reads.
        citation: BibTeX, or the paper's link.
        version: The version that `counts` are of.
        languages: ISO 639-1 codes of the speech and text.
        spaces: Label spaces of its classes: ids of `emollm.data.spaces`, or id -> labels.
        counts: Records per split; checked.
        classes: Records per split and label; checked.
        optional: Splits that a copy may lack altogether.
        versions: `counts` of other versions, taken with `--set version=...`.
        splits: What is official about its splits and folds.
        metrics: The metrics that its papers report.
        overlaps: Names of data sets that share clips with it.
        media: Folders that hold its clips only; files there that no row names are reported.
        faults: `split:key` -> `missing` or `corrupt`, for files known to be so in every copy.
        options: Facts that a user may or must give with `--set key=value`, each with its meaning.
        dev_by: Carve a dev split off the train split by the hash of this, as the official test labels are hidden.
        notes: Traps.
    """

    name: str
    title: str
    license: License
    url: str
    access: str
    layout: str
    citation: str = ""
    version: str = ""
    languages: tuple[str, ...] = ()
    spaces: Sequence[str] | Mapping[str, Sequence[str]] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    versions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    splits: str = ""
    metrics: tuple[str, ...] = ()
    overlaps: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    faults: Mapping[str, Literal["missing", "corrupt"]] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    dev_by: Literal["", "subject", "clip"] = ""
    notes: tuple[str, ...] = ()

    def labels(self, space: str) -> tuple[str, ...]:
        """Return the labels of one of its spaces, in order."""
        return tuple(self.spaces[space]) if isinstance(self.spaces, Mapping) else SPACES[space]
