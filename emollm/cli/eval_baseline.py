"""`emollm eval baseline`: rows that stand beside a model's. The work is in emollm/evaluation/baseline.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emollm.cli.report import write_beside

if TYPE_CHECKING:
    from emollm.evaluation.benchmarks import Benchmark
    from emollm.evaluation.runner import Call

EXAMPLES = """Examples:

  emollm eval baseline meld --data meld.jsonl --train meld.jsonl --split train

  emollm eval baseline mer2023 --data mer2023.jsonl --train mer2023.jsonl --split train --tower hubert=models/chinese-hubert-large

  emollm eval baseline meld --data meld.jsonl --zero-shot qwen2.5_omni_3b/label --beside runs/eval/meld-latest
"""
Train = Annotated[
    list[Path] | None, typer.Option("--train", help="Records to learn from; of a set with folds, the same.")
]
Tower = Annotated[
    str | None, typer.Option("--tower", help="Linear probe on a frozen tower: NAME=CHECKPOINT; else constant.")
]
ZeroShot = Annotated[
    str | None,
    typer.Option("--zero-shot", help="An omni model as it is, without training: recipe, folder or hub name."),
]
Beside = Annotated[
    list[Path] | None,
    typer.Option("--beside", help="Evaluation to stand beside: given the same modalities and clips, and in one table."),
]


def baseline(
    name: Annotated[str, typer.Argument(help="Name of a benchmark, or the path of a leaf (.yaml).")],
    data: Annotated[list[Path], typer.Option("--data", help="Records file, or a folder of them.")],
    train: Train = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Learn from training records of this split only.")
    ] = None,
    tower: Tower = None,
    zero_shot: ZeroShot = None,
    beside: Beside = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the evaluation.")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Score the parts there are, whatever the number of their clips.")
    ] = False,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Clips answered at once.")] = 8,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws.")] = 1000,
) -> None:
    """Score the most frequent answer of the training clips, a linear probe, or an omni model without training, as a model is scored.

    Text alone is `emollm eval run --ablate t`.
    """
    from emollm.errors import ConfigError
    from emollm.evaluation.benchmarks import load_benchmark
    from emollm.evaluation.results import read_results
    from emollm.evaluation.runner import Call, run_benchmark
    from emollm.report.benchmarks import results_text

    benchmark = load_benchmark(name)
    others = [read_results(place) for place in beside or ()]
    if odd := [one["folder"] for one in others if one["benchmark"]["name"] != benchmark.name]:
        raise ConfigError(f"no evaluation of {benchmark.name}", f"--beside {odd[0]}", "name one of this benchmark")
    call = Call(data=tuple(data), folder=Path(), allow_missing=allow_missing, draws=draws)
    if others:
        call = _as_asked(call, others[0]["call"])
    if zero_shot is not None and (train or split or tower):
        raise ConfigError(
            "a model without training learns from no clips", "--zero-shot", "leave out --train and --tower"
        )
    if zero_shot is None:
        ask, identity, call = _learnt(benchmark, call, train or [], split, tower, output)
    else:
        ask, identity, call = _untrained(benchmark, call, zero_shot, batch_size, output)
    results = run_benchmark(benchmark, ask, call, identity)
    typer.echo(results_text(results))
    typer.echo(f"{call.folder / 'results.json'}", err=True)
    write_beside(results, call.folder, None)
    if others:
        _tell_beside([*others, results])
    raise typer.Exit(int(any(run["counts"]["error"] for run in results["runs"])))


def _as_asked(call: Call, other: dict[str, Any]) -> Call:
    """Return the call with modalities, clips, wheels and encoder of another evaluation's."""
    from dataclasses import replace

    given, wheels = (tuple(other[key]) for key in ("given", "wheels"))
    return replace(call, given=given, wheels=wheels, limit=other["limit"], embeddings=other.get("embeddings", ""))


