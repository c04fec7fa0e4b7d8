"""`emollm eval judge`: a language model rates the answers of an evaluation. The work is in emollm/evaluation/judging.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emollm.cli import options
from emollm.cli.report import write_beside

EXAMPLES = """Examples:

  emollm eval judge runs/eval/emer-latest --model qwen2.5-7b-instruct --engine openai --base-url http://localhost:8000/v1

  emollm eval judge runs/eval/emer-latest --model runs/judge --embeddings models/all-MiniLM-L6-v2
"""


def judge(
    run: Annotated[Path, typer.Argument(help="Folder of an evaluation, or its results.json.")],
    model: Annotated[str, typer.Option("--model", help="Who rates: as for emollm eval run.")],
    engine: options.Engine = options.EngineName.HF,
    base_url: options.BaseUrl = None,
    embeddings: options.Embeddings = "",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Answers rated at once.")] = 8,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws.")] = 1000,
) -> None:
    """Let a language model rate answers, beside a matcher that is none, and tell how far the two agree.

    Replies are kept: an interrupted call goes on, and a finished one asks nothing. The numbers of the parts stay as they are.
    """
    from emollm.api import open_engine
    from emollm.evaluation.asking import AskEngine
    from emollm.evaluation.judging import SAMPLING, Judge, judge_results
    from emollm.evaluation.results import read_results
    from emollm.report.benchmarks import JUDGED, columns, judged_cells

    results = read_results(run)
    matchers, facts = _matchers(embeddings)
    opened = open_engine(model, batch_size, engine=engine.value, base_url=base_url)
    folder = Path(results["folder"])
    ask = AskEngine(folder, opened, opened.identity, SAMPLING, {"judge": True}, _say, retry_failed=True)
    rows = judge_results(results, Judge(ask, opened.identity, matchers, facts), draws, _say)
    typer.echo(columns([JUDGED, *judged_cells(results["runs"])]))
    write_beside(results, folder, None)
    failed = sum(row["errors"] + row["unreadable"] for row in rows)
    if failed:
        typer.echo(f"{failed} replies without a score: errors are asked again by the same command", err=True)
    raise typer.Exit(int(failed > 0))


def _matchers(embeddings: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the matchers, and what is known of them."""
    from emollm.evaluation.matching import alike, encoder

    matchers: dict[str, Any] = {"words and emotions": alike}
    if not embeddings:
        return matchers, {}
    by = encoder(embeddings)
    name = f"embeddings {by.name}"
    return matchers | {name: by}, {name: {"weights_sha256": by.facts["weights_sha256"]}}


def _say(line: str) -> None:
    typer.echo(line, err=True)
