"""The report of `emollm eval run`: numbers with their intervals, ablations, subsets, answers and clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emollm.report.answered import answer_figures, answer_tables
from emollm.report.benchmarks import HEAD, JUDGED, failures, judged_cells, mean_cells, number, run_cells
from emollm.report.clip_media import Showing
from emollm.report.clips import Answered, card, pick
from emollm.report.figures import Bound, Figure, Matrix, Spread, Table, between
from emollm.report.page import Report, Section
from emollm.report.scores import details_text
from emollm.report.timelines import timeline_sections

PLAIN = "plain"
Results = Mapping[str, Any]
Run = Mapping[str, Any]


def evaluation_report(
    results: Results, clips: Mapping[str, Sequence[Answered]], most: int, showing: Showing, notes: Sequence[str] = ()
) -> Report:
    """Return the report of results.

    Args:
        results: As `read_results` gives them.
        clips: Part -> its answers (those of `main_runs`).
        most: Cards that are shown.
        showing: Which media may be shown.
        notes: What the reader must know beside it.
    """
    benchmark, model, runs = results["benchmark"], results["model"], results["runs"]
    sections = [_numbers(results), *_ablations(runs), *_subsets(main_runs(results))]
    sections += [_answers(f"Answers: {part}", answered) for part, answered in clips.items()]
    sections += clip_sections([clip for answered in clips.values() for clip in answered], most, showing)
    sections += [_details(results), _made_by(results)]
    warning = "Some parts are missing: the same command goes on." if results["state"] != "done" else ""
    if model.get("valid_for"):
        warning = f"Answers of this model are valid for {model['valid_for']} clips only. {warning}".strip()
    facts = [
        ("benchmark", f"{benchmark['title']} (version {benchmark['version']})"),
        ("what it asks", benchmark["about"]),
        ("does not measure", benchmark["measures_not"]),
        ("model", str(model.get("model"))),
        ("answers", ", ".join(dict.fromkeys(run["answers"] for run in runs)) or "none"),
        (
            "chosen on",
            {"none": "no split of this data"}.get(results["call"]["selected_on"], results["call"]["selected_on"]),
        ),
        ("leaks", _leaks(results.get("leaks"))),
    ]
    return Report(f"{benchmark['name']}: {model.get('model')}", facts, sections, warning, notes)


def main_runs(results: Results) -> list[Run]:
    """Return the run of each part whose answers are looked at: asked plainly, with the most modalities, the first seed."""
    found: dict[str, Run] = {}
    for run in results["runs"]:
        best = found.get(run["part"])
        if run["variant"] == PLAIN and (best is None or len(run["given"]) > len(best["given"])):
            found[run["part"]] = run
    return list(found.values())


def clip_sections(clips: Sequence[Answered], most: int, showing: Showing) -> list[Section]:
    """Return timelines of recordings, the failure gallery, and a sample of the other clips."""
    failed, others = pick(clips, most)
    bad = [card(clip, f"f{at}", showing) for at, clip in enumerate(failed)]
    good = [card(clip, f"c{at}", showing) for at, clip in enumerate(others)]
    sections = [*timeline_sections(clips)]
    if bad:
        about = "Errors first, then unreadable answers, then wrong ones, the surest first."
        sections.append(Section("Failures", about, cards=bad))
    if good:
        about = (
            f"{len(good)} of the other clips, always the same ones." if bad else f"{len(good)} of {len(clips)} clips."
        )
        sections.append(Section("Clips", about, cards=good))
    return sections


def _numbers(results: Results) -> Section:
    """Return the table that the command prints, as a section."""
    runs = results["runs"]
    tables = [
        Table("Every run", HEAD, list(run_cells(runs)), "constant: the best constant answer, chosen on these clips.")
    ]
    means = [row for row in results["summary"] if row["value"] is not None and len(row["parts"]) > 1]
    if means:
        tables.append(Table("Means over parts", ("mean", "given", "variant", "value", "95 %"), list(mean_cells(means))))
    if judged := list(judged_cells(runs)):
        note = "A judge's number is its own: other judges and other prompts give others. alpha, r: how far a matcher agrees with it."
        tables.append(Table("Rated by judges", JUDGED, judged, note))
    if rows := results["reported"]:
        cells = [(row["system"], row["part"] or "mean", f"{row['value']:g}", row["paper"]) for row in rows]
        note = "Of other prompts and other extraction, often of the best epoch on the test set: not measured here."
        tables.append(Table("Reported by papers", ("system", "part", "value", "source"), cells, note))
    bounds = [
        Bound(f"{run['part']} ({run['given']})", run["value"], run["low"], run["high"], f"n {run['clips']:,}")
        for run in main_runs(results)
        if run["value"] is not None
    ]
    about = "The number of each part with its 95 % interval over speakers where they are known, else over clips."
    figures = [Spread("The parts", about, bounds)] if bounds else []
    limit = results["call"]["limit"]
    lead = f"At most {limit} clips a part: not the published set." if limit else ""
    return Section("Numbers", lead, figures, tables)


def _ablations(runs: Sequence[Run]) -> Iterator[Section]:
    """Yield the grid of modalities and the other ways of asking, where there are several."""
    kept = [run for run in runs if run["value"] is not None]
    plain = [run for run in kept if run["variant"] == PLAIN]
    given = list(dict.fromkeys(run["given"] for run in plain))
    figures: list[Figure] = []
    if len(given) > 1:
        parts = list(dict.fromkeys(run["part"] for run in plain))
        values = {(run["given"], run["part"]): run["value"] for run in reversed(plain)}
        grid = [[values.get((some, part)) for part in parts] for some in given]
        about = "The number of each part by what the model was given: a sound, v pictures, t words."
        figures.append(Matrix("What was given", about, given, parts, grid, percent=False))
    for part in dict.fromkeys(run["part"] for run in kept):
        mine = [run for run in kept if run["part"] == part]
        if len(mine) < 2:
            continue
        bounds = [Bound(_way(run), run["value"], run["low"], run["high"], f"n {run['clips']:,}") for run in mine]
        figures.append(Spread(part, f"{part} in every way it was asked, with 95 % intervals.", bounds))
    if figures:
        yield Section(
            "Ablations",
            "Intervals that overlap do not mean that two ways are the same: see emollm eval compare.",
            figures,
        )


def _subsets(runs: Sequence[Run]) -> Iterator[Section]:
    """Yield the number by group of clips."""
    figures: list[Figure] = []
    rows: list[tuple[str, ...]] = []
    unknown: list[str] = []
    for run in (run for run in runs if run.get("subsets")):
        for name, table in run["subsets"].items():
            if isinstance(table, str):
                unknown.append(name)
                continue
            where = f"{run['part']} ({run['given']}) by {name}"
            scored = {group: one for group, one in table.items() if one["value"] is not None}
            small = sum(one["n"] for one in table.values() if one["value"] is None)
            gap = run["worst_gap"].get(name)
            rows.append((where, f"{len(table)}", f"{small:,}", number(gap)))
            if len(scored) > 1:
                bounds = [
                    Bound(group, one["value"], one["low"], one["high"], f"n {one['n']}")
                    for group, one in scored.items()
                ]
                figures.append(Spread(where, f"{run['part']} by {name}: groups of 20 clips at least.", bounds))
    if rows:
        told = ", ".join(dict.fromkeys(unknown))
        head = ("subset", "groups", "clips in groups too small", "best minus worst group")
        note = f"Not measured, as no record tells it: {told}." if told else ""
        yield Section("Subsets", "", figures, [Table("Gaps between groups", head, rows, note)])


def _answers(title: str, clips: Sequence[Answered]) -> Section:
    about = (
        f"{len(clips):,} answers. Families are the eight sectors of Plutchik's wheel, read by our own lexicon; "
        "a benchmark's number may use other maps."
    )
    return Section(title, about, answer_figures(clips), answer_tables(clips))


def answers_section(clips: Sequence[Answered]) -> Section:
    """Return the section about answers that were given to no benchmark."""
    return _answers("Answers", clips)


def _details(results: Results) -> Section:
    """Return every value of every run, and what stands beside it."""
    rows = [
        (
            run["part"],
            run["given"],
            _way(run),
            score["metric"],
            name,
            number(found["value"]),
            between(found.get("low"), found.get("high")),
        )
        for run in results["runs"]
        for score in run["scores"]
        for name, found in score["values"].items()
    ]
    head = ("part", "given", "asked", "metric", "value", "", "95 %")
    lacking = [
        (run["part"], run["given"], metric, why)
        for run in results["runs"]
        for metric, why in run["not_measured"].items()
    ]
    tables = [Table("All values", head, rows)]
    if lacking:
        tables.append(Table("Not measured", ("part", "given", "metric", "why"), lacking))
    if told := [(line,) for run in results["runs"] if (line := failures(run))]:
        tables.append(Table("What went wrong", ("",), told))
    texts = [
        (f"{run['part']} ({run['given']}): measured by the leaf", "\n".join(details_text(run["extra"])))
        for run in results["runs"]
        if "extra" in run
    ]
    return Section("All values", "", (), tables, (), texts)


def _made_by(results: Results) -> Section:
    """Return all that made the numbers."""
    model, made = results["model"], results["provenance"]
    rows = [(key, str(value)) for key, value in model.items()]
    rows += [(f"sampling: {key}", str(value)) for key, value in results["call"]["sampling"].items()]
    rows += [("leaf, SHA-256", results["benchmark"]["sha256"]), ("paper", results["benchmark"]["paper"])]
    rows += [(f"records {file['path']}", file["sha256"]) for file in results["data"]]
    rows += [
        (f"{run['part']} {run['given']} {run['variant']}: question, SHA-256", run["question_sha256"])
        for run in results["runs"]
    ]
    rows += [(key, str(made[key])) for key in ("command", "time", "git_commit", "system", "device") if made.get(key)]
    rows += [(f"version of {name}", version) for name, version in made.get("versions", {}).items()]
    return Section("How it was made", "", (), [Table("Provenance", ("", ""), rows)])


def _way(run: Run) -> str:
    told = run["given"] + ("" if run["variant"] == PLAIN else f", {run['variant']}")
    return told + (f", seed {run['seed']}" if run["seed"] else "")


def _leaks(leaks: Any) -> str:
    if isinstance(leaks, Mapping):
        return f"{leaks['leaking']} clip(s) of {', '.join(leaks['train'])}; {leaks['note']}"
    return str(leaks or "not looked for")
