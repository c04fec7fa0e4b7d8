"""`emollm recipes`: list, show and copy the recipes that ship with emollm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, show and copy the recipes that ship with emollm."
)
LS_EXAMPLES = """Examples:

  emollm recipes ls
"""
SHOW_EXAMPLES = """Examples:

  emollm recipes show tiny/sft
"""
CP_EXAMPLES = """Examples:

  emollm recipes cp tiny/sft my-recipe.yaml
"""


@app.command("ls", epilog=LS_EXAMPLES)
def ls() -> None:
    """List the bundled recipes, each with the first line of its header."""
    from emollm.config import find_recipe, recipe_names

    names = recipe_names()
    width = max(map(len, names), default=0)
    for name in names:
        header = find_recipe(name).read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        typer.echo(f"{name:<{width}}  {header}")


@app.command("show", epilog=SHOW_EXAMPLES)
def show(recipe: Annotated[str, typer.Argument(help="Name of a bundled recipe, or a path.")]) -> None:
    """Print a recipe as it stands in its file, comments included."""
    from emollm.config import find_recipe

    typer.echo(find_recipe(recipe).read_text(encoding="utf-8"), nl=False)


@app.command("cp", epilog=CP_EXAMPLES)
def cp(
    recipe: Annotated[str, typer.Argument(help="Name of a bundled recipe, or a path.")],
    destination: Annotated[Path, typer.Argument(help="File to make; a folder takes the recipe's own file name.")],
) -> None:
    """Copy a recipe, to change it; nothing is overwritten."""
    from emollm.config import find_recipe
    from emollm.errors import ConfigError

    source = find_recipe(recipe)
    target = destination / source.name if destination.is_dir() else destination
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as out:
            out.write(source.read_bytes())
    except FileExistsError:
        raise ConfigError("exists already", str(target), "give another name, or remove the file first") from None
    typer.echo(str(target))
