"""`emollm eval extract`: a language model reads labels from texts. The work is in emollm/evaluation/text_labels.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emollm.cli import options

EXAMPLES = """Examples:

  emollm eval extract runs/eval/meld-m --model qwen2.5-7b --engine openai --base-url http://localhost:8000/v1 -o runs/eval/meld-m-read
"""


def extract(
    run: Annotated[
        Path, typer.Argument(help="Folder of an evaluation with --extract lexicon: its texts are read again.")
    ],
    model: Annotated[str, typer.Option("--model", help="Who reads: as for emollm eval run.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the new evaluation.")],
    engine: options.Engine = options.EngineName.HF,
    base_url: options.BaseUrl = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Texts read at once.")] = 8,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws.")] = 1000,
) -> None:
    """Let a language model read labels from answers in free words, and score these: `extracted:MODEL`, never `native`."""
    from emollm.api import open_engine
    from emollm.evaluation.asking import AskEngine
    from emollm.evaluation.results import read_results
    from emollm.evaluation.text_labels import SAMPLING, extract_labels
    from emollm.report.benchmarks import results_text

    source = read_results(run)
    opened = open_engine(model, batch_size, engine=engine.value, base_url=base_url)
    ask = AskEngine(output, opened, opened.identity, SAMPLING, {"extract": True}, _say, retry_failed=True)
    typer.echo(results_text(extract_labels(source, ask, opened.identity, output, draws, _say)))
    typer.echo(f"{output / 'results.json'}", err=True)


def _say(line: str) -> None:
    typer.echo(line, err=True)