def _learnt(
    benchmark: Benchmark, call: Call, train: list[Path], split: str | None, tower: str | None, output: Path | None
) -> tuple[Any, dict[str, Any], Call]:
    """Return what answers out of training clips, its identity, and the call."""
    from dataclasses import replace

    from emollm.errors import ConfigError
    from emollm.evaluation.baseline import AskBaseline
    from emollm.evaluation.selecting import read_pool, records_files
    from emollm.run import sha256

    if odd := [part for part, one in benchmark.spec.parts.items() if one.asks != "task"]:
        what = f"{', '.join(odd)}: each clip has a question of its own"
        raise ConfigError(what, benchmark.name, "such baselines are for parts with one question; see --zero-shot")
    if not train:
        raise ConfigError("no clips to learn from", "--train", "name training records, or a model: --zero-shot")
    model, answer, facts, given = _of(tower)
    files = records_files(train)
    learnt = [record for record in read_pool(files) if split in (None, record.split)]
    folder = output or _folder(benchmark, model.partition("=")[0])
    identity = {"engine": "baseline", "model": model, "weights_sha256": None, "split": split, **facts}
    identity["train"] = [{"path": str(path.resolve()), "sha256": sha256(path)} for path in files]
    return AskBaseline(folder, model, learnt, answer), identity, replace(call, folder=folder, given=given or call.given)


def _untrained(
    benchmark: Benchmark, call: Call, model: str, batch_size: int, output: Path | None
) -> tuple[Any, dict[str, Any], Call]:
    """Return what asks an omni model as it is, its identity, and the call.

    Raises:
        ConfigError: There is no such model, it is no omni model, or it was trained.
    """
    from dataclasses import replace

    from emollm.api import open_engine
    from emollm.engines.checkpoints import find_checkpoint
    from emollm.errors import ConfigError
    from emollm.evaluation.asking import AskEngine
    from emollm.evaluation.runner import sampling_of
    from emollm.models.omni import family_of

    if (Path(model) / "config.yaml").is_file() or family_of(find_checkpoint(model).path) is None:
        fix = "name an omni checkpoint or its recipe, such as qwen2.5_omni_3b/label; other models: emollm eval run"
        raise ConfigError("no pretrained omni model as it came", f"--zero-shot {model}", fix)
    opened = open_engine(model, batch_size)
    named = f"zero-shot {opened.identity['model']}"
    folder = output or _folder(benchmark, f"zero-shot-{Path(opened.identity['model']).name}")
    settings = {"benchmark": benchmark.name, "version": benchmark.spec.version}
    ask = AskEngine(folder, opened, opened.identity, sampling_of(benchmark), settings, _say)
    return ask, {**opened.identity, "model": named}, replace(call, folder=folder)


def _of(tower: str | None) -> tuple[str, Any, dict[str, Any], tuple[str, ...]]:
    """Return the baseline's name, what answers, what is known of it, and what it is given (nothing said: all)."""
    from emollm.errors import ConfigError
    from emollm.evaluation.baseline import constant, probed
    from emollm.evaluation.probe import TowerStates
    from emollm.evaluation.probe_states import KeptStates

    if tower is None:
        return "constant", constant, {}, ()
    kind, _, checkpoint = tower.partition("=")
    if not checkpoint:
        raise ConfigError(f"{tower!r} names no checkpoint", "--tower", "such as hubert=models/chinese-hubert-large")
    states = TowerStates(kind, checkpoint)
    facts = {"weights_sha256": states.weights_sha256}
    return f"probe {tower}", probed(KeptStates(states)), facts, (states.modality,)


def _folder(benchmark: Benchmark, name: str) -> Path:
    return Path("runs") / "eval" / f"{benchmark.name}-{name.replace(' ', '-')}"


def _tell_beside(evaluations: list[dict[str, Any]]) -> None:
    """Print evaluations as rows of one table."""
    from emollm.evaluation.afterwards import table
    from emollm.report.benchmarks import columns

    head, rows = table(evaluations)
    typer.echo(f"\n{columns([head, *rows])}")


def _say(line: str) -> None:
    typer.echo(line, err=True)
