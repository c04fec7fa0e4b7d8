"""What the specs of data_prep/ and the report of a run say, as text: `emollm data ls|info|prep` and docs/datasets.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from emollm.data.prep import Report
from emollm.data.spec import Spec

DOCS_HEAD = """# Data sets

Made from the `SPEC` of each leaf in `data_prep/` by `emollm data info --all`; a test keeps it up to date.
Counts are those that `emollm data prep` checks; what is not known stands nowhere. No data set is shipped or downloaded.
`--set encoding=NAME` reads the text files of any set in another encoding than UTF-8.

"""


def spec_text(spec: Spec) -> str:
    """Return all that a spec says, as Markdown."""
    facts = {
        "licence": _license(spec),
        "from": spec.url,
        "access": spec.access,
        "paper": spec.citation,
        "version": spec.version,
        "languages": ", ".join(spec.languages),
        "labels": "; ".join(f"{name}: {', '.join(spec.labels(name))}" for name in spec.spaces),
        "records": _counts(spec.counts),
        **{f"records of version {version}": _counts(counts) for version, counts in spec.versions.items()},
        **{f"{split} by label": _counts(classes) for split, classes in spec.classes.items()},
        "splits": spec.splits,
        "dev split": spec.dev_by and f"carved off train by the hash of the {spec.dev_by} (`--dev SHARE`; 0 for none)",
        "metrics": ", ".join(spec.metrics),
        "shares clips with": ", ".join(spec.overlaps),
        "known faults": ", ".join(f"{name} {fault}" for name, fault in spec.faults.items()),
        **{f"`--set {key}=...`": meaning for key, meaning in spec.options.items()},
    }
    lines = [f"- {name}: {value}" for name, value in facts.items() if value]
    lines += [f"- note: {note}" for note in spec.notes]
    return f"## {spec.title} (`{spec.name}`)\n\n" + "\n".join(lines) + f"\n\n```\n{spec.layout.strip()}\n```\n"


def catalog_text(specs: Iterable[Spec]) -> str:
    """Return docs/datasets.md."""
    return DOCS_HEAD + "\n".join(map(spec_text, specs))


def list_text(specs: Iterable[Spec]) -> str:
    """Return one line a data set: name, number of records, languages, licence, title."""
    rows = [
        (
            spec.name,
            f"{sum(spec.counts.values()):,}" if spec.counts else "",
            ",".join(spec.languages[:3]) + (f",+{more}" if (more := len(spec.languages) - 3) > 0 else ""),
            spec.license.name,
            spec.title,
        )
        for spec in specs
    ]
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def report_text(report: Report) -> str:
    """Return the report of a run as a person reads it."""
    lines = [f"{report.records:,} records of {report.dataset}" + (f" {report.version}" if report.version else "")]
    for split, count in sorted(report.splits.items()):
        expected = report.expected.get(split)
        of = f" of {expected:,}" if expected is not None else ""
        by_label = _counts(report.labels[split]) if split in report.labels else ""
        lines.append(f"  {split}: {count:,}{of}" + (f" ({by_label})" if by_label else ""))
    lines += [f"  {split}: not in this copy" for split in report.expected if split not in report.splits]
    if report.dev:
        lines.append(f"  dev: {report.dev:,} of the train records, chosen by hash")
    if report.timed:
        lines.append(f"  length: {report.hours:.2f} h over {report.timed:,} records whose length is known")
    for name, counts in (("languages", report.languages), ("licences", report.licenses), ("flags", report.flags)):
        if counts:
            lines.append(f"  {name}: {_counts(counts)}")
    if report.extra_media:
        lines.append(f"  files that no record names: {report.extra_media:,}, such as {report.extra_examples[0]}")
    for kind, count in report.problems.items():
        lines.append(f"  {kind}: {count:,}")
    return "\n".join(lines)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _license(spec: Spec) -> str:
    said = {"redistributable": spec.license.redistributable, "commercial use": spec.license.commercial}
    words = [f"{what}: {'yes' if value else 'no'}" for what, value in said.items() if value is not None]
    return spec.license.name + (f" ({', '.join(words)})" if words else "")
