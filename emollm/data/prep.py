"""`emollm data prep`: run a leaf over a copy of its data set, check the whole, and write one records file.

    report = prep("mer2024", "/data/mer2024", "records.jsonl")

Records are checked and written one by one; what is kept of each is a hash of its id and of its media. A copy with problems gives one error
that lists them, and no file. `allow_missing` forgives (and counts) missing files, missing or corrupt media, and other counts than the
spec's; malformed rows, unknown labels and unsafe paths are never forgiven.

Does not: read media unless `probe` is set; download anything.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tempfile
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from emollm.data.files import SHOWN, WRONG
from emollm.data.leaf import Root
from emollm.data.probing import probed
from emollm.data.spec import Spec
from emollm.errors import ConfigError, EmoError, collect
from emollm.paths import bundled
from emollm.plugins import load_module
from emollm.records import Record

DEV_SHARE = 0.1
COMMON_OPTIONS = {"version": "another version than the spec's", "encoding": "how the text files are written"}


@dataclass(frozen=True)
class Leaf:
    """A leaf of data_prep/, or a user's own file of the same kind."""

    spec: Spec
    rows: Callable[[Root], Iterator[Record]]
    path: Path


@dataclass
class Report:
    """What one run found.

    Attributes:
        dataset: Name of the leaf.
        version: Version of the data set, if known.
        root: The copy.
        records: How many were written.
        splits: Records per official split.
        dev: Records of the train split that became `dev`.
        labels: Records per split and label; a record with several counts for each.
        expected: What the spec says about `splits`.
        problems: Kind -> number, as far as they were forgiven.
        missing: The first of them, as text.
        flags: Flag -> records.
        extra_media: Files in the media folders that no record names: their number and the first of them.
        hours: Length of the clips whose length is known, and how many those are.
        languages: Language of the words -> records.
        licenses: Licence -> records.
    """

    dataset: str
    version: str
    root: str
    expected: dict[str, int]
    records: int = 0
    dev: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)
    extra_media: int = 0
    extra_examples: list[str] = field(default_factory=list)
    hours: float = 0.0
    timed: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    licenses: Counter[str] = field(default_factory=Counter)


def leaf_names() -> list[str]:
    """Return the names of the bundled leaves."""
    return sorted(path.stem for path in bundled("data_prep").glob("*.py") if not path.stem.startswith("_"))


def load_leaf(name: str) -> Leaf:
    """Return a bundled leaf by its name, or any leaf by the path of its .py file.

    Raises:
        ConfigError: There is no such leaf, or the file has no `SPEC` or `rows`.
    """
    path = Path(name) if name.endswith(".py") else bundled("data_prep") / f"{name}.py"
    if not path.is_file():
        near = difflib.get_close_matches(name, leaf_names(), 1)
        fix = f"did you mean `{near[0]}`?" if near else "see emollm data ls, or give the path of a .py file"
        raise ConfigError("no data set of this name", name, fix)
    module = load_module(path)
    spec, rows = getattr(module, "SPEC", None), getattr(module, "rows", None)
    if not isinstance(spec, Spec) or not callable(rows):
        raise ConfigError(
            "a leaf has SPEC (an emollm.data.leaf.Spec) and rows(root)", str(path), "see data_prep/README.md"
        )
    return Leaf(spec, rows, path)


def prep(
    name: str,
    root: Path | str,
    output: Path | str,
    *,
    allow_missing: bool = False,
    probe: bool = False,
    options: Mapping[str, str] | None = None,
    dev_share: float = DEV_SHARE,
) -> Report:
    """Write the records of a data set.

    Args:
        name: A bundled leaf, or the path of a leaf.
        root: The copy on disk.
        output: The records file; media paths in it are relative to its folder when the copy lies below that, else absolute.
        allow_missing: Forgive what is missing or corrupt.
        probe: Open each media file: corrupt ones are found, and lengths known. Slow.
        options: Facts that the leaf asks for.
        dev_share: Share of the train split that becomes `dev` where the spec has `dev_by`; 0 leaves it whole.

    Raises:
        ConfigError: Everything that is wrong with the call or the copy, in one error.
    """
    leaf, root, output = load_leaf(name), Path(root), Path(output)
    _check_call(leaf.spec, root, options or {}, dev_share)
    here = Root(root, leaf.spec, options, _prefix(root, output))
    run = _Run(here, probe, dev_share)
    with _beside(output) as out:
        for record in run.checked(leaf.rows(here)):
            out.write(_line(record))
        out.flush()
        run.finish(Path(out.name))
        _refuse(here, run.report, allow_missing)
    return run.report


