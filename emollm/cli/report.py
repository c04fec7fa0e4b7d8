"""`emollm report`: results, answers or a training run as one HTML file. The work is in emollm/report/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from emollm.report.clips import Answered
    from emollm.report.page import Report

EXAMPLES = """Examples:

  emollm report runs/eval/synth-tiny

  emollm report labels.jsonl --data records.jsonl --clips 100 -o labels.html

  emollm report runs/tiny-grpo --files figures
"""
CLIPS = 24


def report(
    place: Annotated[
        Path,
        typer.Argument(help="Folder of an evaluation or a training run, results.json, or answers (docs/score.md)."),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; default: report.html beside what it is about.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Records of the clips that the answers are about: words, truth, media."),
    ] = None,
    clips: Annotated[int, typer.Option("--clips", min=0, help="Cards of clips, at most.")] = CLIPS,
    with_media: Annotated[
        bool,
        typer.Option(
            "--with-media", help="Show pictures and sound of all clips, not only of those whose licence allows it."
        ),
    ] = False,
    show_faces: Annotated[bool, typer.Option("--show-faces", help="Do not blur pictures of people.")] = False,
    files: Annotated[
        Path | None, typer.Option("--files", help="Folder for each table (.md, .tex, .csv) and figure (.png).")
    ] = None,
) -> None:
    """Write a page that needs no network: numbers, wheels, confusions, curves, failures and clips with their cues."""
    from emollm.errors import ConfigError
    from emollm.report.clip_media import Showing
    from emollm.report.trained import is_training_run, training_report

    showing = Showing(with_media, show_faces)
    if not place.exists():
        raise ConfigError("no such file or folder", str(place), "name a run, results.json, or a file of answers")
    trained = is_training_run(place)
    about_answers = not trained and _holds_answers(place)
    if data is not None and not about_answers:
        what = "a training run has no answers" if trained else "results name their records themselves"
        raise ConfigError(what, "--data", "leave it out")
    if trained:
        found = training_report(place)
    elif about_answers:
        found = _of_answers(place, data, clips, showing)
    else:
        from emollm.evaluation.results import read_results

        found = of_results(read_results(place), clips, showing)
    folder = place if place.is_dir() else place.parent
    _write(found, output or folder / (f"{place.stem}.html" if about_answers else "report.html"), files)


def of_results(results: dict[str, Any], clips: int = CLIPS, showing: Any = None) -> Report:
    """Return the report of an evaluation; where its records are gone, it is told, and cards show answers alone.

    Args:
        results: As `read_results` gives them.
        clips: Cards, at most.
        showing: Which media may be shown; None: those whose licence allows it.
    """
    from emollm.errors import EmoError
    from emollm.evaluation.results import predictions_of, records_of
    from emollm.report.clip_media import Showing
    from emollm.report.evaluated import evaluation_report, main_runs

    runs = [run for run in main_runs(results) if run["asks"] == "task"]
    notes: list[str] = []
    try:
        ids = list(dict.fromkeys(id_ for run in runs for id_ in run["ids"]))
        records = dict(zip(ids, records_of(results, {"ids": ids}), strict=True))
    except EmoError as error:
        records = {}
        notes.append(f"Clips are shown without words, truth and media. {error}")
    found = {}
    for run in runs:
        try:
            answers = predictions_of(results, run)
        except EmoError as error:
            notes.append(f"Answers of {run['part']} are not shown. {error}")
            continue
        found[run["part"]] = [_joined(one, records.get(one.id), bool(run["labels"]), run["part"]) for one in answers]
    return evaluation_report(results, found, clips, showing or Showing(), notes)


def write_beside(results: dict[str, Any], folder: Path, output: Path | None) -> None:
    """Write the report of an evaluation that has just ended, by default into its folder."""
    _write(of_results(dict(results, folder=str(folder))), output or folder / "report.html")


def _write(found: Report, output: Path, files: Path | None = None) -> None:
    from emollm.report.files import write_files
    from emollm.report.page import write_page

    write_page(found, output)
    typer.echo(str(output), err=True)
    if files is not None:
        typer.echo(f"{files}: {write_files(found, files)} files", err=True)


def _holds_answers(place: Path) -> bool:
    """Tell whether a path is a file of answers; a folder and a .json file hold results."""
    return not place.is_dir() and place.suffix.lower() != ".json"


def _of_answers(place: Path, data: Path | None, most: int, showing: Any) -> Report:
    """Return the report of a file of answers.

    Raises:
        EmoError: The file cannot be read, has problems, or answers clips that the records lack.
    """
    from emollm.errors import EmoError, collect
    from emollm.evaluation.extraction import read_outputs
    from emollm.evaluation.selecting import read_pool, records_files
    from emollm.report.evaluated import answers_section, clip_sections
    from emollm.report.page import Report

    outputs = read_outputs(place)
    if error := collect(outputs.problems, "{n} problem(s) in the answers:"):
        raise error
    if not outputs.predictions:
        raise EmoError("no answer in the file", str(place), "emollm label writes answers")
    pool = read_pool(records_files([data])) if data is not None else []
    by_id = {record.native_id: record for record in pool if record.native_id} | {record.id: record for record in pool}
    missing = [one.id for one in outputs.predictions if one.id not in by_id] if data is not None else []
    if missing:
        what = f"{len(missing)} answered clip(s) without a record, such as {missing[0]}"
        raise EmoError(what, str(data), "name the records that were labelled")
    clips = [_joined(one, by_id.get(one.id), False, "") for one in outputs.predictions]
    models = dict.fromkeys(one.provenance.model for one in outputs.predictions)
    limits = dict.fromkeys(one.provenance.valid_for for one in outputs.predictions if one.provenance.valid_for)
    warning = f"Answers of this model are valid for {', '.join(limits)} clips only." if limits else ""
    facts = [("answers", f"{place} ({outputs.format})"), ("clips", f"{len(clips):,}"), ("model", ", ".join(models))]
    sections = [answers_section(clips), *clip_sections(clips, most, showing)]
    return Report(f"Answers: {place.stem}", facts, sections, warning)


def _joined(prediction: Any, record: Any, closed: bool, part: str) -> Answered:
    """Return an answer with its record; in a closed set, the record has a class."""
    from emollm.report.clips import Answered

    return Answered(prediction, record, closed and record is not None and record.targets.label is not None, part)
