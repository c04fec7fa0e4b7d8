"""`emollm data annotate`: let models describe and label records, by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emollm.cli import options

if TYPE_CHECKING:
    from emollm.engines import Engine

EXAMPLES = """Examples:

  emollm data annotate annotate/votes records.jsonl -o labelled.jsonl --model tiny --engine hf

  emollm data annotate annotate/text_only records.jsonl -o labelled.jsonl --base-url http://localhost:8000/v1 --model my-llm

  emollm data annotate annotate/crowd records.jsonl -o labelled.jsonl --base-url http://localhost:8000/v1 result.agreement=0.6
"""
_LISTED = 20


def annotate(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (annotate/crowd, ...), or the path of one (YAML).")],
    records: Annotated[Path, typer.Argument(help="Records file (JSONL).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Records file to write (JSONL); calls go beside it.")],
    settings: Annotated[list[str] | None, typer.Argument(help="Settings such as steps.0.votes=5.")] = None,
    model: options.Model = "tiny",
    engine: options.Engine = options.EngineName.OPENAI,
    base_url: options.BaseUrl = None,
    parallel: Annotated[int, typer.Option("--parallel", min=1, help="Requests to a server under way at once.")] = 8,
) -> None:
    """Ask models about every record, step by step; keep descriptions, agreed labels and votes. Goes on where it was cut off."""
    from emollm.api import open_engine
    from emollm.data.annotate import DEFAULT
    from emollm.data.annotate import annotate as run
    from emollm.data.annotate_recipe import load_annotation

    plan = load_annotation(recipe, settings or ())

    def opened(who: str) -> Engine:
        if who == DEFAULT:
            return open_engine(model, parallel, engine=engine.value, base_url=base_url)
        voter = plan.models[who]
        address = voter.base_url or (base_url if voter.engine == "openai" else None)
        return open_engine(voter.model, parallel, engine=voter.engine, base_url=address)

    made = run(plan, [records], output, opened, typer.echo)
    for failure in made.failures[:_LISTED]:
        typer.echo(f"  {failure}", err=True)
    if len(made.failures) > _LISTED:
        typer.echo(f"  ... and {len(made.failures) - _LISTED} more", err=True)
    counts = ", ".join(f"{n} {what}" for what, n in made.records.items())
    typer.echo(
        f"{output}: {counts or 'no records'}; {made.calls['made']} calls, {made.calls['reused']} reused, "
        f"{made.calls['failed']} failed, {made.tokens.total()} tokens"
    )
    raise typer.Exit(int(bool(made.failures)))
