"""`emollm eval compare|verify|power|table|submit`: what is done with results. The work is in emollm/evaluation/afterwards.py."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emollm.cli import options

COMPARE_EXAMPLES = """Examples:

  emollm eval compare runs/eval/meld-base runs/eval/meld-new
"""
VERIFY_EXAMPLES = """Examples:

  emollm eval verify runs/eval/meld-new --model runs/new --n 20
"""
POWER_EXAMPLES = """Examples:

  emollm eval power runs/eval/meld-base --gain 0.02

  emollm eval power runs/eval/meld-base --against runs/eval/meld-new --gain 0.01 --power 0.9
"""
TABLE_EXAMPLES = """Examples:

  emollm eval table runs/eval/meld-*

  emollm eval table runs/eval/meld-a runs/eval/meld-b --format latex -o table.tex
"""
SUBMIT_EXAMPLES = """Examples:

  emollm eval submit labels.jsonl --candidates mer2026.jsonl --track open -o track2.csv
"""
Run = Annotated[Path, typer.Argument(help="Folder of an evaluation, or its results.json.")]


class Format(StrEnum):
    """How a table is written."""

    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"


class Track(StrEnum):
    """What a track of the MER challenges asks for."""

    CLASS = "class"
    OPEN = "open"
    PREFERENCE = "preference"


def compare(
    first: Run,
    second: Run,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws.")] = 1000,
) -> None:
    """Say what SECOND gains over FIRST on the same clips: difference, interval, p-value, Holm's correction over all rows."""
    from emollm.evaluation.afterwards import compare as compared
    from emollm.evaluation.results import read_results
    from emollm.report.benchmarks import columns, interval, number

    rows = compared(read_results(first), read_results(second), draws)
    head = ("part", "given", "variant", "n", "first", "second", "difference", "95 %", "p", "p (Holm)")
    cells = [
        (
            *(str(row[key]) for key in ("part", "given", "variant", "n")),
            number(row["first"]),
            number(row["second"]),
            f"{row['difference']:+.4f}",
            interval(row),
            number(row["p"]),
            number(row["p_holm"]),
        )
        for row in rows
    ]
    typer.echo(columns([head, *cells]))


def verify(
    run: Run,
    model: options.Model = "tiny",
    engine: options.Engine = options.EngineName.HF,
    base_url: options.BaseUrl = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Clips that are asked about again, of each part.")] = 20,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which clips.")] = 0,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Clips answered at once.")] = 8,
) -> None:
    """Score kept answers again, ask some clips again, and say what differs; exit code 1 if anything does."""
    import tempfile

    from emollm.api import open_engine
    from emollm.engines import Sampling
    from emollm.errors import ConfigError
    from emollm.evaluation.afterwards import verify as verified
    from emollm.evaluation.asking import AskEngine
    from emollm.evaluation.results import read_results

    results = read_results(run)
    opened = open_engine(model, batch_size, engine=engine.value, base_url=base_url)
    if opened.identity["weights_sha256"] != results["model"]["weights_sha256"]:
        raise ConfigError("other weights than those of the results", f"--model {model}", "name the model that answered")
    differs = False
    with tempfile.TemporaryDirectory() as folder:
        ask = AskEngine(Path(folder), opened, opened.identity, Sampling(**results["call"]["sampling"]))
        for row in verified(results, ask, n, seed):
            same = abs((row["again"] or 0) - (row["value"] or 0)) < 1e-9
            typer.echo(
                f"{row['part']} {row['given']}: the number is {'the same' if same else 'another'}; "
                f"{row['asked'] - len(row['other'])} of {row['asked']} answers are the same"
            )
            for id_, (then, now) in row["other"].items():
                typer.echo(f"  {id_}: {', '.join(then) or '-'} then, {', '.join(now) or '-'} now")
            differs = differs or not same or bool(row["other"])
    raise typer.Exit(int(differs))


def power(
    run: Run,
    gain: Annotated[float, typer.Option("--gain", min=0.0001, max=1.0, help="Difference to be shown, such as 0.02.")],
    against: Annotated[
        Path | None, typer.Option("--against", help="Another system's results on the same clips: fewer are needed.")
    ] = None,
    power_: Annotated[
        float, typer.Option("--power", min=0.5, max=0.999, help="Chance to show the gain if it is there.")
    ] = 0.8,
) -> None:
    """Plan how many clips show a gain (two-sided, 5 %), from the spread that results have."""
    from emollm.evaluation.afterwards import plan
    from emollm.evaluation.results import read_results
    from emollm.report.benchmarks import columns

    rows = plan(read_results(run), None if against is None else read_results(against), gain, power_)
    head = ("part", "given", "clips now", "standard error", "clips needed")
    cells = [(row["part"], row["given"], f"{row['n']:,}", f"{row['spread']:.4f}", f"{row['clips']:,}") for row in rows]
    typer.echo(columns([head, *cells]))
    typer.echo("Clips of as many speakers as now, in proportion: more clips of the same speakers help less.")


def table(
    runs: Annotated[list[Path], typer.Argument(help="Folders of evaluations of one benchmark.")],
    format_: Annotated[Format, typer.Option("--format", help="How the table is written.")] = Format.MARKDOWN,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write; default: print.")] = None,
) -> None:
    """Put evaluations into one table, in hundredths; those of one model name are its seeds: mean and interval over them."""
    from emollm.evaluation.afterwards import table as tabled
    from emollm.evaluation.results import read_results
    from emollm.paths import whole_file
    from emollm.report.benchmarks import table_text

    text = table_text(*tabled([read_results(run) for run in runs]), format_.value)
    if output is None:
        typer.echo(text, nl=False)
        return
    with whole_file(output) as out:
        out.write(text)
    typer.echo(str(output))


def submit(
    predictions: Annotated[Path, typer.Argument(help="Answers: .jsonl, .csv, .npz or .txt (docs/score.md).")],
    candidates: Annotated[Path, typer.Option("--candidates", help="Records of all candidates (emollm data prep).")],
    track: Annotated[Track, typer.Option("--track", help="class (track 1), open (2), or preference (MER2026, 3).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .csv, or .npz for open.")],
    split: Annotated[str | None, typer.Option("--split", help="Only candidates of this split.")] = None,
) -> None:
    """Write the file that a track of the MER challenges asks for; candidates without an answer are listed and refused."""
    from emollm.evaluation.extraction import read_outputs
    from emollm.evaluation.submission import write_submission
    from emollm.records import read_records

    wanted = [record for record in read_records(candidates) if split in (None, record.split)]
    count = write_submission(output, read_outputs(predictions), wanted, track.value)
    typer.echo(f"{output}: {count:,} rows")
