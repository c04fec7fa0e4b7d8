"""`emollm models`: fetch towers, language models and omni backbones ahead of a run. The work is in emollm/models/fetch.py."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Fetch towers, language models and omni backbones ahead of a run.",
)
FETCH_EXAMPLES = """Examples:

  emollm models fetch Qwen/Qwen2.5-0.5B-Instruct openai/whisper-small

  emollm models fetch TencentGameMate/chinese-hubert-large --revision main

  emollm models fetch my-tower/
"""


@app.callback()
def models() -> None:
    """Fetch models."""


@app.command("fetch", epilog=FETCH_EXAMPLES)
def fetch(
    names: Annotated[list[str], typer.Argument(help="Hub names, or folders.")],
    revision: Annotated[
        str | None, typer.Option("--revision", help="Commit, tag or branch of a hub name; one name only.")
    ] = None,
) -> None:
    """Show licence and size of models, fetch them, and print the folders that recipes can name.

    A pickle (pytorch_model.bin) is turned into safetensors. Models that cannot be fetched are listed; the others go on.
    """
    from emollm.errors import ConfigError, EmoError
    from emollm.models.fetch import fetch as get
    from emollm.models.fetch import look

    if revision is not None and len(names) != 1:
        raise ConfigError(
            f"a revision belongs to one model, not to {len(names)}", "--revision", "fetch them one by one"
        )
    failed = []
    for name in names:
        try:
            offer = look(name, revision)
            typer.echo(str(offer), err=True)
            typer.echo(str(get(offer)))
        except EmoError as error:
            failed.append(str(error))
    for line in failed:
        typer.echo(f"failed: {line}", err=True)
    if failed:
        raise typer.Exit(1)
