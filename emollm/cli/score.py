"""`emollm score`: predictions, ours or another project's, against gold. The work is in emollm/evaluation/score.py."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emollm.cli import options

EXAMPLES = """Examples:

  emollm score labels.jsonl gold.jsonl --metric fs,classes

  emollm score predict-openset.csv check-openset.csv --metric fs --wheels mer2025,mer2026

  emollm score new.jsonl gold.jsonl --metric fs --compare old.jsonl -o scores.json

  emollm score results.npz gold.csv --metric mer2025-fg --allow-extra
"""


class Cluster(StrEnum):
    """What the bootstrap draws."""

    SPEAKER = "speaker"
    DIALOGUE = "dialogue"
    CLIP = "clip"


def score(
    predictions: Annotated[
        Path, typer.Argument(help="Answers: .jsonl, .csv, .npz or .txt, of emollm or others (docs/score.md).")
    ],
    gold: Annotated[Path, typer.Argument(help="Records (.jsonl), or .csv with columns name, openset.")],
    metric: Annotated[str, typer.Option("--metric", help="Names with commas between; docs/score.md lists them.")],
    compare: Annotated[
        Path | None,
        typer.Option("--compare", help="Other answers about the same clips: what they gain over the first."),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also write the report as JSON.")] = None,
    wheels: Annotated[
        str | None, typer.Option("--wheels", help="Versions of the wheels: emollm (default), mer2025, mer2026, ...")
    ] = None,
    groups: Annotated[
        Path | None, typer.Option("--groups", help="For mer2024: JSON, clip -> lists of labels that mean the same.")
    ] = None,
    embeddings: options.Embeddings = "",
    cluster: Annotated[
        Cluster | None,
        typer.Option("--cluster", help="What the bootstrap draws; default: speakers if all are known, else clips."),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draws.")] = 0,
    allow_extra: Annotated[
        bool, typer.Option("--allow-extra", help="Leave out, and count, answers about clips that gold does not have.")
    ] = False,
    allow_empty_gold: Annotated[
        bool, typer.Option("--allow-empty-gold", help="Leave out, and count, clips whose gold label list is empty.")
    ] = False,
) -> None:
    """Score answers against gold, with intervals; compare two files on the same draws.

    Anything wrong in the files is listed at once, and nothing is scored.
    """
    from emollm.evaluation.choose import choose
    from emollm.evaluation.extraction import read_outputs
    from emollm.evaluation.joining import join
    from emollm.evaluation.reading import read_groups
    from emollm.evaluation.score import save
    from emollm.evaluation.score import score as report_of
    from emollm.report.scores import score_text

    grouped = None if groups is None else read_groups(groups)
    chosen = choose(_names(metric), _names(wheels or ""), grouped, embeddings)
    answers = [read_outputs(path) for path in (predictions, compare) if path is not None]
    joined = join(gold, answers, chosen, allow_extra=allow_extra, allow_empty_gold=allow_empty_gold)
    report = report_of(joined, chosen, cluster=None if cluster is None else cluster.value, draws=draws, seed=seed)
    if output is not None:
        save(report, output)
    typer.echo(score_text(report))


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]
