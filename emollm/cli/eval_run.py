"""`emollm eval`: benchmarks in one command. The work is in emollm/evaluation/runner.py."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emollm.cli import eval_after, eval_baseline, eval_extract, eval_judge, options
from emollm.cli.report import write_beside

if TYPE_CHECKING:
    from emollm.engines import Engine
    from emollm.evaluation.benchmarks import Benchmark
    from emollm.evaluation.runner import Call

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run benchmarks, look at them, compare and check results.",
)

RUN_EXAMPLES = """Examples:

  emollm eval run synth --model tiny

  emollm eval run mer_unibench --model runs/latest --data records/

  emollm eval run meld --model runs/latest --data meld.jsonl --ablate all --seeds 0,1,2

  emollm eval run ov_merd --predictions predict-openset.csv --data ov_merd.jsonl -o runs/eval/theirs
"""
LS_EXAMPLES = """Examples:

  emollm eval ls
"""
INFO_EXAMPLES = """Examples:

  emollm eval info mer_unibench
"""


class Split(StrEnum):
    """On which split a model was chosen."""

    NONE = "none"
    DEV = "dev"
    TEST = "test"


class Extract(StrEnum):
    """What reads labels from free text."""

    LEXICON = "lexicon"


Name = Annotated[str, typer.Argument(help="Name of a benchmark (emollm eval ls), or the path of a leaf (.yaml).")]

Data = Annotated[
    list[Path] | None, typer.Option("--data", help="Records file, or a folder of them; several are allowed.")
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="Folder of the evaluation; an interrupted one goes on there.")
]
Predictions = Annotated[
    Path | None, typer.Option("--predictions", help="Score this file of answers instead of asking a model.")
]
Ablate = Annotated[
    str | None, typer.Option("--ablate", help="Modalities given: all, or subsets of avt such as avt,av,t.")
]
Variants = Annotated[
    str | None, typer.Option("--variants", help="Other ways to ask: prompt-1, missing-0.3, hidden-all, muted, ...")
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Score the parts there are, whatever the number of their clips.")
]
Extracted = Annotated[Extract | None, typer.Option("--extract", help="Ask for free text, read labels from it.")]
Train = Annotated[
    list[Path] | None, typer.Option("--train", help="Records the model learnt from: leaks are looked for.")
]
Report = Annotated[
    Path | None, typer.Option("--report", help="File of the report; default: report.html in the folder.")
]
ReproducePaper = Annotated[
    bool, typer.Option("--reproduce-paper", help="Admit a model chosen on the test set, as a paper did.")
]


@app.command("run", epilog=RUN_EXAMPLES)
def run(
    name: Name,
    model: options.Model = "tiny",
    data: Data = None,
    output: Output = None,
    predictions: Predictions = None,
    engine: options.Engine = options.EngineName.HF,
    base_url: options.BaseUrl = None,
    distribution: options.Distribution = None,
    ablate: Ablate = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds of sampling, with commas between.")] = "0",
    variants: Variants = None,
    extract: Extracted = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many clips a part.")] = None,
    wheels: Annotated[str | None, typer.Option("--wheels", help="Other wheels than the benchmark's.")] = None,
    embeddings: options.Embeddings = "",
    allow_missing: AllowMissing = False,
    train: Train = None,
    allow_leaks: Annotated[bool, typer.Option("--allow-leaks", help="Score and count clips that leak.")] = False,
    selected_on: Annotated[Split, typer.Option("--selected-on", help="Split the model was chosen on.")] = Split.NONE,
    reproduce_paper: ReproducePaper = False,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Clips answered at once.")] = 8,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws.")] = 1000,
    report: Report = None,
) -> None:
    """Ask a model what a benchmark asks, score the answers as published, print a table, write results.json and a report."""
    from emollm.evaluation.benchmarks import load_benchmark
    from emollm.evaluation.runner import Call, run_benchmark

    benchmark = load_benchmark(name)
    who = predictions.stem if predictions is not None else Path(model).name
    folder = output or Path("runs") / "eval" / f"{benchmark.name}-{who}"
    call = Call(
        data=tuple(data) if data else _made(benchmark),
        folder=folder,
        given=_given(ablate),
        seeds=_seeds(seeds, benchmark),
        variants=_variants(variants),
        limit=limit,
        wheels=_names(wheels),
        allow_missing=allow_missing,
        selected_on=selected_on.value,
        reproduce_paper=reproduce_paper,
        draws=draws,
        extract="" if extract is None else extract.value,
        embeddings=embeddings,
    )
    notes = _leaks(benchmark, call, [*(train or ()), *_trained_on(Path(model))], allow_leaks)
    if predictions is not None:
        ask, identity = _answers_of(predictions, folder, call)
    else:
        from emollm.api import open_engine

        opened = open_engine(model, batch_size, engine=engine.value, base_url=base_url, distribution=distribution)
        ask, identity = _asked(benchmark, opened, folder), opened.identity
    results = run_benchmark(benchmark, ask, call, identity, _say, notes)
    _tell(results)
    typer.echo(f"{folder / 'results.json'}", err=True)
    write_beside(results, folder, report)
    raise typer.Exit(int(any(one["counts"]["error"] for one in results["runs"])))


@app.command("ls", epilog=LS_EXAMPLES)
def ls() -> None:
    """List the benchmarks: name, clips, the data sets that each needs, title."""
    from emollm.evaluation.benchmarks import benchmark_names, list_text, load_benchmark

    typer.echo(list_text(map(load_benchmark, benchmark_names())))


@app.command("info", epilog=INFO_EXAMPLES)
def info(name: Name) -> None:
    """Say what a benchmark asks of which clips, how it is scored, what it does not measure, and what papers report."""
    from emollm.evaluation.benchmarks import info_text, load_benchmark

    typer.echo(info_text(load_benchmark(name)).rstrip("\n"))


app.command("baseline", epilog=eval_baseline.EXAMPLES)(eval_baseline.baseline)
app.command("extract", epilog=eval_extract.EXAMPLES)(eval_extract.extract)
app.command("judge", epilog=eval_judge.EXAMPLES)(eval_judge.judge)
app.command("compare", epilog=eval_after.COMPARE_EXAMPLES)(eval_after.compare)
app.command("verify", epilog=eval_after.VERIFY_EXAMPLES)(eval_after.verify)
app.command("power", epilog=eval_after.POWER_EXAMPLES)(eval_after.power)
app.command("table", epilog=eval_after.TABLE_EXAMPLES)(eval_after.table)
app.command("submit", epilog=eval_after.SUBMIT_EXAMPLES)(eval_after.submit)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name for part in (text or "").split(",") if (name := part.strip()))


def _given(text: str | None) -> tuple[str, ...]:
    """Return the subsets of modalities that are asked for.

    Raises:
        ConfigError: One is no subset of avt.
    """
    from emollm.errors import ConfigError
    from emollm.evaluation.benchmarks import subsets_of

    if text == "all":
        return subsets_of("avt")
    known = {frozenset(some): some for some in subsets_of("avt")}
    wrong = [name for name in _names(text) if frozenset(name) not in known]
    if wrong:
        raise ConfigError(f"{', '.join(wrong)} is no subset of avt", "--ablate", "all, or such as avt,av,t")
    return tuple(known[frozenset(name)] for name in _names(text))


def _seeds(text: str, benchmark: Benchmark) -> tuple[int, ...]:
    """Return the seeds.

    Raises:
        ConfigError: They are no numbers, or there are several though answers are greedy.
    """
    from emollm.errors import ConfigError

    if not all(name.isdecimal() for name in _names(text)) or not _names(text):
        raise ConfigError(f"{text!r} are no seeds", "--seeds", "whole numbers with commas between, such as 0,1,2")
    seeds = tuple(dict.fromkeys(map(int, _names(text))))
    if len(seeds) > 1 and benchmark.spec.decode.temperature == 0:
        what = f"{benchmark.name} asks for greedy answers, which do not depend on a seed"
        raise ConfigError(what, "--seeds", "several trainings are several runs: see emollm eval table")
    return seeds


def _variants(text: str | None) -> tuple[str, ...]:
    """Return the variants, the plain one first."""
    from emollm.evaluation.variants import PLAIN, expand

    return expand((PLAIN, *_names(text)))


def _made(benchmark: Benchmark) -> tuple[Path, ...]:
    """Return the records that the benchmark makes itself.

    Raises:
        ConfigError: It makes none.
    """
    from emollm.errors import ConfigError
    from emollm.paths import cache_dir

    if benchmark.spec.make is None:
        raise ConfigError(f"{benchmark.name} needs records", "--data", "; ".join(benchmark.spec.data))
    folder = cache_dir() / "eval" / f"{benchmark.name}-{benchmark.sha256[:12]}"
    typer.echo(f"records in {folder}", err=True)
    return tuple(benchmark.named(benchmark.spec.make)(folder))


def _trained_on(run: Path) -> list[Path]:
    """Return the records files that a run folder says its model learnt from, as far as they are there."""
    recipe = run / "config.yaml"
    if not recipe.is_file():
        return []
    from emollm.config_yaml import YamlFile

    data = YamlFile.read(recipe).tree.get("data") or {}
    return [path for name in data.get("train") or () if (path := Path(name)).is_file()]


def _leaks(benchmark: Benchmark, call: Call, train: list[Path], allowed: bool) -> dict[str, Any]:
    """Look for clips that the model learnt from.

    Raises:
        ConfigError: There are some, and they are not allowed.
    """
    if not train:
        return {"leaks": "not looked for: name the training records with --train"}
    from emollm.data.leaks import PRETRAINING, find_leaks
    from emollm.errors import ConfigError
    from emollm.evaluation.selecting import read_pool, records_files, select

    files = records_files(call.data)
    asked = {record.id for part in select(benchmark, read_pool(files), allow_missing=True).values() for record in part}
    found = [match for one in train for file in files for match in find_leaks(one, file).matches]
    leaking = sorted({match.test for match in found if match.test in asked})
    if leaking and not allowed:
        what = f"{len(leaking)} clip(s) of the benchmark are in the training records, such as {leaking[0]}"
        raise ConfigError(what, ", ".join(map(str, train)), "leave them out of training, or --allow-leaks")
    return {"leaks": {"train": [str(path) for path in train], "leaking": len(leaking), "note": PRETRAINING}}


def _answers_of(predictions: Path, folder: Path, call: Call) -> tuple[Any, dict[str, Any]]:
    """Return what takes answers out of a file, and the identity that results carry.

    Raises:
        ConfigError: Other ways to ask are wanted, too.
    """
    from emollm.errors import ConfigError
    from emollm.evaluation.asking import AskFile
    from emollm.evaluation.extraction import read_outputs

    if len(call.variants) > 1:
        raise ConfigError("a file of answers was asked in one way", "--variants", "ask a model: --model")
    outputs = read_outputs(predictions)
    return AskFile(folder, outputs), {"engine": outputs.format, "model": predictions.name, "weights_sha256": None}


def _asked(benchmark: Benchmark, engine: Engine, folder: Path) -> Any:
    """Return what asks a model, and keeps its answers."""
    from emollm.evaluation.asking import AskEngine
    from emollm.evaluation.runner import sampling_of

    settings = {"benchmark": benchmark.name, "version": benchmark.spec.version}
    return AskEngine(folder, engine, engine.identity, sampling_of(benchmark), settings, _say)


def _tell(results: dict[str, Any]) -> None:
    """Print the results, and what other ways of asking changed, if there were any."""
    from emollm.evaluation.robustness import robustness_rows
    from emollm.report.benchmarks import columns, results_text

    typer.echo(results_text(results))
    rows = list(robustness_rows(results))
    if len(rows) > 1:
        typer.echo(f"\n{columns(rows)}")


def _say(line: str) -> None:
    typer.echo(line, err=True)
