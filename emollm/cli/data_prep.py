"""`emollm data prep|ls|info`: from a data set on disk to records, and what is known of each data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PREP_EXAMPLES = """Examples:

  emollm data prep mer2024 /data/mer2024-dataset -o mer2024.jsonl

  emollm data prep mer2024 /data/mer2024-dataset -o mer2024.jsonl --allow-missing --report mer2024.json

  emollm data prep generic clips/ -o mine.jsonl --set mapping=mapping.yaml
"""
LS_EXAMPLES = """Examples:

  emollm data ls
"""
INFO_EXAMPLES = """Examples:

  emollm data info mer2024
"""
Name = Annotated[str, typer.Argument(help="Name of a data set (emollm data ls), or the path of a leaf (.py).")]


def prep(
    name: Name,
    root: Annotated[Path, typer.Argument(help="Folder that holds the data set, as its authors lay it out.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Records file to write (JSONL).")],
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Take a copy that lacks files, and count what is missing.")
    ] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="Open every media file (slow): finds corrupt ones, measures lengths.")
    ] = False,
    facts: Annotated[
        list[str] | None,
        typer.Option("--set", help="A fact that the files do not tell, as key=value (emollm data info)."),
    ] = None,
    dev: Annotated[
        float, typer.Option("--dev", help="Share of train that becomes dev, by hash, where the test labels are hidden.")
    ] = 0.1,
    report: Annotated[Path | None, typer.Option("--report", help="File for the report (JSON).")] = None,
) -> None:
    """Read a data set as it lies on disk, check it, say what is missing, and write its records."""
    from emollm.data.catalog import report_text
    from emollm.data.prep import prep as run
    from emollm.data.prep import write_report
    from emollm.errors import ConfigError

    options: dict[str, str] = {}
    for fact in facts or ():
        key, equals, value = fact.partition("=")
        if not equals or not key or key in options:
            raise ConfigError("not key=value, or said twice", f"--set {fact}", "such as --set fold=1")
        options[key] = value
    found = run(name, root, output, allow_missing=allow_missing, probe=probe, options=options, dev_share=dev)
    if report:
        write_report(report, found)
    typer.echo(f"{output}: {report_text(found)}")


def ls() -> None:
    """List the data sets that can be read: name, records, languages, licence, title."""
    from emollm.data.catalog import list_text
    from emollm.data.prep import leaf_names, load_leaf

    typer.echo(list_text(load_leaf(name).spec for name in leaf_names()))


def info(
    name: Annotated[str | None, typer.Argument(help="Name of a data set, or the path of a leaf (.py).")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All of them, as docs/datasets.md has them.")] = False,
) -> None:
    """Say what is known of a data set: licence, access, layout, counts, labels, splits, traps."""
    from emollm.data.catalog import catalog_text, spec_text
    from emollm.data.prep import leaf_names, load_leaf
    from emollm.errors import ConfigError

    if (name is None) != all_:
        raise ConfigError("one data set, or all of them", "emollm data info", "give a name, or --all")
    specs = [load_leaf(one).spec for one in ([name] if name else leaf_names())]
    typer.echo((catalog_text(specs) if all_ else spec_text(specs[0])).rstrip("\n"))
