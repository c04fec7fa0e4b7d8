"""`emollm wheels`: import a copy of the field's emotion wheels, see where words go, find words that leave their own sector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Import emotion wheels, and see where they put words."
)
IMPORT_EXAMPLES = """Examples:

  emollm wheels import emotion_wheel
"""
SHOW_EXAMPLES = """Examples:

  emollm wheels show fear "very happy"

  emollm wheels show fear --wheels mer2025
"""
LINT_EXAMPLES = """Examples:

  emollm wheels lint

  emollm wheels lint --wheels mer2025 --level 2
"""
Wheels = Annotated[
    str, typer.Option("--wheels", help="emollm (our own), mer2025, mer2026, or another imported version.")
]


@app.command("import", epilog=IMPORT_EXAMPLES)
def import_(
    folder: Annotated[
        Path, typer.Argument(help="Your copy of the emotion_wheel folder: wheel1-5.xlsx, synonym.xlsx, format.csv.")
    ],
) -> None:
    """Compile a copy of the field's emotion_wheel folder into your cache, and name its version by its content."""
    from emollm.emotions.importing import import_folder

    maps = import_folder(folder)
    typer.echo(f"{maps.version}: {len(maps.words)} words, {len(maps.groupings)} groupings, sha256 {maps.sha256[:12]}")


@app.command("show", epilog=SHOW_EXAMPLES)
def show(
    words: Annotated[list[str], typer.Argument(help="Labels, as people or models write them.")],
    wheels: Wheels = "emollm",
) -> None:
    """Show a word's way to its sector on each wheel: form, base, synonyms or concept, sector."""
    from emollm.emotions.tracing import trace
    from emollm.report.tables import plain

    for word in words:
        for line in trace(word, wheels):
            typer.echo(plain(line))


@app.command("lint", epilog=LINT_EXAMPLES)
def lint(
    wheels: Wheels = "emollm",
    level: Annotated[int, typer.Option("--level", min=1, max=2, help="Wheel level: 1 sectors, 2 groups.")] = 1,
) -> None:
    """List the words that imported wheels put outside their own sector; of our own wheels, what they leave open.

    Exit code 1 when there are such words.
    """
    from emollm.emotions.importing import imported_sources
    from emollm.emotions.maps import OWN
    from emollm.emotions.tracing import leavers, unplaced

    if wheels.partition("-")[0] == OWN:
        for what, names in unplaced().items():
            typer.echo(f"{what}: {', '.join(names) or 'none'}")
        return
    sources = imported_sources(wheels)
    found = [leaver for leaver in leavers(wheels) if leaver.level == level]
    for name, words in sources.wheels.items():
        own = [leaver for leaver in found if leaver.wheel == name]
        typer.echo(f"{name}: {len(own)} of {len(words)} words leave their own group at level {level}")
        for leaver in own:
            typer.echo(f"  {leaver.word}: {leaver.own} -> {leaver.there or 'nowhere'}")
    if found:
        raise typer.Exit(1)