def write_report(path: Path | str, report: Report) -> None:
    """Write a report as JSON."""
    with _beside(Path(path)) as out:
        json.dump(vars(report), out, ensure_ascii=False, indent=1)


class _Run:
    """One pass over the records: checks each, and counts."""

    def __init__(self, root: Root, probe: bool, dev_share: float) -> None:
        spec = root.spec
        self.root, self.probe, self.dev_share = root, probe, dev_share
        expected = dict(spec.versions.get(root.version, spec.counts))
        self.report = Report(spec.name, root.version, str(root.path), expected)
        self.ids, self.media = array("q"), array("q")
        if spec.media:
            root.media_seen = lambda path: self.media.append(hash(path))

    def checked(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield the records as they are written."""
        report = self.report
        for record in records:
            self.ids.append(hash(record.id))
            split = record.split or ""
            try:
                self._count_labels(record, split)
            except EmoError as error:
                self.root.bad(error)
            if self.probe:
                record, length_s = probed(self.root, record)
            else:
                length_s = _length_s(record)
            if length_s is not None:
                report.hours += length_s / 3600
                report.timed += 1
            report.records += 1
            report.splits[split] += 1
            report.licenses[record.license.name if record.license else "unknown"] += 1
            for lang in {line.lang for line in record.text if line.lang}:
                report.languages[lang] += 1
            for flag in record.quality.flags if record.quality else ():
                report.flags[flag] += 1
            if split.startswith("train") and self.root.spec.dev_by and self._goes_to_dev(record):
                report.dev += 1
                record = record.model_copy(update={"split": "dev" + split.removeprefix("train")})
            yield record

    def finish(self, written: Path) -> None:
        """Check what only the whole can tell: ids, counts, files that no record names."""
        ids = _sorted(self.ids)
        twice = set(ids[1:][ids[1:] == ids[:-1]].tolist())
        if twice:
            self._name_twice(written, twice)
        spec, report = self.root.spec, self.report
        lacking = set(spec.optional) - set(report.splits)
        self._compare("records of", {s: n for s, n in report.expected.items() if s not in lacking}, report.splits)
        for split, classes in spec.classes.items():
            if split in report.splits and not spec.versions.get(self.root.version):
                self._compare(f"{split} records labelled", classes, report.labels.get(split, Counter()))
        known = _sorted(self.media)
        for path in (path for folder in spec.media for path in self.root.walk(folder)):
            place = bisect_left(known, hash(path))
            if place == len(known) or known[place] != hash(path):
                report.extra_media += 1
                if len(report.extra_examples) < SHOWN:
                    report.extra_examples.append(path)

    def _count_labels(self, record: Record, split: str) -> None:
        targets, spaces = record.targets, self.root.spaces
        counts = self.report.labels.get(split)
        if counts is None:
            counts = self.report.labels[split] = Counter()
        found = [(targets.label.space, targets.label.name)] if targets.label else []
        if targets.labels_multi:
            found += [(targets.labels_multi.space, name) for name in targets.labels_multi.names]
        for _, name in found:
            counts[name] += 1
        for one in targets.distribution:
            found += [(one.space, name) for name in one.probs]
        for space, name in found:
            if name not in spaces.get(space, ()):
                fix = f"one of: {', '.join(spaces[space])}" if space in spaces else f"the spaces: {', '.join(spaces)}"
                raise EmoError(f"the label {name!r} is not of the space {space!r}", record.id, fix)

    def _goes_to_dev(self, record: Record) -> bool:
        """Tell by a hash, not by chance, so that the same clip or person is in dev in every copy and version."""
        parents = record.provenance.parents if record.provenance else ()
        key = parents[0] if parents else record.native_id
        if self.root.spec.dev_by == "subject":
            key = record.subject_id or (record.speaker.id if record.speaker else None) or key
        digest = hashlib.sha256(str(key).encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.dev_share * 2**64

    def _compare(self, what: str, expected: Mapping[str, int], found: Mapping[str, int]) -> None:
        for key, count in expected.items():
            if found.get(key, 0) != count:
                fix = "another version, or not the whole copy"
                if same := [
                    v for v, counts in self.root.spec.versions.items() if dict(counts) == dict(self.report.splits)
                ]:
                    fix = f"--set version={same[0]} has these counts"
                error = EmoError(f"{found.get(key, 0):,} {what} {key!r}, {count:,} expected", fix=fix)
                self.root.problems.add("other counts", error)

    def _name_twice(self, written: Path, hashes: set[int]) -> None:
        seen: set[str] = set()
        with written.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                name = json.loads(line)["id"]
                if hash(name) in hashes and name in seen:
                    self.root.bad(
                        EmoError(f"the id {name!r} occurs twice (record {number})", fix="each clip has one row")
                    )
                seen.add(name) if hash(name) in hashes else None


def _check_call(spec: Spec, root: Path, options: Mapping[str, str], dev_share: float) -> None:
    known = {**COMMON_OPTIONS, **spec.options}
    problems = [
        ConfigError(f"{spec.title} has no such fact: {key}", f"--set {key}", "known: " + ", ".join(known))
        for key in options
        if key not in known
    ]
    version = options.get("version")
    if version and version not in {spec.version, *spec.versions}:
        ways = ", ".join(filter(None, (spec.version, *spec.versions))) or "none"
        problems.append(ConfigError(f"counts of version {version!r} are not known", "--set version", f"known: {ways}"))
    if not root.is_dir():
        problems.append(ConfigError("no such folder", str(root), f"the copy of {spec.title}"))
    if not 0 <= dev_share < 1:
        problems.append(ConfigError(f"a share of {dev_share:g}", "--dev", "from 0 to less than 1"))
    if len(problems) == 1:
        raise problems[0]
    if error := collect(problems, "{n} things are wrong with the call", ConfigError):
        raise error


def _refuse(root: Root, report: Report, allow_missing: bool) -> None:
    """Raise what is not forgiven as one error; keep the rest in the report."""
    problems = root.problems
    if not report.records and not problems.counts[WRONG]:
        files = [str(error.where) for error in problems.kept.get("missing file", [])]
        what = f"no {root.spec.title} here" + (f" (missing: {', '.join(files)})" if files else "")
        raise ConfigError(what, str(root.path), "expected layout:\n" + root.spec.layout.strip("\n"))
    report.problems = {kind: count for kind, count in sorted(problems.counts.items()) if kind != WRONG}
    report.missing = [f"{kind}: {error}" for kind in report.problems for error in problems.kept[kind]]
    if not (problems.counts[WRONG] or (report.problems and not allow_missing)):
        return
    shown: list[EmoError] = []
    for kind, errors in sorted(problems.kept.items(), key=lambda item: item[0] != WRONG):
        shown += errors
        if (more := problems.counts[kind] - len(errors)) > 0:
            shown.append(EmoError(f"and {more:,} more ({kind})"))
    total = ", ".join(f"{count:,} {kind}" for kind, count in sorted(problems.counts.items()))
    hint = "" if problems.counts[WRONG] else "; --allow-missing takes the copy as it is"
    raise collect(shown, f"{root.path}: refused, nothing written ({total}{hint})", ConfigError) or ConfigError(
        "refused"
    )


def _line(record: Record) -> str:
    """Return the JSON line of a record that was checked when it was made (`jsonl.to_line` checks again, at three times the cost)."""
    return '{"schema":"emollm.record/1",' + record.model_dump_json(by_alias=True, exclude_defaults=True)[1:] + "\n"


def _length_s(record: Record) -> float | None:
    """Return the length that the annotation gives."""
    for span in (record.time, record.media.video, record.media.audio):
        if span and span.start_s is not None and span.end_s is not None:
            return span.end_s - span.start_s
    return None


def _sorted(hashes: array[int]) -> Any:
    """Sort in place; return them as a NumPy array, (n,)."""
    import numpy as np

    values = np.frombuffer(hashes, np.int64) if hashes else np.zeros(0, np.int64)
    values.sort()
    return values


def _prefix(root: Path, output: Path) -> str:
    folder, root = Path(os.path.abspath(output)).parent, Path(os.path.abspath(root))
    return "" if root == folder else (root.relative_to(folder) if root.is_relative_to(folder) else root).as_posix()


@contextmanager
def _beside(path: Path) -> Iterator[IO[str]]:
    """Open a file beside `path` that takes its place when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as out:
        try:
            yield out
            out.close()
            Path(out.name).chmod(0o644)
            os.replace(out.name, path)
        except BaseException:
            out.close()
            Path(out.name).unlink(missing_ok=True)
            raise
