"""`emollm eval baseline`: rows that stand beside a model's. The work is in emollm/evaluation/baseline.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emollm.cli.report import write_beside

EXAMPLES = """Examples:

  emollm eval baseline meld --data meld.jsonl --train meld.jsonl --split train

  emollm eval baseline mer2023 --data mer2023.jsonl --train mer2023.jsonl --split train --tower hubert=models/chinese-hubert-large
"""


def baseline(
    name: Annotated[str, typer.Argument(help="Name of a benchmark, or the path of a leaf (.yaml).")],
    data: Annotated[list[Path], typer.Option("--data", help="Records file, or a folder of them.")],
    train: Annotated[list[Path], typer.Option("--train", help="Records to learn from; of a set with folds, the same.")],
    split: Annotated[
        str | None, typer.Option("--split", help="Learn from training records of this split only.")
    ] = None,
    tower: Annotated[
        str | None, typer.Option("--tower", help="Linear probe on a frozen tower: NAME=CHECKPOINT; else constant.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the evaluation.")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Score the parts there are, whatever the number of their clips.")
    ] = False,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws.")] = 1000,
) -> None:
    """Score the most frequent answer of the training clips, or a linear probe on a frozen tower, as a model is scored.

    Text alone is `emollm eval run --ablate t`; an omni model without training is `emollm eval run --model HUB_NAME`.
    """
    from emollm.errors import ConfigError
    from emollm.evaluation.baseline import AskBaseline
    from emollm.evaluation.benchmarks import load_benchmark
    from emollm.evaluation.runner import Call, run_benchmark
    from emollm.evaluation.selecting import read_pool, records_files
    from emollm.report.benchmarks import results_text
    from emollm.run import sha256

    benchmark = load_benchmark(name)
    if odd := [part for part, one in benchmark.spec.parts.items() if one.asks != "task"]:
        what = f"{', '.join(odd)}: each clip has a question of its own"
        raise ConfigError(what, benchmark.name, "baselines are for parts with one question")
    model, answer, facts, given = _of(tower)
    files = records_files(train)
    learnt = [record for record in read_pool(files) if split in (None, record.split)]
    folder = output or Path("runs") / "eval" / f"{benchmark.name}-{model.partition('=')[0].replace(' ', '-')}"
    identity = {"engine": "baseline", "model": model, "weights_sha256": None, "split": split, **facts}
    identity["train"] = [{"path": str(path.resolve()), "sha256": sha256(path)} for path in files]
    call = Call(data=tuple(data), folder=folder, given=given, allow_missing=allow_missing, draws=draws)
    ask = AskBaseline(folder, model, learnt, answer)
    results = run_benchmark(benchmark, ask, call, identity)
    typer.echo(results_text(results))
    typer.echo(f"{folder / 'results.json'}", err=True)
    write_beside(results, folder, None)


def _of(tower: str | None) -> tuple[str, Any, dict[str, Any], tuple[str, ...]]:
    """Return the baseline's name, what answers, what is known of it, and what it is given (nothing said: all)."""
    from emollm.errors import ConfigError
    from emollm.evaluation.baseline import constant, probed
    from emollm.evaluation.probe import TowerStates

    if tower is None:
        return "constant", constant, {}, ()
    kind, _, checkpoint = tower.partition("=")
    if not checkpoint:
        raise ConfigError(f"{tower!r} names no checkpoint", "--tower", "such as hubert=models/chinese-hubert-large")
    states = TowerStates(kind, checkpoint)
    return f"probe {tower}", probed(states), {"weights_sha256": states.weights_sha256}, (states.modality,)
